"""Whatever is handed to step, bind and run: taken as it is without a copy, or refused by name; never a crash, and what
is refused leaves y and the stream as they were."""

import array
import ctypes
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from running_examples import EXAMPLES
from running_support import FORMATS, noise, program, steps_of

import penstock

INPUTS, OUTPUTS = 7, 3
engine = penstock.Engine(program())
X = noise(1)[0]


def answer():
    return engine.stream().step(X)


# ---- what is taken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        X,
        X[None],
        X[None, None],
        np.ascontiguousarray(X)[::1],
        memoryview(X),
        array.array("f", X.tolist()),
        (ctypes.c_float * INPUTS)(*X.tolist()),
        np.concatenate([X, X])[7:],
        np.frombuffer(X.tobytes(), np.float32),
        X.view(np.matrix),
        np.asfortranarray(X[None]),
    ],
    ids=lambda x: type(x).__name__ + str(np.shape(x)),
)
def test_x_without_a_copy(x):
    assert np.array_equal(engine.stream().step(x), answer())
    assert np.array_equal(engine.stream().step(x=x, out=None, release_gil=True), answer())


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.zeros(OUTPUTS, np.float32),
        lambda: np.zeros((1, OUTPUTS), np.float32),
        lambda: np.zeros((1, 1, OUTPUTS), np.float32),
        lambda: np.zeros((4, OUTPUTS), np.float32)[2],
        lambda: array.array("f", [0] * OUTPUTS),
        lambda: (ctypes.c_float * OUTPUTS)(),
        lambda: memoryview(bytearray(4 * OUTPUTS)).cast("f"),
    ],
)
def test_out_without_a_copy(make):
    out = make()
    assert engine.stream().step(X, out) is out
    assert np.array_equal(np.asarray(out).reshape(-1), answer())


def test_a_new_y_each_time():
    stream = engine.stream()
    first = stream.step(X)
    kept = first.copy()
    second = stream.step(X)
    assert first.flags.owndata and first.flags.writeable and first.shape == (OUTPUTS,)
    assert not np.shares_memory(first, second) and np.array_equal(first, kept)


@pytest.mark.parametrize("form", FORMATS)
def test_out_may_overlap_x(form):
    own = penstock.Engine(program("plain", form))
    for name in ("plain", "stack"):
        own = penstock.Engine(program(name, form))
        p = own.program
        for at in range(p.inputs):
            both = np.zeros(2 * p.inputs, np.float32)
            x, y = both[: p.inputs], both[at : at + p.outputs]
            stream, apart = own.stream(), own.stream()
            step = stream.bind(x, y)
            for t in range(3):
                x[:] = noise(3)[t]
                expect = apart.step(x.copy())
                assert np.array_equal(step() if t else stream.step(x, y), expect)


def test_bound_arrays_stay_alive():
    x, y = X.copy(), np.zeros(OUTPUTS, np.float32)
    step = engine.stream().bind(x, y)  # the stream has no other name
    del x, y
    assert np.array_equal(step(), answer())
    held = bytearray(4 * OUTPUTS)
    step = engine.stream().bind(X, memoryview(held).cast("f"))
    with pytest.raises(BufferError):
        held.clear()  # which would free what is written to


# ---- what is refused ------------------------------------------------------------------------------------------------

REFUSED = [
    (None, "expected a float32 array, found NoneType"),
    (1.0, "expected a float32 array, found float"),
    ("text", "expected a float32 array, found str"),
    ([0.0] * INPUTS, "expected a float32 array, found list"),
    (range(INPUTS), "expected a float32 array, found range"),
    (b"bytes12" * 4, "expected float32, found uint8"),
    (np.zeros(INPUTS), "expected float32, found float64; x.astype(numpy.float32) makes a copy that fits"),
    (np.zeros(INPUTS, np.float16), "expected float32, found float16"),
    (np.zeros(INPUTS, np.int32), "expected float32, found int32"),
    (np.zeros(INPUTS, np.complex64), "expected float32, found complex64"),
    (np.zeros(INPUTS, ">f4"), "expected float32, found >f4"),
    (np.zeros(INPUTS, object), "expected float32, found object"),
    (np.zeros(INPUTS, "f4,f4"), "expected float32"),
    (np.zeros(INPUTS, "datetime64[s]"), "expected float32, found datetime64[s]"),
    (array.array("d", [0] * INPUTS), "expected float32, found float64"),
    (np.zeros(2 * INPUTS, np.float32)[::2], "expected a C-contiguous array, found strides (8,)"),
    (np.zeros(INPUTS, np.float32)[::-1], "expected a C-contiguous array, found strides (-4,)"),
    (np.broadcast_to(np.float32(1), (INPUTS,)), "expected a C-contiguous array, found strides (0,)"),
    (memoryview(np.zeros(2 * INPUTS, np.float32))[::2], "expected a C-contiguous array"),
    (np.zeros(4 * INPUTS + 1, np.uint8)[1:].view(np.float32), "aligned"),
    (np.ma.masked_array(np.zeros(INPUTS, np.float32), np.ones(INPUTS, bool)), "without a mask"),
    (np.float32(1), "expected shape [7] or [1, 7], found []"),
    (np.array(1, np.float32), "expected shape [7] or [1, 7], found []"),
    (np.zeros(0, np.float32), "found [0]"),
    (np.zeros(INPUTS - 1, np.float32), "found [6]"),
    (np.zeros(INPUTS + 1, np.float32), "found [8]"),
    (np.zeros((INPUTS, 1), np.float32), "found [7, 1]"),
    (np.zeros((2, INPUTS), np.float32), "found [2, 7]"),
    (np.zeros((0, INPUTS), np.float32), "found [0, 7]"),
    (types.SimpleNamespace(mask=1), "expected a float32 array, found SimpleNamespace"),
]


