"""Makes files/*.keras, legacy3.h5 and answers.npz: KERAS_BACKEND=torch python make_files.py, with Keras 3.15.1."""

from pathlib import Path

import keras
import numpy as np
from keras import layers as L

FOLDER = Path(__file__).parent / "files"
# None of them may say where a layer stands: neither alphabetically nor by number.
NAMES = "zeta alpha m10 m9 m1 beta lstm_2 lstm lstm_10 gamma m2 omega".split()
random = np.random.default_rng(20261125)


def lstm(units, sequences=True, **more):
    # Keras' own default, orthogonal, needs a QR that no backend has in half precision.
    return L.LSTM(units, return_sequences=sequences, recurrent_initializer="glorot_uniform", **more)


def sequential():
    return [
        keras.Input((None, 3)),
        lstm(5),
        L.Dropout(0.5),
        lstm(4, use_bias=False),
        L.TimeDistributed(L.Dense(3, activation="tanh")),
        L.BatchNormalization(),
        L.Dense(2, activation="hard_sigmoid"),
    ]


def many():
    layers = [lstm(2 + i % 3, i + 1 < len(NAMES), name=name) for i, name in enumerate(NAMES)]
    return [keras.Input((None, 2)), *layers, L.Dense(2)]


def cells():
    return [
        keras.Input((None, 3)),
        L.RNN(L.StackedRNNCells([L.LSTMCell(4), L.LSTMCell(3, use_bias=False)]), return_sequences=True),
        L.RNN(L.LSTMCell(2), return_sequences=True),
        L.Dense(2, use_bias=False),
    ]


def scalars():
    normalization = L.Normalization()
    normalization.adapt(random.standard_normal((50, 8, 3)) * [1, 2, 3] + [0, 1, -1])
    return [
        keras.Input((None, 3)),
        normalization,
        L.Rescaling([1.5, 0.5, 2.0], [0.0, 0.25, -1.0]),
        lstm(4),
        L.LeakyReLU(0.125),
        L.Dense(4, activation="selu"),
        L.ELU(0.5),
        L.Dense(4, activation="gelu"),
        L.Dense(4, activation="leaky_relu"),
        L.Dense(4),
        L.ReLU(max_value=0.75),
        L.Dense(3),
        L.Normalization(mean=[0.0, 1.0, 2.0], variance=[1.0, 4.0, 0.25], invert=True),
        L.Activation("softplus"),
    ]


def stateful():
    return [keras.Input(batch_shape=(2, 6, 3)), lstm(4, stateful=True), L.Dense(2, activation="relu6")]


def functional():
    x = keras.Input((7, 3), name="prices")
    y, _, _ = lstm(4, return_state=True)(x)
    y = L.Dropout(0.25)(y, training=False)
    y = lstm(3, False)(y)
    y = L.Flatten()(y)
    return keras.Model(x, L.Dense(3, activation="softmax", name="odds")(y))


def precision(policy):
    return [keras.Input((None, 3)), lstm(4, dtype=policy), L.Dense(2, dtype=policy)]


def single(settings):
    """Settings that compute in float32, for the answers: what is stored counts, not in what it was trained."""
    if isinstance(settings, dict):
        return {key: "float32" if key == "dtype" else single(value) for key, value in settings.items()}
    return [single(value) for value in settings] if isinstance(settings, list) else settings


def answer(model, x):
    y = np.repeat(x[None], model.input_shape[0] or 1, axis=0)
    for layer in model.layers:
        if isinstance(layer, L.InputLayer):
            continue
        twin = type(layer).from_config(single(layer.get_config()))
        twin(y)
        twin.set_weights([np.asarray(value).astype(np.float32) for value in layer.get_weights()])
        if isinstance(twin, L.Normalization):
            twin.finalize_state()
        if getattr(twin, "stateful", False):
            twin.reset_state()
        y = twin(y)
        y = y[0] if isinstance(y, list | tuple) else y
    return keras.ops.convert_to_numpy(y)[0]


def main():
    FOLDER.mkdir(exist_ok=True)
    makers = {
        "sequential": sequential,
        "many": many,
        "cells": cells,
        "scalars": scalars,
        "stateful": stateful,
        "functional": functional,
        "float16": lambda: precision("float16"),
        "bfloat16": lambda: precision("bfloat16"),
        "mixed": lambda: precision("mixed_float16"),
    }
    answers = {}
    for name, make in makers.items():
        keras.utils.set_random_seed(7)
        keras.backend.clear_session()
        made = make()
        model = made if isinstance(made, keras.Model) else keras.Sequential(made)
        for variable in model.weights:
            if "variance" in variable.path and "normalization_" not in variable.path:
                variable.assign(random.uniform(0.5, 2, variable.shape))
            elif variable.path.rsplit("/", 1)[-1] not in ("mean", "variance", "count"):
                variable.assign(random.uniform(-1, 1, variable.shape))
        model.save(FOLDER / f"{name}.keras")
        x = random.standard_normal((model.input_shape[1] or 9, model.input_shape[2])).astype(np.float32)
        answers[f"{name}.x"], answers[f"{name}.y"] = x, answer(model, x)
        if name == "sequential":
            model.save(FOLDER / "legacy3.h5")
    np.savez(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
