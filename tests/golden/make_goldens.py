"""Makes the goldens: checkpoints, inputs, and PyTorch's float64 answers. See README.md beside this file.

    python tests/golden/make_goldens.py            writes them into tests/golden

The answers come from torch.nn.LSTM, torch.nn.Linear and torch's functions in double precision, from the fp32 values of
the stored tensors. Seeds are fixed: the same PyTorch writes the same files.
"""

import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from chains import SeedLSTM, activation, exact, forward, linear, lstm, save, save_seed, softmax  # noqa: E402
from simulation import FORMATS, rms, simulate  # noqa: E402

cases = []


def noise(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).numpy().astype(np.float32)


def write(name, chain, x, y, about):
    assert np.isfinite(y).all()
    rounding = [rms(simulate(chain, x, encoding) - y) for encoding in FORMATS[1:]]
    np.save(HERE / f"{name}.x.npy", x)
    np.save(HERE / f"{name}.y.npy", y)
    cases.append((name, rounding, about))


def seed_case(
    name, number, about, layers, inputs, hidden, outputs, steps, prefix="", dtype=torch.float32, bias=True, **options
):
    """A bare state_dict; the answer is the module's own, not that of a chain."""
    torch.manual_seed(number)
    module = SeedLSTM(layers, inputs, hidden, outputs, bias)
    chain = save_seed(module, HERE / f"{name}.safetensors", prefix, dtype, **options)
    x = noise(steps, inputs)
    module = module.double()
    module.load_state_dict({key: exact(t.to(dtype)) for key, t in module.state_dict().items()})
    with torch.no_grad():
        y = module(torch.from_numpy(x.astype(np.float64))).numpy()
    write(name, chain, x, y, about)


def chain_case(name, number, about, make, shape, scale=1.0, **options):
    torch.manual_seed(number)
    chain = make()
    save(chain, HERE / f"{name}.safetensors", **options)
    x = noise(*shape, scale=scale)
    write(name, chain, x, forward(chain, x), about)


def seeds():
    seed_case("seed_plain", 101, "bare state_dict, F32, 2x16", 2, 8, 16, 4, 24)
    seed_case(
        "seed_prefix_f16", 102, "names begin with model.net., F16, 2x20", 2, 6, 20, 5, 24, "model.net.", torch.float16
    )
    seed_case(
        "seed_wrapped_bf16",
        103,
        "an LSTM within a module called lstm (lstm.lstm.weight_ih_l0), BF16, 1x36",
        1,
        9,
        36,
        3,
        24,
        dtype=torch.bfloat16,
        wrapped=True,
    )
    seed_case("seed_f64", 104, "F64, rounded to fp32 on reading", 2, 5, 12, 2, 24, dtype=torch.float64)
    seed_case("seed_no_bias", 105, "no biases anywhere", 3, 7, 16, 6, 24, bias=False)
    seed_case("seed_100", 106, "2x100 (a multiple of 4, not of 16), F16", 2, 100, 100, 10, 40, dtype=torch.float16)
    seed_case("seed_one", 107, "1 input, 1 unit, 1 output", 1, 1, 1, 1, 40)
    seed_case("seed_drift", 108, "1,000 steps: nothing drifts", 2, 5, 20, 3, 1000)