@pytest.mark.parametrize(("x", "says"), REFUSED, ids=lambda value: str(value)[:30] if isinstance(value, str) else "x")
def test_refused_x(x, says):
    stream = engine.stream()
    y = np.full(OUTPUTS, 5, np.float32)
    for call in (lambda: stream.step(x), lambda: stream.step(x, y), lambda: stream.bind(x, y)):
        with pytest.raises((penstock.ArgumentError, penstock.ShapeError)) as caught:
            call()
        assert str(caught.value).startswith("x: ") and says in str(caught.value)
        assert caught.value.item == "x"
    assert np.all(y == 5)
    assert np.array_equal(stream.step(X), answer())


def read_only(value):
    value.flags.writeable = False
    return value


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (read_only(np.zeros(OUTPUTS, np.float32)), "read-only"),
        (np.frombuffer(bytes(4 * OUTPUTS), np.float32), "read-only"),
        (memoryview(bytes(4 * OUTPUTS)).cast("f"), "read-only"),
        (np.zeros(OUTPUTS), "found float64"),
        (np.zeros(INPUTS, np.float32), "expected shape [3] or [1, 3], found [7]"),
        (np.zeros((OUTPUTS, 2), np.float32)[:, 0], "C-contiguous"),
        ([0.0] * OUTPUTS, "found list"),
        (True, "found bool"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "out",
)
def test_refused_out(out, says):
    stream = engine.stream()
    for name, call in (("out", lambda: stream.step(X, out)), ("y", lambda: stream.bind(X, out))):
        with pytest.raises((penstock.ArgumentError, penstock.ShapeError)) as caught:
            call()
        assert str(caught.value).startswith(f"{name}: ") and says in str(caught.value)
    assert np.array_equal(stream.step(X), answer())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**61])
@pytest.mark.parametrize("release_gil", [False, True])
def test_x_that_is_not_finite(value, release_gil):
    stream = engine.stream()
    x, y = X.copy(), np.full(OUTPUTS, 5, np.float32)
    x[4] = value
    step = stream.bind(x, y)
    for call in (lambda: stream.step(x, y, release_gil), step, lambda: stream.run(x[None], y[None])):
        with pytest.raises(penstock.NonFiniteError, match=r"x\[4\]") as caught:
            call()
        assert caught.value.status == "PST_E_NONFINITE"
    assert np.all(y == 5)
    assert np.array_equal(stream.step(X), answer())


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.step(),
        lambda s: s.step(out=X),
        lambda s: s.step(X, None, None, None),
        lambda s: s.step(X, x=X),
        lambda s: s.step(X, y=X),
        lambda s: s.bind(X),
        lambda s: s.bind(X, X, X),
        lambda s: s.settle(1, False, 2),
        lambda s: s.warm(1, 2),
        lambda s: s.bind(X, np.zeros(OUTPUTS, np.float32))(1),
        lambda s: s.bind(X, np.zeros(OUTPUTS, np.float32))(x=1),
    ],
)
def test_arguments_that_no_call_has(call):
    with pytest.raises(TypeError, match="argument"):
        call(engine.stream())


def test_release_gil_that_cannot_be_asked():
    class Neither:
        def __bool__(self):
            raise LookupError("neither")

    with pytest.raises(LookupError, match="neither"):
        engine.stream().step(X, release_gil=Neither())


ANY_DTYPE = st.one_of(
    st.just(np.dtype(np.float32)), hnp.scalar_dtypes(), hnp.array_dtypes(max_size=2), st.just(np.dtype(object))
)
ANY_SHAPE = st.one_of(
    st.sampled_from([(INPUTS,), (1, INPUTS), (OUTPUTS,), (1, OUTPUTS), (INPUTS, 1)]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=8),
)


