"""What an engine and its streams do: every way of making the same steps gives the same bits, and the model's answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_examples import EXAMPLES
from running_support import FORMATS, MODELS, model, noise, program, steps_of

import penstock


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", FORMATS)
def test_steps_answer_as_the_reference(name, form):
    x = noise(40, model(name).inputs)
    with penstock.Engine(program(name, form)) as engine, engine.stream() as stream:
        y = steps_of(stream, x)
    expect = model(name).reference(x)
    assert y.dtype == np.float32 and y.shape == expect.shape
    limit = {"f32": 1e-5, "bf16": 0.03, "w8a16": 0.03, "w8a8": 0.1}[form]
    assert np.abs(y - expect).max() <= limit * max(1, np.abs(expect).max())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", FORMATS)
def test_all_ways_of_stepping_give_the_same_bits(name, form):
    p = program(name, form)
    x = noise(12, p.inputs)
    with penstock.Engine(p) as engine:
        expect = steps_of(engine.stream(), x)
        assert np.any(expect[1:] != expect[:-1])
        out = np.full(p.outputs, np.nan, np.float32)
        stream = engine.stream()
        for row, y in zip(x, expect, strict=True):
            assert stream.step(row, out=out) is out
            assert np.array_equal(out, y)
        given, answer = np.zeros(p.inputs, np.float32), np.zeros((1, p.outputs), np.float32)
        step = engine.stream().bind(given, answer)
        for row, y in zip(x, expect, strict=True):
            given[:] = row
            assert step() is answer
            assert np.array_equal(answer[0], y)
        stream = engine.stream(release_gil=True)
        for t, (row, y) in enumerate(zip(x, expect, strict=True)):
            assert np.array_equal(stream.step(row, release_gil=(None, False, True)[t % 3]), y)
            if t % 2:
                stream.warm(release_gil=t % 4 == 1)
                assert stream.settle(release_gil=t % 4 == 1) == 0
        for shape in [(12, p.inputs), (12, 1, p.inputs), (1, 12, p.inputs)]:
            assert np.array_equal(engine.stream().run(x.reshape(shape)), expect)
        stream = engine.stream()
        halves = np.empty_like(expect)
        stream.run(x[:5], out=halves[:5])
        assert stream.run(x[5:], halves[5:]) is not None
        assert np.array_equal(halves, expect)


@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.parametrize("caller", ["core", "apart"])
@pytest.mark.parametrize("form", FORMATS)
def test_several_cores_give_the_same_bits(cores, caller, form):
    p = program("stack", form)
    x = noise(10)
    expect = steps_of(penstock.Engine(p).stream(), x)
    with penstock.Engine(p, cores, caller=caller, oversubscribe=True, idle="yield") as engine:
        assert engine.info.threads == (cores if caller == "apart" else cores - 1)
        stream = engine.stream()
        assert np.array_equal(steps_of(stream, x), expect)
        states = [a for pair in stream.state for a in pair]
        again = engine.stream([h for h, c in stream.state], [c for h, c in stream.state])
        assert np.array_equal(steps_of(stream, x), steps_of(again, x))
        stream.reset()
        stream.run(x)
        assert all(
            np.array_equal(a, b) for a, b in zip(states, [a for pair in stream.state for a in pair], strict=True)
        )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", FORMATS)
def test_state_saved_restored_cloned_reset(name, form):
    p = program(name, form)
    x = noise(20, p.inputs)
    with penstock.Engine(p) as engine:
        expect = steps_of(engine.stream(), x)
        stream = engine.stream()
        stream.run(x[:8])
        saved = stream.save()
        assert len(saved) == p.info.state_bytes
        clone = stream.clone()
        assert clone.engine is engine
        assert np.array_equal(steps_of(stream, x[8:]), expect[8:])
        stream.restore(saved)
        assert np.array_equal(steps_of(stream, x[8:]), expect[8:])
        assert np.array_equal(steps_of(clone, x[8:]), expect[8:])
        stream.reset()
        assert np.array_equal(steps_of(stream, x), expect)
    with penstock.Engine(p, level="scalar") as other:
        stream = other.stream()
        stream.restore(bytearray(saved))
        assert np.array_equal(steps_of(stream, x[8:]), expect[8:])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("form", FORMATS)
def test_state_as_h_and_c(name, form):
    """A stream opened with another's h and c goes on as it does. Of f32, h and c are the equations' own."""
    p = program(name, form)
    x = noise(20, p.inputs)
    engine = penstock.Engine(p)
    stream = engine.stream()
    initial = [
        (layer.tensors.get("h0"), layer.tensors.get("c0")) for layer in model(name).layers if layer.kind == "lstm"
    ]
    for (h, c), (h0, c0), units in zip(stream.state, initial, engine.units, strict=True):
        assert h.shape == c.shape == (units,) and h.dtype == c.dtype == np.float32
        assert np.allclose(h, 0 if h0 is None else h0, atol=0 if h0 is None else 0.01)
        assert np.array_equal(c, np.zeros(units) if c0 is None else c0)
    stream.run(x[:7])
    state = stream.state
    if name == "state":  # its output is the last layer's h
        assert np.allclose(state[-1][0], model(name).reference(x[:7])[-1], atol=1e-5 if form == "f32" else 0.05)
    other = engine.stream([h for h, _ in state], [c for _, c in state])
    expect = steps_of(stream, x[7:])
    assert np.array_equal(steps_of(other, x[7:]), expect)
    if state:
        flat = [np.concatenate(list(arrays)) for arrays in zip(*state, strict=True)]
        assert np.array_equal(engine.stream(*flat).run(x[7:]), expect)
    if name == "even":
        stacked = [np.stack(list(arrays)) for arrays in zip(*state, strict=True)]
        assert np.array_equal(engine.stream(*stacked).run(x[7:]), expect)
        assert np.array_equal(engine.stream(*(a[:, None] for a in stacked)).run(x[7:]), expect)
    other.reset()
    assert np.array_equal(steps_of(other, x[7:]), expect)


@pytest.mark.parametrize(
    ("h0", "error", "says"),
    [
        ([np.zeros(20, np.float32)], penstock.ShapeError, "h0: expected 2 arrays, one for each lstm layer, found 1"),
        ([np.zeros(13, np.float32), np.zeros(20, np.float32)], penstock.ShapeError, r"h0\[0\]: expected shape \[20\]"),
        (np.zeros(32, np.float32), penstock.ShapeError, r"h0: expected shape \[33\], found \[32\]"),
        (np.zeros(33), penstock.ArgumentError, "h0: expected float32, found float64"),
        ("zeros", penstock.ArgumentError, "h0: expected a float32 array, found str"),
        (np.full(33, np.nan, np.float32), penstock.NonFiniteError, "h0 of layer 0"),
    ],
)
def test_wrong_initial_states(h0, error, says):
    engine = penstock.Engine(program())
    with pytest.raises(error, match=says):
        engine.stream(h0)
    with pytest.raises(error, match=says.replace("h0", "c0")):
        engine.stream(None, h0)


def test_settle_counts_units():
    p = program("stack")
    with penstock.Engine(p, touch=False) as engine:
        stream = engine.stream()
        whole = engine.info.settle_units
        assert whole > 1 and stream.settle() == 0
        stream.step(noise(1)[0])
        assert stream.settle(1) == whole - 1
        assert stream.settle(units=2**40) == 0
        for bad in (-1, 1.5, "1", None):
            with pytest.raises(penstock.ArgumentError, match="settle: units"):
                stream.settle(bad)


@EXAMPLES
@given(data=st.data(), name=st.sampled_from(MODELS), form=st.sampled_from(FORMATS))
def test_calls_in_any_order_give_the_uninterrupted_bits(data, name, form):
    p = program(name, form)
    x = noise(16, p.inputs, seed=5)
    engine = penstock.Engine(p)
    expect = engine.stream().run(x)
    stream, t, saved = engine.stream(), 0, []
    for _ in range(data.draw(st.integers(1, 20))):
        call = data.draw(
            st.sampled_from(["step", "run", "settle", "warm", "save", "restore", "clone", "state", "reset"])
        )
        match call:
            case "step" if t < 16:
                assert np.array_equal(stream.step(x[t]), expect[t])
                t += 1
            case "run":
                n = data.draw(st.integers(0, 16 - t))
                assert np.array_equal(stream.run(x[t : t + n]), expect[t : t + n])
                t += n
            case "settle":
                stream.settle(data.draw(st.integers(0, 3)))
            case "warm":
                stream.warm()
            case "save":
                saved.append((t, stream.save()))
            case "restore" if saved:
                t, state = data.draw(st.sampled_from(saved))
                stream.restore(state)
            case "clone":
                stream = stream.clone()
            case "state":
                assert len(stream.state) == len(engine.units)
            case "reset":
                stream.reset()
                t = 0


def test_same_bits_as_the_c_program(penstock_program, tmp_path):
    for name in ("stack", "state"):
        for form in FORMATS:
            program(name, form).save(tmp_path / "m.pstk")
            x = noise(30, 7, seed=9)
            np.save(tmp_path / "x.npy", x)
            penstock_program("run", tmp_path / "m.pstk", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
            engine = penstock.Engine(penstock.Program.open(tmp_path / "m.pstk"))
            assert np.array_equal(np.load(tmp_path / "y.npy"), steps_of(engine.stream(), x))


def test_no_steps():
    stream = penstock.Engine(program()).stream()
    assert stream.run(noise(0)).shape == (0, 3)
    assert model().reference(noise(3)).shape == (3, 3)


def test_engine_information():
    p = program()
    with penstock.Engine(p, huge_pages=False, lock=False) as engine:
        info = engine.info
        assert info.cores == 1 and info.threads == 0 and info.cpus == (None,) and info.locked_bytes == 0
        assert info.level == penstock.levels()[-1] and info.weight_bytes > 0 and info.page_bytes == 4096
        assert engine.program is p and engine.units == (20, 13)
        assert "7 -> 3" in repr(engine) and "7 -> 3" in repr(engine.stream())
    with penstock.Engine(p, 2, idle="park", spin_us=20, deadline_us=10**6, oversubscribe=True) as engine:
        assert engine.info.idle == "park" and len(engine.info.cpus) == 2


def test_caller_bound_and_unbound():
    import os

    before = os.sched_getaffinity(0)
    with penstock.Engine(program()) as engine:
        with engine.bind_caller():
            assert len(os.sched_getaffinity(0)) == 1
            with pytest.raises(penstock.ArgumentError, match="bound to it already"):
                engine.bind_caller()
        assert os.sched_getaffinity(0) == before
        with pytest.raises(penstock.ArgumentError, match="no thread is bound"):
            engine.unbind_caller()
    with penstock.Engine(program(), caller="apart", oversubscribe=True) as engine:
        with pytest.raises(penstock.UnsupportedError, match="apart"):
            engine.bind_caller()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"cores": 0}, penstock.ArgumentError, "cores: expected a whole number from 1"),
        ({"cores": 1.5}, penstock.ArgumentError, "cores: .* found 1.5"),
        ({"cores": True}, penstock.ArgumentError, "cores: .* found True"),
        ({"cores": 65, "oversubscribe": True}, penstock.ArgumentError, "cores"),
        ({"cores": 64}, penstock.HostError, "cores"),
        ({"cpus": [0, 1]}, penstock.ArgumentError, "cpus: expected 1 numbers, one a core, found 2"),
        ({"cpus": [-1]}, penstock.ArgumentError, "cpus: "),
        ({"cpus": "0"}, penstock.ArgumentError, "cpus: "),
        ({"idle": "sleep"}, penstock.ArgumentError, "idle: expected one of auto, spin, wait, yield, park"),
        ({"caller": None}, penstock.ArgumentError, "caller: expected one of core, apart"),
        ({"level": "mmx"}, penstock.ArgumentError, "mmx"),
        ({"level": 2}, penstock.ArgumentError, "level: expected a str, found int"),
        ({"level": "scalar\0x"}, penstock.ArgumentError, "level: "),
        ({"deadline_us": -1}, penstock.ArgumentError, "deadline_us: "),
        ({"spin_us": 2**32}, penstock.ArgumentError, "spin_us: "),
    ],
)
def test_wrong_engine_options(options, error, says):
    with pytest.raises(error, match=says):
        penstock.Engine(program(), **options)


def test_engine_of_something_else():
    with pytest.raises(penstock.ArgumentError, match="program: expected a Program, found Model"):
        penstock.Engine(model())
