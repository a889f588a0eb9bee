"""Threads: steps beside other Python; two threads that meet on an engine; what is closed while another thread runs."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from running_support import FORMATS, SANITIZED, linear, lstm, noise, program, steps_of

import penstock

LONG = 5_000 if SANITIZED else 50_000  # steps of a run


class Running:
    """A thread that runs long sequences on a stream, one after the other, until it is told to stop. Whoever comes in
    finds it under way, without the GIL. What happens then may, on a busy machine, happen between two runs."""

    def __init__(self, stream):
        self.stream, self.error, self.stop = stream, None, threading.Event()
        self.x = np.zeros((LONG, stream.inputs), np.float32)
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            while not self.stop.is_set():
                self.y = self.stream.run(self.x)
        except Exception as problem:
            self.error = problem

    def __enter__(self):
        probe = self.stream.engine.stream()
        self.thread.start()
        while True:
            try:
                probe.settle()
            except penstock.BusyError:
                return self
            assert not self.error, self.error

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Held:
    """A thread that holds an engine as a call without the GIL does, as long as the block lasts."""

    def __init__(self, engine):
        self.gate, self.begun, self.stop = engine._gate, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold)

    def _hold(self):
        with self.gate:
            self.begun.set()
            self.stop.wait()

    def __enter__(self):
        self.thread.start()
        self.begun.wait()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("release_gil", [False, True])
def test_steps_beside_other_python(release_gil):
    """One thread steps, and another runs Python all the time: both get on, and the bits are those of a quiet run."""
    x = noise(300)
    expect = penstock.Engine(program()).stream().run(x)
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += len([str(i) for i in range(20)])

    other = threading.Thread(target=count)
    found = {}

    def step():
        stream = penstock.Engine(program(), release_gil=release_gil).stream()
        found["y"] = steps_of(stream, x)
        given, y = np.zeros(7, np.float32), np.zeros(3, np.float32)
        stream.reset()
        f = stream.bind(given, y)
        found["bound"] = np.zeros_like(expect)
        for t in range(len(x)):
            given[:] = x[t]
            f()
            found["bound"][t] = y

    other.start()
    stepping = threading.Thread(target=step)
    while not counted[0]:
        pass
    stepping.start()
    stepping.join()
    at_end = counted[0]
    while counted[0] == at_end:  # it still runs
        pass
    stop.set()
    other.join()
    assert np.array_equal(found["y"], expect) and np.array_equal(found["bound"], expect)


@pytest.mark.parametrize("cores", [1, 2])
def test_who_meets_another_thread_on_an_engine(cores):
    engine = penstock.Engine(program(), cores, oversubscribe=True, idle="yield")
    first, second = engine.stream(), engine.stream()
    x, y = noise(1)[0], np.full(3, 5, np.float32)
    f = second.bind(x, y)
    saved, elsewhere = second.save(), penstock.Engine(program()).stream()
    with Held(engine):
        calls = {
            "step": lambda: second.step(x, y),
            "released": lambda: second.step(x, y, release_gil=True),
            "same stream": lambda: first.step(x, y),
            "bound": f,
            "settle": second.settle,
            "warm": second.warm,
            "run": lambda: second.run(x[None], y[None]),
            "save": second.save,
            "restore": lambda: second.restore(saved),
            "reset": second.reset,
            "clone": second.clone,
            "state": lambda: second.state,
            "stream": engine.stream,
            "info": lambda: engine.info,
            "bind_caller": engine.bind_caller,
            "close": engine.close,
        }
        for name, call in calls.items():
            with pytest.raises(penstock.BusyError, match="another thread") as caught:
                call()
            assert caught.value.status == "PST_E_BUSY", name
        elsewhere.step(x)  # another engine is another matter
    assert np.all(y == 5)
    expect = penstock.Engine(program()).stream()
    assert np.array_equal(f(), expect.step(x))
    with Running(first):  # which waits until it meets a run
        pass
    assert np.array_equal(f(), expect.step(x))


@pytest.mark.parametrize("form", FORMATS)
def test_threads_that_step_on_one_engine(form):
    """With the GIL they take turns; without it some meet and try again. All get their own stream's bits."""
    engine = penstock.Engine(program("stack", form))
    x = noise(400)
    expect = engine.stream().run(x)
    met, wrong = [], []

    def step(stream, release_gil):
        for t in range(len(x)):
            while True:
                try:
                    y = stream.step(x[t], None, release_gil)
                except penstock.BusyError:
                    met.append(1)
                else:
                    break
            if not np.array_equal(y, expect[t]):
                wrong.append(t)

    streams = [engine.stream() for _ in range(4)]
    threads = [threading.Thread(target=step, args=(stream, k != 0)) for k, stream in enumerate(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("call", ["step", "bound", "settle", "warm"])
def test_a_call_without_the_gil_can_be_met(call):
    """Each of them keeps the engine to itself; here until another thread has met it."""
    rng = np.random.default_rng(0)
    m = penstock.Model.create([lstm(rng, 7, 200), linear(rng, 200, 3)])
    engine = penstock.Engine(m.compile("f32", certify=False, progress=False))
    stream, other = engine.stream(release_gil=True), engine.stream()
    x, stop = noise(1)[0], threading.Event()
    f = stream.bind(x, np.zeros(3, np.float32))
    calls = {"step": lambda: stream.step(x), "bound": f, "settle": stream.settle, "warm": stream.warm}

    def repeat():
        while not stop.is_set():
            try:
                if call == "settle":
                    stream.step(x, None, False)  # so that there is something to settle
                calls[call]()
            except penstock.BusyError:
                continue  # this thread met the other one

    thread = threading.Thread(target=repeat)
    thread.start()
    met = False
    for _ in range(100_000):
        try:
            other.settle(1, False)  # with the GIL: nobody can meet it
        except penstock.BusyError:
            met = True
            break
        time.sleep(0)  # lets go of the GIL
    stop.set()
    thread.join()
    assert met


def test_a_stream_closed_while_it_runs():
    """The run under way comes to its end, and the next one finds it closed."""
    engine = penstock.Engine(program())
    stream = engine.stream()
    with Running(stream) as running:
        stream.close()
        assert stream.closed
        running.thread.join()
    assert isinstance(running.error, penstock.ClosedError)
    with pytest.raises(penstock.ClosedError, match="stream"):
        stream.step(noise(1)[0])
    assert engine.stream().step(noise(1)[0]).shape == (3,)


@pytest.mark.parametrize("way", [Running, Held])
def test_streams_freed_while_another_runs(way):
    """Nobody may touch the engine then: they are closed behind the run."""
    engine = penstock.Engine(program())
    for _ in range(5):
        streams = [engine.stream() for _ in range(20)]
        functions = [stream.bind(np.zeros(7, np.float32), np.zeros(3, np.float32)) for stream in streams]
        gone = [weakref.ref(stream) for stream in streams]
        with way(engine.stream() if way is Running else engine):
            streams[3].close()
            del functions, streams
            gc.collect()
            assert not any(ref() for ref in gone)
    assert engine.stream().step(noise(1)[0]).shape == (3,)
    engine.close()


def test_an_engine_closed_by_another_thread():
    engine = penstock.Engine(program(), 2, oversubscribe=True)
    stream = engine.stream()
    stream.step(noise(1)[0])
    thread = threading.Thread(target=engine.close)
    thread.start()
    thread.join()
    with pytest.raises(penstock.ClosedError, match="engine"):
        stream.step(noise(1)[0])


def test_errors_are_those_of_their_thread():
    """Many threads fail in different ways at once, without the GIL in between; each gets its own error."""
    wrong = []

    def fail(k):
        stream = penstock.Engine(program()).stream()
        x = noise(1)[0]
        x[k] = np.nan
        for _ in range(200):
            try:
                stream.step(x, None, True)
            except penstock.NonFiniteError as problem:
                if not str(problem).startswith(f"x[{k}]") or problem.found != k:
                    wrong.append(str(problem))
            else:
                wrong.append("no error")

    threads = [threading.Thread(target=fail, args=(k,)) for k in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
