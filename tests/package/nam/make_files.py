"""Makes files/*.nam and answers.npz: python make_files.py, with PyTorch. A model as Neural Amp Modeler trains it, a
torch.nn.LSTM and a torch.nn.Linear, is written as the format says, by code that shares nothing with the importer."""

import json
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parent / "files"


def export(name, inputs, units, layers, outputs, seed, **config):
    torch.manual_seed(seed)
    lstm, head = torch.nn.LSTM(inputs, units, layers, batch_first=True), torch.nn.Linear(units, outputs)
    h0, c0 = torch.randn(layers, 1, units) / 2, torch.randn(layers, 1, units) / 2
    flat = []
    with torch.no_grad():
        for index in range(layers):
            ih, hh = getattr(lstm, f"weight_ih_l{index}"), getattr(lstm, f"weight_hh_l{index}")
            flat += torch.cat([ih, hh], dim=1).flatten().tolist()
            # The file has one bias: so that no bit is lost, the other is 0 here.
            getattr(lstm, f"bias_hh_l{index}").zero_()
            flat += getattr(lstm, f"bias_ih_l{index}").tolist()
            flat += h0[index, 0].tolist() + c0[index, 0].tolist()
        flat += head.weight.flatten().tolist() + head.bias.tolist()
        x = torch.randn(1, 20, inputs)
        double = [part.double() for part in (lstm, head)]
        warm = double[0](torch.zeros(1, 400, inputs, dtype=torch.float64), (h0.double(), c0.double()))[1]
        answers = [
            double[1](double[0](x.double(), state)[0])[0].numpy() for state in ((h0.double(), c0.double()), warm)
        ]
    file = {
        "version": "0.5.4",
        "metadata": {"name": name, "loudness": -20.5, "gear_type": "amp", "training": None},
        "architecture": "LSTM",
        "config": {"input_size": inputs, "hidden_size": units, "num_layers": layers, **config},
        "weights": flat,
        "sample_rate": 800,  # so that half a second is few steps
    }
    (FOLDER / f"{name}.nam").write_text(json.dumps(file) + "\n")
    return {f"{name}.x": x[0].numpy(), f"{name}.y": answers[0], f"{name}.warm": answers[1]}


def main():
    FOLDER.mkdir(exist_ok=True)
    answers = export("one", 1, 5, 1, 1, 1)
    answers |= export("two", 1, 4, 2, 1, 2)
    answers |= export("stereo", 2, 3, 2, 2, 3, in_channels=2, out_channels=2)
    np.savez(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
