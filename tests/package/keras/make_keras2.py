"""Makes files/keras2.h5 and keras2_functional.h5, in the layout that Keras 2.15 (TensorFlow) gives `.h5` files, with
h5py alone, and their answers, by NumPy: python make_keras2.py. test_keras_live.py reads the first with Keras 3, too."""

import json
from pathlib import Path

import h5py
import numpy as np

FOLDER = Path(__file__).parent / "files"
random = np.random.default_rng(215)


def glorot():
    return {
        "module": "keras.initializers",
        "class_name": "GlorotUniform",
        "config": {"seed": None},
        "registered_name": None,
    }


def plain(kind):
    return {"module": "keras.initializers", "class_name": kind, "config": {}, "registered_name": None}


def lstm(name, units, sequences, dtype="float32", **first):
    return {
        "class_name": "LSTM",
        "config": {
            "name": name,
            "trainable": True,
            **first,
            "dtype": dtype,
            "return_sequences": sequences,
            "return_state": False,
            "go_backwards": False,
            "stateful": False,
            "unroll": False,
            "time_major": False,
            "units": units,
            "activation": "tanh",
            "recurrent_activation": "sigmoid",
            "use_bias": True,
            "kernel_initializer": glorot(),
            "recurrent_initializer": plain("Orthogonal"),
            "bias_initializer": plain("Zeros"),
            "unit_forget_bias": True,
            "kernel_regularizer": None,
            "recurrent_regularizer": None,
            "bias_regularizer": None,
            "activity_regularizer": None,
            "kernel_constraint": None,
            "recurrent_constraint": None,
            "bias_constraint": None,
            "dropout": 0.0,
            "recurrent_dropout": 0.0,
            "implementation": 2,
        },
    }


def dense(name, units, activation, dtype="float32"):
    return {
        "class_name": "Dense",
        "config": {
            "name": name,
            "trainable": True,
            "dtype": dtype,
            "units": units,
            "activation": activation,
            "use_bias": True,
            "kernel_initializer": glorot(),
            "bias_initializer": plain("Zeros"),
            "kernel_regularizer": None,
            "bias_regularizer": None,
            "activity_regularizer": None,
            "kernel_constraint": None,
            "bias_constraint": None,
        },
    }


def input_layer(name, shape):
    config = {"batch_input_shape": shape, "dtype": "float32", "sparse": False, "ragged": False, "name": name}
    return {"class_name": "InputLayer", "config": config}


def batch_normalization(name):
    return {
        "class_name": "BatchNormalization",
        "config": {
            "name": name,
            "trainable": True,
            "dtype": "float32",
            "axis": [2],
            "momentum": 0.99,
            "epsilon": 0.001,
            "center": True,
            "scale": True,
            "beta_initializer": plain("Zeros"),
            "gamma_initializer": plain("Ones"),
            "moving_mean_initializer": plain("Zeros"),
            "moving_variance_initializer": plain("Ones"),
            "beta_regularizer": None,
            "gamma_regularizer": None,
            "beta_constraint": None,
            "gamma_constraint": None,
        },
    }


def timed(name, layer, n):
    return {
        "class_name": "TimeDistributed",
        "config": {
            "name": name,
            "trainable": True,
            "dtype": "float32",
            "layer": {
                "module": "keras.layers",
                **layer,
                "registered_name": None,
                "build_config": {"input_shape": [None, n]},
            },
        },
    }


