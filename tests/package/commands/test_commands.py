"""python -m penstock: import for every kind of file, told by its content, and plot."""

import json
import zipfile

import numpy as np
import pytest

import penstock
from penstock.__main__ import main
from penstock.commands import kind

UNITS, INPUTS = 3, 2
picker = np.random.default_rng(11)
W, R = picker.standard_normal((4 * UNITS, INPUTS)), picker.standard_normal((4 * UNITS, UNITS))
B = picker.standard_normal(4 * UNITS)
HEAD, HEAD_BIAS = picker.standard_normal((1, UNITS)), picker.standard_normal(1)


def expected(x):
    """The model that every file below holds, in float64, obviously."""
    h, c, y = np.zeros(UNITS), np.zeros(UNITS), []
    for row in x:
        i, f, g, o = (W @ row + R @ h + B).reshape(4, -1)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        y.append(HEAD @ h + HEAD_BIAS)
    return np.array(y)


def right(path):
    x = picker.standard_normal((7, INPUTS)).astype(np.float32)
    model = penstock.Model.read(path)
    return np.abs(model.reference(x) - expected(x)).max() < 1e-5


def nam(path):
    weights = [*np.hstack([W, R]).ravel(), *B, *np.zeros(2 * UNITS), *HEAD.ravel(), *HEAD_BIAS]
    config = {"num_layers": 1, "input_size": INPUTS, "hidden_size": UNITS, "in_channels": INPUTS}
    content = {"version": "0.5.4", "architecture": "LSTM", "config": config, "weights": weights, "sample_rate": 48000}
    path.write_text(json.dumps(content), encoding="utf-8")


def rtneural(path):
    layers = [
        {"type": "lstm", "activation": "", "shape": [None, None, UNITS], "weights": [W.T, R.T, B]},
        {"type": "dense", "activation": "", "shape": [None, None, 1], "weights": [HEAD.T, HEAD_BIAS]},
    ]
    for layer in layers:
        layer["weights"] = [w.tolist() for w in layer["weights"]]
    path.write_text(json.dumps({"in_shape": [None, None, INPUTS], "layers": layers}), encoding="utf-8")


def onnx_file(path):
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    order = np.r_[0:UNITS, 3 * UNITS : 4 * UNITS, UNITS : 2 * UNITS, 2 * UNITS : 3 * UNITS]  # i, o, f, c
    values = {
        "W": W[order][None],
        "R": R[order][None],
        "B": np.hstack([B[order], np.zeros(4 * UNITS)])[None],
        "head": HEAD.T,
        "head_bias": HEAD_BIAS,
        "one": np.array([1]),
    }
    nodes = [
        helper.make_node("LSTM", ["x", "W", "R", "B"], ["Y"], hidden_size=UNITS),
        helper.make_node("Squeeze", ["Y", "one"], ["s"]),
        helper.make_node("MatMul", ["s", "head"], ["m"]),
        helper.make_node("Add", ["m", "head_bias"], ["y"]),
    ]
    kind_of = {True: np.int64, False: np.float32}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["time", 1, INPUTS])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["time", 1, 1])],
        [numpy_helper.from_array(v.astype(kind_of[n == "one"]), n) for n, v in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def pt2(path):
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.fc = torch.nn.LSTM(INPUTS, UNITS), torch.nn.Linear(UNITS, 1)

        def forward(self, x):
            return self.fc(self.lstm(x)[0])

    module = Module()
    values = (W, R, B, np.zeros(4 * UNITS), HEAD, HEAD_BIAS)
    names = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_ih_l0", "lstm.bias_hh_l0", "fc.weight", "fc.bias")
    module.load_state_dict({n: torch.tensor(v) for n, v in zip(names, values, strict=True)})
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(5, INPUTS),)), path)


def safetensors(path):
    from penstock.importing.chain import Linear, Lstm

    penstock.Model.create([Lstm(W, R, B), Linear(HEAD, HEAD_BIAS)]).save(path)


WRITERS = {
    kind.NAM: (nam, "a.nam"),
    kind.RTNEURAL: (rtneural, "a.json"),
    kind.ONNX: (onnx_file, "a.onnx"),
    kind.TORCH: (pt2, "a.pt2"),
    kind.SAFETENSORS: (safetensors, "a.safetensors"),
}


@pytest.mark.parametrize("what", WRITERS)
@pytest.mark.parametrize("named", [True, False])
def test_import(what, named, tmp_path, capsys):
    """Under its usual name, and under one that tells nothing."""
    write, name = WRITERS[what]
    file, out = tmp_path / (name if named else "model.bin"), tmp_path / "out.safetensors"
    write(tmp_path / name)
    (tmp_path / name).rename(file)
    assert kind.detect(str(file)) == what
    assert main(["import", str(file), "-o", str(out)]) == 0
    assert f"({what}): {INPUTS} inputs, 1 outputs" in capsys.readouterr().out
    assert right(out)


