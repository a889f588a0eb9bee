"""Makes files/*.json and answers.npz: KERAS_BACKEND=torch python make_files.py, with Keras 3.15.1 and PyTorch.

The layers are Keras' and PyTorch's own, written as RTNeural's scripts do, and so are the answers; in what AIDA-X and
GuitarML add, NumPy computes what their players do."""

import json
from pathlib import Path

import keras
import numpy as np
import torch
from keras import layers as L

FOLDER = Path(__file__).parent / "files"
random = np.random.default_rng(2611)
TYPES = {L.LSTM: "lstm", L.Dense: "dense", L.TimeDistributed: "time-distributed-dense"}
TYPES |= {L.Activation: "activation", L.BatchNormalization: "batchnorm"}


def keras_model(*layers):
    model = keras.Sequential(layers)
    for variable in model.weights:
        low = 0.5 if "variance" in variable.path else -1
        variable.assign(random.uniform(low, 1, variable.shape))
    return model


def keras_file(name, model, **more):
    layers = []
    for layer in model.layers:
        inner = layer.layer if isinstance(layer, L.TimeDistributed) else layer
        activation = getattr(getattr(inner, "activation", None), "__name__", "")
        entry = {
            "type": TYPES[type(layer)],
            "activation": "" if activation == "linear" else activation,
            "shape": [None, None, layer.output.shape[-1]],
            "weights": [weight.tolist() for weight in layer.get_weights()],
        }
        if isinstance(layer, L.BatchNormalization):
            entry["epsilon"] = layer.epsilon
        layers.append(entry)
    content = {"in_shape": [None, None, model.input_shape[-1]], "layers": layers, **more}
    (FOLDER / f"{name}.json").write_text(json.dumps(content) + "\n")


def run(model, x):
    return keras.ops.convert_to_numpy(model(x[None].astype(np.float32)))[0]


def numbers(*shape):
    return random.standard_normal(shape).astype(np.float32)


def layered():
    model = keras_model(
        keras.Input((None, 2)),
        L.LSTM(4, return_sequences=True),
        L.TimeDistributed(L.Dense(3, activation="relu")),
        L.BatchNormalization(),
        L.LSTM(3, return_sequences=True),
        L.Dense(4, activation="elu"),
        L.Activation("sigmoid"),
        L.Dense(3, activation="softmax"),
    )
    keras_file("layered", model)
    x = numbers(15, 2)
    return {"layered.x": x, "layered.y": run(model, x)}


def aidax():
    """Three inputs: the audio, and two knobs that the gains leave alone."""
    model = keras_model(keras.Input((None, 3)), L.LSTM(5, return_sequences=True), L.Dense(1))
    more = {
        "in_skip": 1,
        "in_gain": -6.5,
        "out_gain": 3.25,
        "samplerate": 48000,
        "metadata": {"name": "made for a test", "samplerate": "48000", "esr": 0.01},
        "input_batch": [0.0, 0.5],
        "output_batch": [0.0, 0.25],
    }
    keras_file("aidax", model, **more)
    x = numbers(15, 3)
    inner, outer = 10 ** (-6.5 / 20), 10 ** (3.25 / 20)
    driven = x * np.array([inner, 1, 1])
    return {"aidax.x": x, "aidax.y": outer * (driven[:, :1] + run(model, driven))}


def values(modules):
    return {
        f"{name}.{key}": value.tolist()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def torch_run(modules, x):
    y = torch.from_numpy(x).double()
    with torch.no_grad():
        for module in modules:
            y = module.double()(y)
            y = y[0] if isinstance(y, tuple) else y
    return y.numpy()


def states():
    torch.manual_seed(1)
    modules = {"lstm": torch.nn.LSTM(1, 4), "lstm2": torch.nn.LSTM(4, 4, 3), "dense": torch.nn.Linear(4, 1)}
    (FOLDER / "states.json").write_text(json.dumps(values(modules)) + "\n")
    x = numbers(15, 1)
    return {"states.x": x, "states.y": torch_run(modules.values(), x)}


def guitarml():
    torch.manual_seed(2)
    modules = {"rec": torch.nn.LSTM(1, 5), "lin": torch.nn.Linear(5, 1)}
    about = {
        "model": "SimpleRNN",
        "input_size": 1,
        "skip": 1,
        "output_size": 1,
        "unit_type": "LSTM",
        "num_layers": 1,
        "hidden_size": 5,
        "bias_fl": True,
    }
    content = {"model_data": about, "state_dict": values(modules)}
    (FOLDER / "guitarml.json").write_text(json.dumps(content) + "\n")
    x = numbers(15, 1)
    return {"guitarml.x": x, "guitarml.y": torch_run(modules.values(), x) + x}


def main():
    FOLDER.mkdir(exist_ok=True)
    keras.utils.set_random_seed(3)
    np.savez(FOLDER / "answers.npz", **layered(), **aidax(), **states(), **guitarml())


if __name__ == "__main__":
    main()
