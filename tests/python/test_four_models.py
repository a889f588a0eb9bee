"""The errors of the four benchmark models over 1,000 steps, against what rounding alone does: the figures to reach.

PyTorch's default initial weights, seeded; independent normal inputs; 8-bit formats calibrated on 1,000 steps of another
seed. rms error, pooled over outputs and steps from the first on, against PyTorch in float64.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the comparison with PyTorch: no torch to be had")

from chains import SeedLSTM, forward, save_seed  # noqa: E402
from conftest import FORMATS  # noqa: E402
from simulation import rms, simulate  # noqa: E402

MODELS = {"tiny": (2, 128), "small": (3, 256), "med": (3, 480), "med_deep": (6, 320)}
OUTPUTS, STEPS = 32, 1000


@pytest.mark.parametrize("name", MODELS)
def test_errors(penstock, name, capsys):
    layers, hidden = MODELS[name]
    torch.manual_seed(1)
    checkpoint = penstock.folder / f"{name}.safetensors"
    chain = save_seed(SeedLSTM(layers, hidden, hidden, OUTPUTS), checkpoint)
    x, other = (torch.randn(STEPS, hidden).numpy().astype(np.float32) for _ in range(2))
    calibration = penstock.folder / f"{name}.calibration.npy"
    np.save(calibration, other)

    right = forward(chain, x)
    moved = np.sqrt(np.mean((right - right.mean(axis=0)) ** 2))
    error, scales = {}, {}
    for form in FORMATS:
        program = penstock.compile(checkpoint, form, calibration if form.startswith("w8") else None, name)
        error[form] = rms(penstock.run(program, x) - right)
        scales[form] = [layer.get("h_scale", 1.0) for layer in penstock.info(program)["layers"]]
    simulated = rms(simulate(chain, x, "bf16") - right)
    alone = {form: rms(simulate(chain, x, form, scales[form]) - right) for form in ("w8a16", "w8a8")}
    with capsys.disabled():
        print(f"\n{name} {layers}x{hidden}: rms of (y - mean y) {moved:.2e}; exact bf16 rounding {simulated:.2e}")
        for form in FORMATS:
            print(
                f"  {form:6} rms {error[form]:.2e}, {error[form] / error['bf16']:.3f} of bf16's, "
                f"relative {error[form] / moved:.2e}"
                + (f", rounding alone {alone[form]:.2e}, h scales {scales[form][:-1]}" if form in alone else "")
            )

    assert error["f32"] <= 3e-7
    assert 0.9 * simulated <= error["bf16"] <= 1.1 * simulated
    assert error["w8a16"] <= 2.2 * error["bf16"]
    assert error["w8a8"] <= (5 if name == "tiny" else 10) * error["bf16"]
    for form in alone:
        assert 0.95 * alone[form] <= error[form] <= 1.05 * alone[form], form