def test_options_of_another_kind_are_refused(tmp_path, capsys):
    nam(tmp_path / "a.nam")
    out = str(tmp_path / "out.safetensors")
    for option in (["--order", "a,b"], ["--h0", "x.npy"], ["--constant", "a=b.npy"], ["--without-skip"]):
        assert main(["import", str(tmp_path / "a.nam"), "-o", out, *option]) == 2
        assert f"{option[0]} is for" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


def test_prewarm_begins_where_the_player_does(tmp_path):
    nam(tmp_path / "a.nam")
    out = tmp_path / "out.safetensors"
    assert main(["import", str(tmp_path / "a.nam"), "-o", str(out), "--prewarm", "0.001"]) == 0
    x = picker.standard_normal((5, INPUTS)).astype(np.float32)
    y = expected(np.vstack([np.zeros((48, INPUTS)), x]))[48:]
    assert np.abs(penstock.Model.read(out).reference(x) - y).max() < 1e-5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "of no kind"),
        (b"hello", "of no kind"),
        (b"{", "not"),
        (b'{"architecture": "WaveNet", "config": {}, "weights": []}', "WaveNet"),
        (b"PK\x03\x04 but no archive", "zip"),
        (b"\x89HDF\r\n\x1a\n truncated", ""),
        (b"\x08\x09\x12\x00 not protobuf \xff\xff", ""),
    ],
)
def test_files_of_no_kind(content, said, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_bytes(content)
    assert main(["import", str(file), "-o", str(tmp_path / "out.safetensors")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("penstock: ") and str(file) in error and said in error
    assert list(tmp_path.iterdir()) == [file]


def test_weights_without_a_program(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "weights.pt", "w") as archive:
        archive.writestr("weights/data.pkl", b"")
    assert main(["import", str(tmp_path / "weights.pt"), "-o", str(tmp_path / "out")]) == 2
    assert "state_dict as .safetensors" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "absent"), "-o", str(tmp_path / "out")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_usage(capsys):
    for arguments in ([], ["nonsense"], ["import"], ["import", "file"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    with pytest.raises(SystemExit):
        main(["--version"])
    assert penstock.__version__ in capsys.readouterr().out


# ---- plot ------------------------------------------------------------------------------------------------------------


def result(**changes):
    histogram = [[1000.0 + 10 * i, 100 - i, 100 - i] for i in range(90)] + [[9000.0, 1, 0]]
    common = {"model": "tiny", "format": "bf16", "cores": 1, "p50_us": 1.4, "floor_us": 1.1, "histogram": histogram}
    anchors = [{"system": "a card", "mean_us": 1.4}, {"system": "another", "p50_us": 9.0}]
    return common | {"anchors": anchors, "level": "scalar"} | changes


def run_file(path, *results, schema=1):
    host = {"cpu": "a CPU", "virtualised": True, "version": "0.1.0", "date": "2026-01-01"}
    path.write_text(json.dumps({"schema": schema, "host": host, "results": list(results)}), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_plot(suffix, tmp_path):
    pytest.importorskip("matplotlib")
    run = run_file(tmp_path / "run.json", result(), result(cores=2, format="w8a8"), result(model="small", anchors=[]))
    picture = tmp_path / f"p.{suffix}"
    assert main(["plot", run, "-o", str(picture)]) == 0
    magic = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(magic)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"p.{suffix}", "run.json"]
    if suffix == "svg":
        text = picture.read_text(encoding="utf-8")
        assert all(f"<!-- {label} -->" in text for label in ("tiny", "small", "a card: 1.4 us", "another: 9 us"))


def test_the_tail_is_the_share_that_is_left():
    from penstock.plot import _tail

    us, share = _tail([[1000.0, 90, 0], [2000.0, 0, 0], [3000.0, 10, 0]], 1)
    assert us == [1.0, 3.0] and np.allclose(share, [1.0, 0.1])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "not JSON"),
        ("[]", "not a run"),
        ('{"schema": 2, "results": []}', "schema 2"),
        ('{"schema": 1, "results": []}', "no results"),
        ('{"schema": 1, "results": [1]}', "results[0]"),
        (json.dumps({"schema": 1, "results": [result(p50_us="x")]}), "p50_us"),
        (json.dumps({"schema": 1, "results": [result(histogram=[[1, 2]])]}), "histogram"),
        (json.dumps({"schema": 1, "results": [result(histogram=[[1, 0, 0]])]}), "no steps"),
    ],
)
def test_plot_of_what_is_no_run(content, said, tmp_path, capsys):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    assert main(["plot", str(tmp_path / "run.json"), "-o", str(tmp_path / "p.png")]) == 2
    error = capsys.readouterr().err
    assert said in error and "run.json" in error
    assert not (tmp_path / "p.png").exists()


def test_plot_where_it_cannot_go(tmp_path, capsys):
    run = run_file(tmp_path / "run.json", result())
    for target, said in (("p.gif", "ends in .png"), ("absent/p.png", "cannot be written")):
        assert main(["plot", run, "-o", str(tmp_path / target)]) == 2
        assert said in capsys.readouterr().err
    assert main(["plot", str(tmp_path / "absent.json"), "-o", str(tmp_path / "p.png")]) == 2
    assert "cannot be read" in capsys.readouterr().err