@st.composite
def any_array(draw):
    """An array of any type and shape, then perhaps turned, cut, stretched, shifted, or made read-only."""
    found = np.zeros(draw(ANY_SHAPE), draw(ANY_DTYPE))
    for change in draw(st.lists(st.sampled_from(["T", "step", "reverse", "shift", "read-only", "wide"]), max_size=2)):
        match change:
            case "T":
                found = found.T
            case "step" if found.ndim:
                found = found[..., ::2]
            case "reverse" if found.ndim:
                found = found[::-1]
            case "shift" if not found.dtype.hasobject and found.size and found.itemsize:
                moved = np.zeros(found.nbytes + 1, np.uint8)[1:]
                found = moved.view(found.dtype)[: found.size].reshape(found.shape)
            case "read-only":
                found.flags.writeable = False
            case "wide":
                found = np.broadcast_to(found, (1, *found.shape))
    return found


ANYTHING = st.one_of(
    any_array(),
    st.none(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(max_size=40),
    st.lists(st.floats(), max_size=8),
    st.builds(bytearray, st.binary(max_size=40)),
    st.builds(lambda b: memoryview(b)[::2], st.binary(max_size=80)),
)


def fits(value, width):
    """Whether it is what the documentation says."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.float32
        and value.flags.c_contiguous
        and value.flags.aligned
        and value.ndim >= 1
        and value.shape[-1] == width
        and value.size == width
    )


@EXAMPLES
@given(x=ANYTHING, out=ANYTHING, way=st.sampled_from(["step", "bind", "gil"]))
def test_anything_as_an_argument(x, out, way):
    good_x, good_out = fits(x, INPUTS), fits(out, OUTPUTS) and out.flags.writeable
    stream = engine.stream()
    try:
        if way == "bind":
            stream.bind(x, out)()
        else:
            stream.step(x, out, way == "gil")
        assert good_x and (good_out or (out is None and way != "bind"))
    except penstock.Error as problem:
        named = str(problem).partition(":")[0]
        assert isinstance(problem, penstock.ArgumentError | penstock.ShapeError)
        assert named == ("x" if not good_x else "y" if way == "bind" else "out"), str(problem)
        assert not (good_x and good_out)
    stream.reset()
    assert np.array_equal(stream.step(X), answer())


# ---- run ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (noise(4).astype(np.float64), "x: expected float32, found float64"),
        (noise(4)[:, ::-1], "x: expected a C-contiguous array"),
        (np.asfortranarray(noise(4)), "x: expected a C-contiguous array"),
        (noise(4)[0], r"x: expected shape \[T, 7\], \[T, 1, 7\] or \[1, T, 7\], found \[7\]"),
        (noise(4, 6), r"found \[4, 6\]"),
        (noise(4).reshape(2, 2, 7), r"found \[2, 2, 7\]"),
        (noise(4).reshape(1, 1, 4, 7), r"found \[1, 1, 4, 7\]"),
        ([[0.0] * 7], "x: expected a float32 array, found list"),
    ],
)
def test_refused_by_run(x, says):
    with pytest.raises((penstock.ArgumentError, penstock.ShapeError), match=says):
        engine.stream().run(x)


def test_refused_out_of_run():
    stream, x = engine.stream(), noise(4)
    for out, says in (
        (np.zeros((3, 3), np.float32), r"out: expected shape \[4, 3\], found \[3, 3\]"),
        (np.zeros((4, 2), np.float32), r"out: expected shape"),
        (np.zeros((4, 3)), "out: expected float32"),
        (read_only(np.zeros((4, 3), np.float32)), "out: .*read-only"),
        (x.reshape(-1)[4:16].reshape(4, 3), "out: it overlaps x"),
    ):
        with pytest.raises((penstock.ArgumentError, penstock.ShapeError), match=says):
            stream.run(x, out)
    assert np.array_equal(stream.run(x), steps_of(engine.stream(), x))
    square = penstock.Engine(program("plain"))
    expect = square.stream().run(x)
    assert square.stream().run(x, x) is x
    assert np.array_equal(x, expect)


def test_an_error_of_run_names_the_step():
    stream, x = engine.stream(), noise(6)
    expect = engine.stream().run(x)
    bad, y = x.copy(), np.full((6, 3), 5, np.float32)
    bad[4, 2] = np.inf
    with pytest.raises(penstock.NonFiniteError, match=r"step 4: x\[2\]"):
        stream.run(bad, y)
    assert np.array_equal(y[:4], expect[:4]) and np.all(y[4:] == 5)
    assert np.array_equal(stream.run(x[4:]), expect[4:])
