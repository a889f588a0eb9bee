"""All the ways in, with the weights of market.safetensors: each must give one answer.

    ways.py                the model by torch.export, by ONNX (both of PyTorch's exporters), by .keras and by its
                           state_dict; each is compiled and run from Python over inputs.npy, and compared
    ways.py --c PROGRAM    also by market.c, compiled as PROGRAM, and compared
    ways.py --pictures     also draws forecast.png and latency.png beside this script; needs matplotlib, and the program
                           `penstock` on the PATH for the latency

Needs requirements/market.txt. Exit 1 where two ways differ.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "torch")  # keras is only used to write a .keras file

import numpy as np
import torch
from safetensors.torch import load_file

import penstock
import penstock.keras
import penstock.onnx
import penstock.plot
import penstock.torch

HERE = pathlib.Path(__file__).resolve().parent
UNITS, LAYERS, FEATURES = 64, 2, 2
FORMAT = "w8a16"
LAST_CHECKED = 2014  # the years behind it were held back from training


class LSTM(torch.nn.Module):
    """The class of train.py."""

    def __init__(self, num_layers, input_size, hidden_size, output_size):
        super().__init__()
        self.lstm = penstock.torch.nn.LSTM(input_size, hidden_size, num_layers=num_layers)
        self.fc = torch.nn.Linear(hidden_size, output_size)

    def forward(self, x):
        return self.fc(self.lstm(x))


def trained():
    module = LSTM(LAYERS, FEATURES, UNITS, 1)
    module.load_state_dict(load_file(HERE / "market.safetensors"))
    return module.eval()


def by_onnx(folder, dynamo):
    """The newer exporter runs in a process of its own: a second export with a dynamic time in one process fails."""
    path = folder / f"{'dynamo' if dynamo else 'torchscript'}.onnx"
    command = [sys.executable, __file__, "--export", path, *(["--dynamo"] if dynamo else [])]
    done = subprocess.run(command, capture_output=True, text=True)  # the exporters warn at length
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return penstock.onnx.load(path)


def write_onnx(path, dynamo):
    module, example = trained(), torch.zeros(20, FEATURES)
    names = {"input_names": ["x"], "output_names": ["y"]}
    if dynamo:
        torch.onnx.export(module, (example,), path, dynamic_shapes=({0: "time"},), verbose=False, **names)
    else:
        torch.onnx.export(module, (example,), path, dynamo=False, dynamic_axes={"x": {0: "time"}}, **names)


def by_keras(folder):
    import keras

    state = {name: value.double().numpy() for name, value in load_file(HERE / "market.safetensors").items()}
    model = keras.Sequential([keras.Input((None, FEATURES))])
    for layer in range(LAYERS):
        model.add(keras.layers.LSTM(UNITS, return_sequences=True))
        w, r, b, more = (state[f"lstm.{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        model.layers[-1].set_weights([w.T, r.T, b + more])
    model.add(keras.layers.Dense(1))
    model.layers[-1].set_weights([state["fc.weight"].T, state["fc.bias"]])
    model.save(folder / "market.keras")
    return penstock.keras.load(folder / "market.keras")


def answers(model, x):
    """The forecast's logarithm for every day, [T], streamed one day at a time."""
    program = model.compile(FORMAT, calibrate=x, progress=False)
    y = np.empty(1, np.float32)
    given = np.empty(FEATURES, np.float32)
    with penstock.Engine(program) as engine, engine.stream() as stream:
        step = stream.bind(given, y)
        out = np.empty(len(x), np.float32)
        for day, features in enumerate(x):
            given[:] = features
            step()
            out[day] = y[0]
            stream.settle()
    return program, out


def from_c(program, path, folder):
    """What market.c prints for the same days: the size, which is exp(y)."""
    program.save(folder / "market.pstk")
    with open(HERE / "returns.csv", "rb") as returns:
        done = subprocess.run([path, folder / "market.pstk"], stdin=returns, capture_output=True, text=True, check=True)
    return np.array([float(line.split(",")[1]) for line in done.stdout.splitlines()])


def draw(x, y, program, folder):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    dates = [line.split(",")[0] for line in (HERE / "returns.csv").read_text(encoding="ascii").splitlines()]
    days = np.array(dates[1 : len(y) + 1], "datetime64[D]")  # a forecast belongs to the day it is for
    came = np.abs(np.loadtxt(HERE / "returns.csv", delimiter=",", usecols=1))[1 : len(y) + 1]
    held = days >= np.datetime64(f"{LAST_CHECKED + 1}-01-01")
    figure, axis = pyplot.subplots(figsize=(10, 4), layout="constrained")
    axis.bar(days[held], came[held], width=1.0, color="#b9c4d0", label="what happened: size of the day's move")
    axis.plot(days[held], np.exp(y[held]), color="#b91c1c", linewidth=1.1, label="forecast of the day before")
    axis.set_ylabel("percent")
    axis.set_title(f"S&P 500, held-back years: {FORMAT}, streamed one day at a time", loc="left", fontsize=10)
    axis.legend(frameon=False)
    axis.margins(x=0.01)
    figure.savefig(HERE / "forecast.png", dpi=110)
    program.save(folder / "market.pstk")
    run = folder / "run.json"
    subprocess.run(
        ["penstock", "bench", "--models", folder / "market.pstk", "--cores", "1", "--budget", "5", "--json", run],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    run.write_text(json.dumps(named(json.loads(run.read_text(encoding="utf-8")))), encoding="utf-8")
    penstock.plot.latency(run, HERE / "latency.png")


def named(run):
    """Without the temporary folder in the model's name."""
    for result in run["results"]:
        result["model"] = "the market example"
    return run


def main():
    parser = argparse.ArgumentParser(description="The market example by every way in.")
    parser.add_argument("--c", type=pathlib.Path, metavar="PROGRAM", help="market.c, compiled")
    parser.add_argument("--pictures", action="store_true", help="draw forecast.png and latency.png")
    parser.add_argument("--export", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--dynamo", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.export:
        return write_onnx(options.export, options.dynamo)

    x = np.load(HERE / "inputs.npy")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ways = {
            "state_dict": penstock.Model.read(HERE / "market.safetensors"),
            "torch.export": penstock.torch.export(trained(), torch.zeros(20, FEATURES)),
            "ONNX, TorchScript exporter": by_onnx(folder, dynamo=False),
            "ONNX, dynamo exporter": by_onnx(folder, dynamo=True),
            "Keras": by_keras(folder),
        }
        compiled = {way: answers(model, x) for way, model in ways.items()}
        program, first = compiled["state_dict"]
        # Keras adds the two biases into one, in fp32: a rounding of 6e-8.
        differences = {way: float(np.abs(y - first).max()) for way, (_, y) in compiled.items()}
        if options.c:
            differences["market.c"] = float(np.abs(from_c(program, options.c, folder)[: len(x)] - np.exp(first)).max())
        for way, difference in differences.items():
            print(f"{way}: largest difference {difference:.1e}")
        if options.pictures:
            draw(x, first, program, folder)
    # market.c prints four decimals.
    bad = [way for way, d in differences.items() if not d <= (6e-5 if way == "market.c" else 1e-6)]
    return f"these ways give another answer: {', '.join(bad)}" if bad else None


if __name__ == "__main__":
    sys.exit(main())
