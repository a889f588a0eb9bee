"""Random architectures against PyTorch in float64, and against the float64 simulation of each format's rounding."""

import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the comparison with PyTorch: no torch to be had")

from chains import (  # noqa: E402
    ACTIVATIONS,
    SeedLSTM,
    activation,
    exact,
    forward,
    linear,
    lstm,
    save,
    save_seed,
    softmax,
)
from conftest import FORMATS  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from simulation import rms, simulate  # noqa: E402

# PENSTOCK_EXAMPLES asks for more of them.
EXAMPLES = settings(
    deadline=None,
    max_examples=int(os.environ.get("PENSTOCK_EXAMPLES", "40")),
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
DTYPES = (torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16)


@st.composite
def arrays(draw):
    """Sequences (0: [steps, inputs]), steps, scale of x."""
    return draw(st.integers(0, 3)), draw(st.integers(1, 40)), draw(st.sampled_from((1.0, 1.0, 1e-3, 30.0)))


def noise(shape, inputs):
    sequences, steps, scale = shape
    leading = (sequences, steps) if sequences else (steps,)
    return (torch.randn(*leading, inputs) * scale).numpy().astype(np.float32)


def check(penstock, checkpoint, chain, x):
    right = forward(chain, x)
    # How far the answer moves when x moves by about eight of fp32's roundings: what large values that cancel on the way
    # make of fp32 sums.
    nudge = 1 + 2.0**-20 * np.random.default_rng(0).standard_normal(x.shape)
    sensitive = rms(forward(chain, x * nudge) - right)
    np.save(penstock.folder / "live.x.npy", x)
    np.save(penstock.folder / "live.y.npy", right)
    for form in FORMATS:
        program = penstock.compile(checkpoint, form)
        y = penstock.run(program, penstock.folder / "live.x.npy")
        assert y.shape == right.shape
        simulated = simulate(chain, x, form)
        alone = rms(simulated - right)
        # fp32 sums, in proportion to the answer. They push a value across a rounding border now and then, and in an
        # 8-bit model whose sigmoids stand at 0.5, itself a border, that may go on until engine and simulation round
        # independently, which makes their difference sqrt 2 times either's error. The goldens and the four models,
        # which are the same each time, are held to the simulation within a tenth and less.
        allowed = 1e-6 * max(1.0, np.abs(right).max()) + sensitive + (1.5 * alone if form != "f32" else 0.0)
        assert rms(y - simulated) <= allowed, (form, alone)
        worst = np.abs(y - right).max()
        paths = (penstock.folder / f"live.{name}.npy" for name in "xy")
        assert penstock.verify(program, *paths, f"abs:{1.001 * worst + 1e-30}")


@EXAMPLES
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 80), st.integers(1, 70), st.integers(1, 40)),
    bias=st.booleans(),
    prefix=st.sampled_from(("", "model.", "a.b_c.")),
    dtype=st.sampled_from(DTYPES),
    shape=arrays(),
    seed=st.integers(0, 2**31),
)
def test_state_dict_of_the_seeds_class(penstock, sizes, bias, prefix, dtype, shape, seed):
    torch.manual_seed(seed)
    module = SeedLSTM(*sizes, bias)
    checkpoint = penstock.folder / "live.safetensors"
    chain = save_seed(module, checkpoint, prefix, dtype)
    x = noise(shape, sizes[1])

    # The chain is this test's own reading of the state_dict: it must be what the module computes.
    module = module.double()
    module.load_state_dict({name: exact(t.to(dtype)) for name, t in module.state_dict().items()})
    with torch.no_grad():
        given_x = torch.from_numpy((x if x.ndim == 3 else x[None]).astype(np.float64)).transpose(0, 1)
        by_module = module(given_x).transpose(0, 1).numpy().reshape(forward(chain, x).shape)
    assert np.abs(by_module - forward(chain, x)).max() <= 1e-12
    check(penstock, checkpoint, chain, x)


@st.composite
def blueprints(draw):
    """A list of (kind, arguments) that make up a chain. A gain of 3 would make it chaotic: every difference grows."""
    widths = st.one_of(st.integers(1, 70), st.sampled_from((1, 4, 15, 16, 17, 32, 48, 64, 100)))
    plan = []
    for _ in range(draw(st.integers(1, 4))):
        gain, dtype = draw(st.sampled_from((0.5, 1.0, 2.0))), draw(st.sampled_from(DTYPES))
        if draw(st.integers(0, 3)):
            biases = draw(st.sampled_from((("bias_ih", "bias_hh"), ("bias_ih",), ("bias_hh",), ())))
            state = draw(st.sampled_from(((), (), ("h0", "c0"), ("h0",), ("c0",))))
            plan.append(("lstm", (draw(widths), gain, biases, state, dtype)))
        else:
            plan.append(("linear", (draw(widths), gain, draw(st.booleans()), dtype)))
        for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2)))):
            function = draw(st.sampled_from(sorted(ACTIVATIONS)))
            alpha = draw(st.sampled_from((0.1, 0.25, 0.7))) if "alpha" in ACTIVATIONS[function] else None
            beta = draw(st.sampled_from((0.75, 1.5))) if "beta" in ACTIVATIONS[function] else None
            if function != "clip" and draw(st.booleans()):
                alpha = beta = None  # the defaults
            plan.append(("activation", (function, alpha, beta)))
    if draw(st.integers(0, 4)) == 0:
        plan.append(("softmax", ()))
    return plan


def build(plan, inputs):
    chain = []
    make = {"lstm": lstm, "linear": linear}
    for kind, arguments in plan:
        if kind in make:
            chain.append(make[kind](inputs, *arguments))
            inputs = arguments[0]
        else:
            chain.append(activation(*arguments) if kind == "activation" else softmax())
    return chain


@EXAMPLES
@given(plan=blueprints(), inputs=st.integers(1, 130), shape=arrays(), seed=st.integers(0, 2**31))
def test_layer_graph(penstock, plan, inputs, shape, seed):
    torch.manual_seed(seed)
    chain = build(plan, inputs)
    checkpoint = penstock.folder / "live.safetensors"
    save(chain, checkpoint)
    check(penstock, checkpoint, chain, noise(shape, inputs))
