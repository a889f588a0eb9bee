"""The errors of the four benchmark models over 1,000 steps, against what rounding alone does: the figures to reach.

PyTorch's default initial weights, seeded; independent normal inputs; 8-bit formats calibrated on 1,000 steps of another
seed, rounded to nearest where they are compared with what that rounding does. rms error, pooled over outputs and steps
from the first on, against PyTorch in float64.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the comparison with PyTorch: no torch to be had")

from chains import SeedLSTM, forward, save_seed  # noqa: E402
from conftest import FORMATS  # noqa: E402
from simulation import rms, simulate  # noqa: E402

MODELS = {"tiny": (2, 128), "small": (3, 256), "med": (3, 480), "med_deep": (6, 320)}
OUTPUTS, STEPS = 32, 1000
CALIBRATED = ("w8a16", "w8a8", "w8r", "w4a8", "w4r")


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
        integers = form.startswith("w8")
        program = penstock.compile(
            checkpoint, form, calibration if integers else None, name, ("--nearest",) if integers else ()
        )
        error[form] = rms(penstock.run(program, x) - right)
        layers_of = penstock.info(program)["layers"]
        scales[form] = [(layer.get("h_scale", 1.0), layer.get("h_scale_8", 1.0)) for layer in layers_of]
    calibrated = {}
    for form in CALIBRATED:
        program = penstock.compile(checkpoint, form, calibration, f"{name}.calibrated")
        calibrated[form] = rms(penstock.run(program, x) - right)
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
        for form, reached in calibrated.items():
            print(f"  {form:6} rms {reached:.2e} calibrated, relative {reached / moved:.2e}")

    assert error["f32"] <= 3e-7
    assert 0.9 * simulated <= error["bf16"] <= 1.1 * simulated
    assert error["w8a16"] <= 2.2 * error["bf16"]
    assert error["w8a8"] <= 4 * error["bf16"]
    assert calibrated["w8a16"] <= 1.15 * error["bf16"]  # 8 bits, rounded with care, err no more than 16 that are not
    assert calibrated["w8a8"] <= error["w8a8"]
    assert calibrated["w8r"] <= 0.9 * error["bf16"]
    assert calibrated["w4r"] <= 0.75 * calibrated["w4a8"] <= 0.12 * moved or name == "med_deep"
    for form in alone:
        assert 0.95 * alone[form] <= error[form] <= 1.05 * alone[form], form
