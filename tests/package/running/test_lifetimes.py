"""What is closed, freed, forked, or still open at the end: nothing crashes, nothing is left behind."""

import copy
import functools
import gc
import itertools
import os
import pathlib
import sys
import tempfile
import weakref

import numpy as np
import pytest
from running_support import SANITIZED, child, layers, model, noise, program

import penstock
from penstock import _native

X = noise(1)[0]


def opened(cores=1):
    engine = penstock.Engine(program(), cores, oversubscribe=True, idle="yield")
    stream = engine.stream()
    y = np.zeros(3, np.float32)
    return engine, stream, stream.bind(X, y)


def stream_calls(stream, f):
    return {
        "step": lambda: stream.step(X),
        "released": lambda: stream.step(X, None, True),
        "bound": f,
        "bind": lambda: stream.bind(X, np.zeros(3, np.float32)),
        "settle": stream.settle,
        "warm": stream.warm,
        "run": lambda: stream.run(X[None]),
        "run of nothing": lambda: stream.run(noise(0)),
        "save": stream.save,
        "restore": lambda: stream.restore(b"x" * 64),
        "reset": stream.reset,
        "clone": stream.clone,
        "state": lambda: stream.state,
        "with": stream.__enter__,
    }


@pytest.mark.parametrize("cores", [1, 2])
def test_closed_stream(cores):
    engine, stream, f = opened(cores)
    f()
    stream.close()
    stream.close()
    assert stream.closed and not engine.closed and "closed" in repr(stream)
    for name, call in stream_calls(stream, f).items():
        with pytest.raises(penstock.ClosedError, match="stream: it was closed") as caught:
            call()
        assert caught.value.status == "PST_E_CLOSED", name
    assert engine.stream().step(X).shape == (3,)


@pytest.mark.parametrize("cores", [1, 2])
def test_closed_engine(cores):
    engine, stream, f = opened(cores)
    f()
    engine.close()
    engine.close()
    assert engine.closed and "closed" in repr(engine) and "closed" in repr(stream)
    calls = stream_calls(stream, f) | {"stream": engine.stream, "bind_caller": engine.bind_caller}
    calls |= {"unbind_caller": engine.unbind_caller, "engine": engine.__enter__, "info": lambda: engine.info}
    for name, call in calls.items():
        with pytest.raises(penstock.ClosedError, match="engine: it was closed") as caught:
            call()
        assert caught.value.status == "PST_E_CLOSED", name
    stream.close()
    with pytest.raises(penstock.ClosedError):
        stream.step(X)


def test_closed_model_and_program(tmp_path):
    m = penstock.Model.create(layers("stack"))
    p = m.compile("f32", progress=False, certificate_steps=2)
    engine = penstock.Engine(p)
    m.close()
    p.close()
    m.close()
    p.close()
    assert m.closed and p.closed and "closed" in repr(m) and "closed" in repr(p)
    assert engine.stream().step(X).shape == (3,) and engine.stream().state
    for call in (
        lambda: m.reference(X[None]),
        lambda: m.compile(progress=False),
        lambda: m.save(tmp_path / "m"),
        lambda: m.layers,
        m.__enter__,
        lambda: p.save(tmp_path / "p"),
        lambda: p.error,
        lambda: p.layers,
        lambda: penstock.Engine(p),
        p.__enter__,
    ):
        with pytest.raises(penstock.ClosedError, match="it was closed"):
            call()


def test_context_managers():
    with penstock.Model.create(layers("stack")) as m, m.compile("f32", progress=False, certificate_steps=2) as p:
        with penstock.Engine(p) as engine, engine.stream() as stream:
            assert stream.step(X).shape == (3,)
        assert stream.closed and engine.closed and not p.closed
    assert p.closed and m.closed
    with pytest.raises(KeyError), penstock.Engine(program()) as engine:
        raise KeyError
    assert engine.closed


@functools.cache
def written():
    """The bytes of a program."""
    with tempfile.NamedTemporaryFile(suffix=".pstk") as file:
        program().save(file.name)
        return pathlib.Path(file.name).read_bytes()


@pytest.mark.parametrize("order", list(itertools.permutations(["program", "engine", "stream", "f"])))
@pytest.mark.parametrize("close", [False, True])
def test_freed_in_any_order(order, close):
    held = {"program": penstock.Program.open(written())}
    held["engine"] = penstock.Engine(held["program"])
    held["stream"] = held["engine"].stream()
    held["f"] = held["stream"].bind(X, np.zeros(3, np.float32))
    held["f"]()
    refs = [weakref.ref(held[name]) for name in ("engine", "stream")]
    for name in order:
        if close and name != "f":
            held[name].close()
        del held[name]
        if "f" in held and not close:
            assert held["f"]().shape == (3,)
    assert not any(ref() for ref in refs)  # without the collector: there are no cycles


