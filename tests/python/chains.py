"""Chains of layers, as Penstock knows them: their tensors, their file, and their answer by PyTorch in float64.

A chain is a list of layers in the order of the data. Its tensors are kept in the type they are stored in; the answer is
computed from their fp32 values, because that is what a Penstock model holds.
"""

import json
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import save_file

ACTIVATIONS = {
    "relu": (),
    "leaky_relu": ("alpha",),
    "elu": ("alpha",),
    "tanh": (),
    "sigmoid": (),
    "hard_sigmoid": ("alpha", "beta"),
    "clip": ("alpha", "beta"),
    "silu": (),
    "gelu": (),
    "gelu_tanh": (),
    "softplus": (),
}
DEFAULTS = {"leaky_relu": (0.01, 0.0), "elu": (1.0, 0.0), "hard_sigmoid": (1 / 6, 0.5)}


@dataclass
class Layer:
    kind: str
    tensors: dict = field(default_factory=dict)  # role -> torch tensor
    function: str | None = None
    alpha: float | None = None
    beta: float | None = None


class SeedLSTM(torch.nn.Module):
    """An LSTM stack and a Linear: the module whose bare state_dict Penstock reads."""

    def __init__(self, num_layers, input_size, hidden_size, output_size, bias=True):
        super().__init__()
        self.lstm = torch.nn.LSTM(input_size, hidden_size, num_layers=num_layers, bias=bias)
        self.fc = torch.nn.Linear(hidden_size, output_size, bias=bias)

    def forward(self, x):
        x, _ = self.lstm(x)
        return self.fc(x)


def exact(tensor):
    """The value a Penstock model holds, in float64."""
    return tensor.detach().to(torch.float32).to(torch.float64)


def lstm(inputs, units, gain=1.0, biases=("bias_ih", "bias_hh"), state=(), dtype=torch.float32):
    """PyTorch's default distribution times gain; h0 within (-1, 1), c0 normal."""
    module = torch.nn.LSTM(inputs, units)
    tensors = {
        "weight_ih": module.weight_ih_l0 * gain,
        "weight_hh": module.weight_hh_l0 * gain,
        "bias_ih": module.bias_ih_l0 * gain,
        "bias_hh": module.bias_hh_l0 * gain,
        "h0": torch.rand(units) * 1.8 - 0.9,
        "c0": torch.randn(units),
    }
    keep = {"weight_ih", "weight_hh", *biases, *state}
    return Layer("lstm", {role: t.detach().to(dtype) for role, t in tensors.items() if role in keep})


def linear(inputs, outputs, gain=1.0, bias=True, dtype=torch.float32):
    module = torch.nn.Linear(inputs, outputs)
    tensors = {"weight": module.weight * gain, "bias": module.bias * gain}
    return Layer("linear", {role: t.detach().to(dtype) for role, t in tensors.items() if bias or role == "weight"})


def activation(function, alpha=None, beta=None):
    return Layer("activation", function=function, alpha=alpha, beta=beta)


def softmax():
    return Layer("softmax")


def activate(layer, v):
    alpha, beta = (
        float(np.float32(given if given is not None else default))
        for given, default in zip((layer.alpha, layer.beta), DEFAULTS.get(layer.function, (0.0, 0.0)), strict=True)
    )
    functional = torch.nn.functional
    match layer.function:
        case "relu":
            return torch.relu(v)
        case "leaky_relu":
            return functional.leaky_relu(v, alpha)
        case "elu":
            return functional.elu(v, alpha)
        case "tanh":
            return torch.tanh(v)
        case "sigmoid":
            return torch.sigmoid(v)
        case "hard_sigmoid":
            return torch.clamp(alpha * v + beta, 0, 1)
        case "clip":
            return torch.clamp(v, alpha, beta)
        case "silu":
            return functional.silu(v)
        case "gelu":
            return functional.gelu(v)
        case "gelu_tanh":
            return functional.gelu(v, approximate="tanh")
        case "softplus":  # without PyTorch's threshold, above which it returns v itself
            return functional.softplus(v, threshold=600)
    raise ValueError(layer.function)


def _lstm(layer, v):
    t = {role: exact(tensor) for role, tensor in layer.tensors.items()}
    units, inputs = t["weight_hh"].shape[1], t["weight_ih"].shape[1]
    module = torch.nn.LSTM(inputs, units).double()
    none = torch.zeros(4 * units, dtype=torch.float64)
    module.load_state_dict(
        {
            "weight_ih_l0": t["weight_ih"],
            "weight_hh_l0": t["weight_hh"],
            "bias_ih_l0": t.get("bias_ih", none),
            "bias_hh_l0": t.get("bias_hh", none),
        }
    )
    state = [
        t.get(role, torch.zeros(units, dtype=torch.float64)).expand(1, v.shape[1], units).contiguous()
        for role in ("h0", "c0")
    ]
    return module(v, tuple(state))[0]


def forward(chain, x):
    """The float64 answer to x, float32 [steps, inputs] or [sequences, steps, inputs]."""
    batch = x if x.ndim == 3 else x[None]
    with torch.no_grad():
        v = torch.from_numpy(batch.astype(np.float64)).transpose(0, 1)
        for layer in chain:
            if layer.kind == "lstm":
                v = _lstm(layer, v)
            elif layer.kind == "linear":
                bias = layer.tensors.get("bias")
                v = torch.nn.functional.linear(
                    v, exact(layer.tensors["weight"]), exact(bias) if bias is not None else None
                )
            elif layer.kind == "activation":
                v = activate(layer, v)
            else:
                v = torch.softmax(v, dim=-1)
        y = np.ascontiguousarray(v.transpose(0, 1).numpy())
    return y if x.ndim == 3 else y[0]


def save(chain, path, naming="layers.{index}.{role}"):
    """Writes the checkpoint with its layer graph in the metadata."""
    tensors, graph = {}, []
    for index, layer in enumerate(chain):
        entry = {"kind": layer.kind}
        for key in ("function", "alpha", "beta"):
            if getattr(layer, key) is not None:
                entry[key] = getattr(layer, key)
        for role, tensor in layer.tensors.items():
            full = naming.format(index=index, role=role)
            tensors[full] = tensor.contiguous()
            entry.setdefault("tensors", {})[role] = full
        graph.append(entry)
    text = json.dumps({"version": 1, "layers": graph})
    save_file(tensors, path, metadata={"penstock.graph": text})


def save_seed(module, path, prefix="", dtype=torch.float32, wrapped=False):
    """Writes the bare state_dict of a SeedLSTM and returns the chain it stands for. wrapped: as if its lstm were a
    module around torch.nn.LSTM that calls it lstm, as some libraries' are."""
    state = {name: t.detach().to(dtype).contiguous() for name, t in module.state_dict().items()}
    names = {name: name.replace("lstm.", "lstm.lstm.", 1) if wrapped else name for name in state}
    save_file({prefix + names[name]: t for name, t in state.items()}, path)
    chain = []
    for index in range(module.lstm.num_layers):
        chain.append(
            Layer(
                "lstm",
                {
                    role: state[f"lstm.{role}_l{index}"]
                    for role in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                    if f"lstm.{role}_l{index}" in state
                },
            )
        )
    chain.append(Layer("linear", {role: state[f"fc.{role}"] for role in ("weight", "bias") if f"fc.{role}" in state}))
    return chain
