"""What the rounding of a format does to a chain, and nothing else: an independent statement of Penstock's numbers.

Weights, and every vector that enters a product (x, h, what lies between layers), are rounded as the format rounds them;
all sums, gates, c and activation functions are float64. The answer itself is not rounded. An engine adds only the
rounding of fp32 sums, and now and then a value that falls to the other side of a rounding border because of it.

bf16   weights and vectors to bf16, nearest even
w8a16  weights to 127ths of the largest of their row; vectors to 32,512ths of a scale: of h 1 or its layer's 2^k from
       calibration, of others the least 2^e that is not below the largest |v| of the step
w8a8   the same with 127ths of the scale (of h one of its own, no power of two), but for the Linear, which is as in
       w8a16
f32    nothing is rounded
"""

import numpy as np
import torch
from chains import activate, exact

FORMATS = ("f32", "bf16", "w8a16", "w8a8")


def rms(v):
    return float(np.sqrt(np.mean(np.square(v))))


def _to_bf16(v):
    return v.to(torch.float32).to(torch.bfloat16).to(torch.float64)


def _weights(w, encoding):
    if encoding == "f32":
        return exact(w)
    if encoding == "bf16":
        return _to_bf16(exact(w))
    w = w.detach().to(torch.float32)  # divided in fp32: ties are common in weights that were bf16 before
    scale = (w.abs().amax(dim=1, keepdim=True) / 127).clamp_min(2.0**-40)
    return torch.round(w / scale).double() * scale.double()


def _vector(v, encoding, fixed):
    """v [..., features]; fixed: the scale of an LSTM's h, None where each step has its own."""
    if encoding == "f32":
        return v
    if encoding == "bf16":
        return _to_bf16(v)
    digits = 127 if encoding == "w8a8" else 32512
    scale = fixed
    if fixed is None:
        scale = torch.exp2(
            torch.ceil(torch.log2(v.float().double().abs().amax(dim=-1, keepdim=True).clamp_min(2.0**-60)))
        )
    # v and the quotient are fp32 values: borders are not rare (sigmoid of a vanishing h is 0.5, 63.5 127ths).
    digit = torch.round((v.float().double() * (digits / scale)).float()).double()
    return torch.clamp(digit, -digits, digits) * scale / digits


def _bias(layer, *roles):
    return sum((exact(layer.tensors[role]) for role in roles if role in layer.tensors), torch.tensor(0.0).double())


def _lstm(layer, v, encoding, below, own):
    """below, own: the scales of v, if it is an LSTM's h, and of this layer's h."""
    w_ih, w_hh = (_weights(layer.tensors[role], encoding) for role in ("weight_ih", "weight_hh"))
    steps, sequences, _ = v.shape
    units = w_hh.shape[1]
    h, c = (
        (exact(layer.tensors[role]) if role in layer.tensors else torch.zeros(units).double()).repeat(sequences, 1)
        for role in ("h0", "c0")
    )
    given = _vector(v, encoding, below) @ w_ih.T + _bias(layer, "bias_ih", "bias_hh")
    out = torch.empty(steps, sequences, units, dtype=torch.float64)
    recurrent = w_hh.T.contiguous()
    for t in range(steps):
        i, f, g, o = (given[t] + _vector(h, encoding, own) @ recurrent).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out[t] = h
    return out


def simulate(chain, x, encoding, h_scales=None):
    """As chains.forward, with the roundings of a format. h_scales: one a layer, of which the LSTMs' count: of h in 16
    bits and in 8."""
    of_linear = "w8a16" if encoding == "w8a8" else encoding
    batch = x if x.ndim == 3 else x[None]
    below = None
    with torch.no_grad():
        v = torch.from_numpy(batch.astype(np.float64)).transpose(0, 1)
        for index, layer in enumerate(chain):
            own = h_scales[index] if h_scales else (1.0, 1.0)
            digits = 1 if encoding == "w8a8" else 0
            if layer.kind == "lstm":
                v = _lstm(layer, v, encoding, below and below[digits], own[digits])
            elif layer.kind == "linear":
                weight = _weights(layer.tensors["weight"], of_linear)
                v = _vector(v, of_linear, below and below[0]) @ weight.T + _bias(layer, "bias")
            elif layer.kind == "activation":
                v = activate(layer, v)
            else:
                v = torch.softmax(v, dim=-1)
            below = own if layer.kind == "lstm" else None
        y = np.ascontiguousarray(v.transpose(0, 1).numpy())
    return y if x.ndim == 3 else y[0]