def test_a_cycle_through_a_bound_function():
    class Named(penstock.Stream):  # with a __dict__
        pass

    engine = penstock.Engine(program())
    from penstock.stream import Stream

    assert Stream is penstock.Stream
    stream = engine.stream()
    named = Named(stream._gate, allocate(engine), engine, False)
    named.f = named.bind(X, np.zeros(3, np.float32))
    assert named.f().shape == (3,)
    gone = weakref.ref(named)
    del named
    gc.collect()
    assert gone() is None


def allocate(engine):
    """The address of a stream that nobody owns yet."""
    out = _native.ffi.new("pst_stream **")
    with engine._gate:
        _native.check(
            _native.lib.pst_stream_open(_native.ffi.cast("pst_engine *", engine._gate.address), _native.ffi.NULL, out)
        )
    return int(_native.ffi.cast("uintptr_t", out[0]))


def test_what_cannot_be_made_by_hand():
    engine = penstock.Engine(program())
    for make in (
        lambda: penstock.Stream(),
        lambda: penstock.Stream(None, 1, engine, False),
        lambda: penstock.Stream(engine, 1, engine, False),
        lambda: penstock.Stream(engine._gate, 0, engine, False),
        lambda: penstock.Stream.__new__(penstock.Stream),
        lambda: object.__new__(penstock.Stream),
        lambda: _native.Stepper(engine._gate, 1, 0, 1, False),
        lambda: _native.Stepper(engine._gate, 1, 1, 1, release_gil=False),
        lambda: _native.Gate(),
        lambda: _native.Gate(0),
        lambda: _native.Gate("1"),
        lambda: _native.Gate(address=1),
        lambda: type(engine.stream().bind(X, np.zeros(3, np.float32)).__self__)(),
        lambda: copy.copy(engine.stream()),
        lambda: copy.deepcopy(engine),
    ):
        with pytest.raises((TypeError, ValueError)):
            make()


def test_references_are_given_back():
    """Of every argument and result, whether the call succeeds or fails."""
    stream = penstock.Engine(program()).stream()
    x, y, wrong, none = X.copy(), np.zeros(3, np.float32), np.zeros(5), [0.0]
    objects = [x, y, wrong, none, stream, stream._gate, np.dtype(np.float32), penstock.ArgumentError]
    bad = x.copy()
    bad[0] = np.nan

    def use():
        stream.step(x)
        stream.step(x, y)
        stream.step(x, out=y, release_gil=True)
        stream.bind(x, y)()
        stream.settle()
        stream.warm()
        stream.run(x[None], y[None])
        for call in (
            lambda: stream.step(wrong),
            lambda: stream.step(x, wrong),
            lambda: stream.step(none, y),
            lambda: stream.step(bad, y),
            lambda: stream.bind(x, none),
            lambda: stream.bind(x, y)(1),
            lambda: stream.step(x, q=y),
            lambda: stream.settle(-1),
        ):
            with pytest.raises((penstock.Error, TypeError)):
                call()

    use()
    gc.collect()
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(20):
        use()
    gc.collect()
    grown = [now - then for now, then in zip((sys.getrefcount(each) for each in objects), before, strict=True)]
    assert max(grown) < 10, grown


@pytest.mark.skipif(SANITIZED, reason="the sanitizer keeps freed memory")
@pytest.mark.parametrize("close", [False, True])
def test_a_thousand_opens_leave_nothing(close):
    p = program("stack", "bf16")

    def once(cores=1):
        engine = penstock.Engine(p, cores, oversubscribe=True)
        streams = [engine.stream(), engine.stream()]
        f = streams[0].bind(X, np.zeros(3, np.float32))
        f()
        streams.append(streams[1].clone())
        streams[2].step(X)
        if close:
            engine.close()
            streams[0].close()

    def held():
        gc.collect()
        with open("/proc/self/statm") as statm:
            pages = int(statm.read().split()[1])
        with open("/proc/self/maps") as maps:
            mappings = len(maps.readlines())
        lists = [len(os.listdir(f"/proc/self/{of}")) for of in ("fd", "task")]
        return pages * os.sysconf("SC_PAGE_SIZE"), mappings, lists

    for _ in range(100):
        once()
    before = held()
    for k in range(1000):
        once(2 if k % 50 == 0 else 1)
    after = held()
    assert after[2] == before[2]
    assert after[1] <= before[1] + 10, f"mappings: {before[1]}, then {after[1]}"
    assert after[0] <= before[0] + (2 << 20), f"resident bytes: {before[0]}, then {after[0]}"