def weights(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def lstm_weights(name, n, units):
    return [
        (f"{name}/lstm_cell/kernel:0", weights(n, 4 * units)),
        (f"{name}/lstm_cell/recurrent_kernel:0", weights(units, 4 * units)),
        (f"{name}/lstm_cell/bias:0", weights(4 * units)),
    ]


def dense_weights(name, n, units):
    return [(f"{name}/kernel:0", weights(n, units)), (f"{name}/bias:0", weights(units))]


def save(file, kind, config, layers):
    """layers: (name, [(path, array), ..]), in the order of the data."""
    with h5py.File(FOLDER / file, "w") as out:
        out.attrs["keras_version"] = b"2.15.0"
        out.attrs["backend"] = b"tensorflow"
        out.attrs["model_config"] = json.dumps({"class_name": kind, "config": config})
        root = out.create_group("model_weights")
        root.attrs["layer_names"] = np.array([name.encode() for name, _ in layers])
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = b"2.15.0"
        for name, arrays in sorted(layers):
            group = root.create_group(name)
            group.attrs["weight_names"] = np.array([path.encode() for path, _ in arrays]) if arrays else np.array([])
            for path, array in arrays:
                group.create_dataset(path, data=array)
        root.create_group("top_level_model_weights").attrs["weight_names"] = np.array([])


def run_lstm(arrays, x):
    kernel, recurrent, bias = (array.astype(np.float64) for _, array in arrays)
    h = c = np.zeros(recurrent.shape[0])
    rows = []
    for v in x:
        i, f, g, o = np.split(v @ kernel + h @ recurrent + bias, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        rows.append(h)
    return np.array(rows)


def run_dense(arrays, x):
    return x @ arrays[0][1].astype(np.float64) + arrays[1][1]


def sequential():
    first, second = lstm_weights("lstm", 3, 5), lstm_weights("lstm_1", 4, 3)
    middle, last = dense_weights("time_distributed", 5, 4), dense_weights("dense_1", 3, 2)
    norm = [
        (f"batch_normalization/{name}:0", weights(4) + shift)
        for name, shift in (("gamma", 0), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1.5))
    ]
    shape = [None, 8, 3]
    config = {
        "name": "sequential",
        "layers": [
            input_layer("lstm_input", shape),
            lstm("lstm", 5, True, batch_input_shape=shape),
            {
                "class_name": "Dropout",
                "config": {
                    "name": "dropout",
                    "trainable": True,
                    "dtype": "float32",
                    "rate": 0.2,
                    "noise_shape": None,
                    "seed": None,
                },
            },
            timed("time_distributed", dense("dense", 4, "relu"), 5),
            batch_normalization("batch_normalization"),
            lstm("lstm_1", 3, True),
            dense("dense_1", 2, "linear"),
        ],
    }
    layers = [
        ("lstm", first),
        ("dropout", []),
        ("time_distributed", middle),
        ("batch_normalization", norm),
        ("lstm_1", second),
        ("dense_1", last),
    ]
    save("keras2.h5", "Sequential", config, layers)
    x = random.standard_normal((8, 3)).astype(np.float32)
    gamma, beta, mean, variance = (array.astype(np.float64) for _, array in norm)
    y = np.maximum(run_dense(middle, run_lstm(first, x)), 0)
    y = (y - mean) / np.sqrt(variance + 0.001) * gamma + beta
    return x, run_dense(last, run_lstm(second, y))


def functional():
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    recurrent, last = lstm_weights("rnn", 2, 4), dense_weights("out", 4, 3)

    def called(layer, before):
        nodes = [[[before, 0, 0, {}]]] if before else []
        return {**layer, "name": layer["config"]["name"], "inbound_nodes": nodes}

    config = {
        "name": "model",
        "trainable": True,
        "layers": [
            called(input_layer("input_1", [None, None, 2]), None),
            called(lstm("rnn", 4, False, policy), "input_1"),
            called(dense("out", 3, "hard_sigmoid", policy), "rnn"),
        ],
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["out", 0, 0]],
    }
    save("keras2_functional.h5", "Functional", config, [("input_1", []), ("rnn", recurrent), ("out", last)])
    x = random.standard_normal((6, 2)).astype(np.float32)
    return x, np.clip(0.2 * run_dense(last, run_lstm(recurrent, x))[-1] + 0.5, 0, 1)


def main():
    (x, y), (u, v) = sequential(), functional()
    np.savez(
        FOLDER / "answers2.npz", **{"keras2.x": x, "keras2.y": y, "keras2_functional.x": u, "keras2_functional.y": v}
    )


if __name__ == "__main__":
    main()