def chains():
    chain_case(
        "chain_odd_widths",
        201,
        "3 -> 17 -> 13 -> 1 -> 3: units left over, one unit, widths that change",
        lambda: [lstm(3, 17, 1.5), lstm(17, 13, 1.5), lstm(13, 1), linear(1, 3)],
        (30, 3),
    )
    chain_case(
        "chain_wide_input",
        202,
        "130 inputs, 64 units, 65 outputs",
        lambda: [lstm(130, 64, dtype=torch.bfloat16), linear(64, 65, dtype=torch.bfloat16)],
        (20, 130),
    )
    chain_case(
        "chain_one_input", 203, "1 -> 48 -> 52 -> 2", lambda: [lstm(1, 48, 2.0), lstm(48, 52), linear(52, 2)], (30, 1)
    )
    chain_case(
        "chain_linear_first",
        204,
        "Linear before, between and after the LSTMs",
        lambda: [linear(129, 12), lstm(12, 3, 2.0), linear(3, 7), lstm(7, 20, 1.5), linear(20, 9), linear(9, 5)],
        (30, 129),
    )
    chain_case(
        "chain_sequences",
        205,
        "3 sequences, each from the initial state h0, c0",
        lambda: [
            lstm(4, 21, 2.0, state=("h0", "c0")),
            lstm(21, 8, state=("c0",)),
            lstm(8, 6, state=("h0",)),
            linear(6, 2),
        ],
        (3, 15, 4),
    )
    chain_case(
        "chain_some_biases",
        206,
        "one bias of two, none, and a Linear without; F32, F64, F16 and BF16 in one",
        lambda: [
            lstm(5, 11, 2.0, ("bias_hh",), dtype=torch.float64),
            lstm(11, 9, 2.0, (), dtype=torch.float16),
            lstm(9, 10, 2.0, ("bias_ih",), dtype=torch.bfloat16),
            linear(10, 4, bias=False),
        ],
        (25, 5),
    )
    chain_case(
        "chain_lstm_last",
        207,
        "the LSTM's h is the output; names of another make",
        lambda: [lstm(10, 19, 2.0)],
        (25, 10),
        naming="net/{role}:{index}",
    )
    chain_case(
        "chain_linear_only",
        208,
        "no LSTM at all",
        lambda: [linear(33, 18, 3.0), activation("tanh"), linear(18, 1)],
        (12, 33),
    )
    chain_case(
        "chain_softmax",
        209,
        "softmax last, logits to +-30",
        lambda: [lstm(6, 16, 3.0), linear(16, 11, 40.0), softmax()],
        (40, 6),
    )
    chain_case(
        "chain_softmax_on_lstm",
        210,
        "softmax directly on an LSTM, two activations in a row",
        lambda: [lstm(6, 7, 3.0), activation("relu"), activation("silu"), lstm(7, 5, 3.0), softmax()],
        (40, 6),
    )
    chain_case(
        "chain_saturated",
        211,
        "inputs of +-50 and weights four times as large: gates at their ends",
        lambda: [lstm(8, 24, 4.0), lstm(24, 16, 4.0), linear(16, 3)],
        (40, 8),
        scale=50.0,
    )


def activations():
    """After a Linear whose sums reach about +-10, in the middle, and after an LSTM, last."""
    settings = [
        ("relu", None, None),
        ("leaky_relu", None, None),
        ("leaky_relu", 0.2, None),
        ("elu", None, None),
        ("elu", 1.5, None),
        ("tanh", None, None),
        ("sigmoid", None, None),
        ("hard_sigmoid", None, None),
        ("hard_sigmoid", 0.2, 0.4),
        ("clip", -0.5, 0.75),
        ("silu", None, None),
        ("gelu", None, None),
        ("gelu_tanh", None, None),
        ("softplus", None, None),
    ]
    for index, (function, alpha, beta) in enumerate(settings):
        name = f"act_{function}" + ("" if alpha is None else "_set" if function != "clip" else "")
        given = "" if alpha is None else f" (alpha {alpha}" + (f", beta {beta})" if beta is not None else ")")

        def make(function=function, alpha=alpha, beta=beta):
            return [
                linear(6, 18, 6.0),
                activation(function, alpha, beta),
                lstm(18, 5, 2.0),
                activation(function, alpha, beta),
            ]

        chain_case(
            name,
            301 + index,
            f"{function}{given} after a Linear, and after an LSTM as the last layer",
            make,
            (30, 6),
            scale=1.5,
        )


def main():
    for old in HERE.glob("*.safetensors"):
        old.unlink()
    for old in HERE.glob("*.[xy].npy"):
        old.unlink()
    seeds()
    chains()
    activations()
    lines = ["# case, rms error that a format's rounding alone makes: " + ", ".join(FORMATS[1:]) + "; what it is for"]
    for name, rounding, about in cases:
        lines.append(f"{name:24}" + "".join(f"{error:.2e} " for error in rounding) + about)
    (HERE / "cases.txt").write_text("\n".join(lines) + "\n")
    for file in HERE.glob("*.safetensors"):
        file.chmod(0o644)  # the package writes them for their owner only
    total = sum(f.stat().st_size for f in HERE.iterdir())
    print(f"{len(cases)} cases, {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