@pytest.mark.skipif(SANITIZED, reason="the sanitizer keeps freed memory")
def test_models_and_programs_leave_nothing(tmp_path):
    m = model()
    m.save(tmp_path / "m.safetensors")

    def once():
        again = penstock.Model.read(tmp_path / "m.safetensors")
        penstock.Model.create(layers("stack"))
        again.compile("bf16", noise(4), progress=lambda done, stage: None)
        with pytest.raises(penstock.CancelledError):
            again.compile("bf16", progress=lambda done, stage: stage != "reference")
        with pytest.raises(penstock.Error):
            penstock.Program.open(b"not a program" * 10)
        assert again.layers

    def resident():
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(30):
        once()
    before = resident()
    for _ in range(200):
        once()
    assert resident() <= before + (2 << 20)


# ---- other processes ------------------------------------------------------------------------------------------------

SETUP = f"""
import gc, os, sys, threading
import numpy as np
sys.path[:0] = {[os.path.dirname(__file__)]!r}
from running_support import program, noise
import penstock
x = noise(5)
expect = penstock.Engine(program()).stream().run(x)
"""


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("caller", ["core", "apart"])
def test_fork_with_an_engine_open(cores, caller):
    code = (
        SETUP
        + f"""
engine = penstock.Engine(program(), {cores}, caller={caller!r}, oversubscribe=True, idle="yield")
stream, other, third = engine.stream(), engine.stream(), engine.stream()
y = np.zeros(3, np.float32)
f = stream.bind(x[1], y)
assert np.array_equal(stream.step(x[0]), expect[0])
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    try:
        for call in (lambda: stream.step(x[1]), lambda: stream.step(x[1], None, True), f, stream.settle, stream.warm,
                     lambda: stream.run(x), stream.save, stream.reset, stream.clone, lambda: stream.state,
                     engine.stream, engine.bind_caller):
            try:
                call()
            except penstock.ForkedError as problem:
                assert problem.status == "PST_E_FORKED"
            else:
                raise AssertionError("no error")
        other.close()
        del third, f
        gc.collect()
        own = penstock.Engine(program(), {cores}, oversubscribe=True, idle="yield").stream()
        assert np.array_equal(own.run(x), expect)
        engine.close()
        stream.close()
        del stream, engine, other, own
        gc.collect()
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert np.array_equal(f(), expect[1])
assert np.array_equal(stream.run(x[2:]), expect[2:])
print("done")
"""
    )
    assert child(code) == "done\n"


def test_fork_during_a_run_of_another_thread():
    """In the child nobody is left to end that run: the engine is forked there, not busy."""
    code = (
        SETUP
        + """
engine = penstock.Engine(program())
stream, other = engine.stream(), engine.stream()
stop = threading.Event()
def run():
    while not stop.is_set():
        stream.run(np.zeros((100000, 7), np.float32))
thread = threading.Thread(target=run)
thread.start()
while True:
    try:
        other.settle()
    except penstock.BusyError:
        break
pid = os.fork()
if pid == 0:
    try:
        for call in (other.settle, lambda: other.step(x[0]), stream.save):
            try:
                call()
            except penstock.ForkedError:
                pass
            else:
                raise AssertionError("no error")
        del other
        gc.collect()
        engine.close()
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
stop.set()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
thread.join()
print("done")
"""
    )
    assert child(code) == "done\n"


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(0)",
        "engines.append(engines)",
        "del engines, streams, functions; f = None",
        "engines[0].close(); streams[1].close()",
        "import atexit; atexit.register(lambda: functions[1]())",
        "threading.Thread(target=loop, args=(False,), daemon=True).start(); begun.wait()",
        "threading.Thread(target=loop, args=(True,), daemon=True).start(); begun.wait()",
        "threading.Thread(target=streams[1].run, args=(np.zeros((3000000, 7), np.float32),), daemon=True).start()",
    ],
)
def test_the_interpreter_ends_with_engines_open(end):
    code = (
        SETUP
        + f"""
engines = [penstock.Engine(program(), n, oversubscribe=True, idle=idle) for n in (1, 2, 3) for idle in ("spin", "park")]
streams = [engine.stream() for engine in engines]
functions = [stream.bind(x[0], np.zeros(3, np.float32)) for stream in streams]
for f in functions:
    f()
begun = threading.Event()
def loop(release_gil):
    while True:
        streams[2].step(x[0], None, release_gil)
        begun.set()
print("done", flush=True)
{end}
"""
    )
    assert child(code) == "done\n"
