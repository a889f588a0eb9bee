"""Models: made from layers, read, written, asked."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_examples import EXAMPLES
from running_support import MODELS, layers, linear, lstm, model, noise

import penstock
from penstock.importing import chain


def safetensors(tensors, metadata=None):
    """The bytes of a .safetensors file."""
    header, data = {}, b""
    for name, value in tensors.items():
        raw = np.asarray(value, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def state_dict(prefix=""):
    rng = np.random.default_rng(3)
    tensors = {
        "lstm.weight_ih_l0": rng.normal(size=(20, 7)),
        "lstm.weight_hh_l0": rng.normal(size=(20, 5)),
        "lstm.bias_ih_l0": rng.normal(size=20),
        "lstm.bias_hh_l0": rng.normal(size=20),
        "fc.weight": rng.normal(size=(2, 5)),
        "fc.bias": rng.normal(size=2),
    }
    return {prefix + name: value for name, value in tensors.items()}


@pytest.mark.parametrize("name", MODELS)
def test_what_a_model_is_made_of(name):
    m, given_layers = model(name), layers(name)
    assert len(m.layers) == len(given_layers)
    width = m.inputs
    for info, layer in zip(m.layers, given_layers, strict=True):
        assert info.inputs == width
        assert info.kind == type(layer).__name__.lower()
        width = info.outputs
        for tensor in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0", "weight", "bias"):
            value = getattr(layer, tensor, None)
            assert (value is None) == (tensor not in info.tensors)
            if value is not None:
                assert np.array_equal(info.tensors[tensor], value.astype(np.float32))
                assert not info.tensors[tensor].flags.writeable
    assert m.outputs == width
    assert m.parameters == sum(info.parameters for info in m.layers)
    if name == "plain":
        assert m.layers[1].function == "leaky_relu" and m.layers[1].alpha == np.float32(0.2)
    assert str(width) in repr(m)


@pytest.mark.parametrize("readout", ["all", "last"])
@pytest.mark.parametrize("name", MODELS)
def test_saved_and_read_again(name, readout, tmp_path):
    m = penstock.Model.create(layers(name), readout, ["a note"])
    assert m.readout == readout and m.notes == ("a note",)
    m.save(tmp_path / "m.safetensors")
    x = noise(6, m.inputs)
    for source in (tmp_path / "m.safetensors", (tmp_path / "m.safetensors").read_bytes()):
        again = penstock.Model.read(source)
        assert again.readout == readout
        assert again.layers == m.layers
        assert np.array_equal(again.reference(x), m.reference(x))
        assert again.compile("bf16", progress=False, certificate_steps=2).readout == readout


def test_state_dicts_and_prefixes(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors(state_dict("net.")))
    m = penstock.Model.read(str(path))
    assert (m.inputs, m.outputs, len(m.layers)) == (7, 2, 2)
    path.write_bytes(safetensors(state_dict("net.") | {"other.weight": np.zeros((3, 3))}))
    with pytest.raises(penstock.Error, match="other.weight"):
        penstock.Model.read(path)
    again = penstock.Model.read(path, prefix="net.")
    assert np.array_equal(again.reference(noise(3)), m.reference(noise(3)))
    with pytest.raises(penstock.Error, match="none"):
        penstock.Model.read(path, prefix="none")


def numpy_lstm(layer, x):
    """torch.nn.LSTM's equations, of the weights as float32, in float64."""
    sizes = layer.weight_hh.shape[1]
    w, u, b, d = (np.float32(a).astype(float) for a in (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh))
    h = np.zeros(sizes) if layer.h0 is None else np.float32(layer.h0).astype(float)
    c = np.zeros(sizes) if layer.c0 is None else np.float32(layer.c0).astype(float)
    found = []
    for row in x:
        i, f, g, o = np.split(w @ row + b + u @ h + d, 4)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        found.append(h)
    return np.array(found)


def test_reference_is_the_equations():
    x = noise(15)
    y = x.astype(float)
    for layer in layers("state"):
        y = np.tanh(y) if isinstance(layer, chain.Activation) else numpy_lstm(layer, y)
    assert np.abs(model("state").reference(x) - y).max() < 1e-13
    both = np.stack([x, 2 * x])
    expect = np.stack([y, model("state").reference(2 * x)])
    assert np.abs(model("state").reference(both) - expect).max() < 1e-13


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (noise(3).astype(float), "x: expected float32"),
        (noise(3)[0], r"x: expected shape \[T, 7\] or \[S, T, 7\].* found \[7\]"),
        (noise(3, 6), r"found \[3, 6\]"),
        (noise(0), r"found \[0, 7\]"),
        (noise(4)[::2], "C-contiguous"),
        (None, "x: expected a float32 array, found NoneType"),
    ],
)
def test_refused_by_reference(x, says):
    with pytest.raises((penstock.ArgumentError, penstock.ShapeError), match=says):
        model().reference(x)


rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("given_layers", "error", "says"),
    [
        ([], penstock.Error, "layers"),
        ([lstm(rng, 4, 3), linear(rng, 4, 2)], penstock.ShapeError, r"layer 1 \(linear\)"),
        ([chain.Linear(np.zeros(3))], penstock.ShapeError, "weight"),
        ([chain.Linear(np.zeros((2, 3), int))], penstock.ArgumentError, "linear, weight: expected float32.* int64"),
        ([chain.Linear(np.full((2, 3), np.nan))], penstock.NonFiniteError, "weight"),
        ([chain.Linear(np.full((2, 3), 2.0**41))], penstock.NonFiniteError, "weight"),
        ([linear(rng, 3, 3), chain.Activation("sine")], penstock.UnsupportedError, "sine"),
        ([linear(rng, 3, 3), chain.Activation("tanh", 0.5)], penstock.Error, "alpha"),
        ([linear(rng, 3, 3), chain.Activation("clip", 1.0, -1.0)], penstock.Error, "clip|alpha"),
        ([linear(rng, 3, 3), chain.Softmax(), linear(rng, 3, 3)], penstock.UnsupportedError, "softmax"),
        ([linear(rng, 3, 3), "tanh"], penstock.ArgumentError, "layers: expected Lstm.* found str"),
        ([chain.Affine(np.ones(1), np.ones(1))], penstock.ArgumentError, "layers: .*found Affine"),
        ([linear(rng, 3, 3), chain.Activation("tanh\0")], penstock.ArgumentError, "function"),
        ([linear(rng, 3, 3), chain.Activation(None)], penstock.ArgumentError, "function: expected a str"),
    ],
)
def test_refused_layers(given_layers, error, says):
    with pytest.raises(error, match=says):
        penstock.Model.create(given_layers)


def test_refused_readout():
    with pytest.raises(penstock.UnsupportedError, match="readout"):
        penstock.Model.create(layers("stack"), "first")


def test_weights_in_any_order_and_float_type():
    weight = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    expect = penstock.Model.create([chain.Linear(weight)]).reference(noise(3, 6))
    for form in (np.asfortranarray(weight), weight.astype(">f4"), weight.astype(float), weight[::-1][::-1]):
        assert np.array_equal(penstock.Model.create([chain.Linear(form)]).reference(noise(3, 6)), expect)
    half = weight.astype(np.float16)
    assert np.array_equal(penstock.Model.create([chain.Linear(half)]).layers[0].tensors["weight"], half)


# ---- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [penstock.Model.read, penstock.Program.open])
def test_files_that_are_not_there(read, tmp_path):
    with pytest.raises(penstock.FileError, match="nothing") as caught:
        read(tmp_path / "nothing")
    assert caught.value.os_error == 2 and caught.value.file == str(tmp_path / "nothing")
    assert isinstance(caught.value, OSError)
    for path, says in ((5, "path: expected a path, found int"), ("a\0b", "path: "), ("\ud800", "path: ")):
        with pytest.raises(penstock.ArgumentError, match=says):
            read(path)
    with pytest.raises(penstock.Error):
        read(tmp_path)
    with pytest.raises(penstock.Error):
        read(b"")
    with pytest.raises(penstock.ArgumentError, match="source: expected bytes"):
        read(memoryview(bytes(64))[::2])


def test_where_nothing_can_be_written(tmp_path):
    compiled = model().compile(progress=False, certificate_steps=2)
    for save in (model().save, compiled.save):
        with pytest.raises(penstock.FileError):
            save(tmp_path / "no folder" / "file")
        with pytest.raises(penstock.ArgumentError, match="path"):
            save(None)


SOUND = {
    "checkpoint": (penstock.Model.read, safetensors(state_dict())),
    "graph": (
        penstock.Model.read,
        safetensors(
            {"w": np.ones((3, 7))},
            {"penstock.graph": '{"version": 1, "layers": [{"kind": "linear", "tensors": {"weight": "w"}}]}'},
        ),
    ),
}


@EXAMPLES
@given(
    kind=st.sampled_from(["checkpoint", "graph", "program", "state"]),
    cut=st.one_of(st.none(), st.integers(0, 5000)),
    flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 255)), max_size=3),
    more=st.binary(max_size=8),
)
def test_damaged_files(kind, cut, flips, more):
    """Whatever is damaged is refused by a penstock.Error that says something, or still is a file of its kind."""
    if kind == "program":
        compiled = small_program()
        read, sound = penstock.Program.open, compiled
    elif kind == "state":
        stream = penstock.Engine(penstock.Program.open(small_program())).stream()
        stream.step(noise(1)[0])
        read, sound = stream.restore, stream.save()
    else:
        read, sound = SOUND[kind]
    damaged = bytearray(sound if cut is None else sound[:cut])
    for at, mask in flips:
        if damaged:
            damaged[at % len(damaged)] ^= mask
    damaged += more
    try:
        read(bytes(damaged))
    except penstock.Error as problem:
        assert len(problem.message) > 10 and problem.status
    else:
        assert (
            kind in ("checkpoint", "graph")
            or bytes(damaged) == sound
            or (kind == "state" and damaged[: len(sound)] == sound)
        )


PROGRAM = []


def small_program():
    """The bytes of a compiled program."""
    if not PROGRAM:
        import tempfile
        from pathlib import Path

        compiled = penstock.Model.read(SOUND["checkpoint"][1]).compile(progress=False, certificate_steps=2)
        with tempfile.TemporaryDirectory() as folder:
            compiled.save(Path(folder) / "m.pstk")
            PROGRAM.append((Path(folder) / "m.pstk").read_bytes())
    return PROGRAM[0]
