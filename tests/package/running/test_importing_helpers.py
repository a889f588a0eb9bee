"""What every importer ends with: build, verify, extras."""

import sys
import types

import numpy as np
import pytest
from running_support import layers, linear, lstm, model, noise

import penstock
from penstock.importing import build, chain, extras, verify

rng = np.random.default_rng(5)


def test_builds_and_folds():
    scale, shift = rng.normal(size=7), rng.normal(size=7)
    steps = [chain.Affine(scale, shift, "norm"), *layers("stack"), chain.Affine(np.array([2.0]), np.array([0.5]))]
    m = build.model(steps, 7, source="here.onnx", readout="last", notes=["one", "two"])
    assert (m.readout, m.notes, len(m.layers)) == ("last", ("one", "two"), 3)
    x = noise(9)
    fed = (scale * x + shift).astype(np.float32)
    assert np.abs(m.reference(x) - (2 * model().reference(fed) + 0.5)).max() < 1e-5


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([], ["there is no operation that does anything"]),
        ([chain.Affine(np.ones(1), np.zeros(1))], ["no operation"]),
        ([lstm(rng, 6, 4)], ["weight_ih: expected shape [16, 7], found [16, 6]"]),
        (
            [
                chain.Lstm(
                    np.zeros((16, 7)), np.zeros((16, 4)), np.zeros(15), None, np.zeros(3), np.zeros((1, 4)), "a"
                ),
                chain.Linear(np.full((2, 4), np.inf), np.array([0, np.nan]), "b"),
                chain.Affine(np.ones(3), np.ones(1), "c"),
                chain.Linear(np.zeros((2, 2), int), None, "d"),
            ],
            [
                "a: bias_ih: expected shape [16], found [15]",
                "a: h0: expected shape [4], found [3]",
                "a: c0: expected shape [4], found [1, 4]",
                "b: weight[0, 0]: expected a finite number, found inf",
                "b: bias[1]: expected a finite number, found nan",
                "c: scale: expected shape [2], found [3]",
                "d: weight: expected floating-point numbers, found int64",
            ],
        ),
        ([chain.Lstm(np.zeros((8, 7)), np.zeros((12, 2)), where="gru")], ["gru: weight_hh: expected shape [8, 2]"]),
        ([chain.Linear(np.zeros(7), None, "flat")], ["flat: weight: expected shape [7, 7], found [7]"]),
        ([chain.Linear(np.float64(1), None, "flat")], ["flat: weight: expected shape"]),
        (
            [linear(rng, 7, 3), chain.Softmax("soft"), linear(rng, 3, 2), chain.Softmax()],
            ["soft: a softmax is only run as the last layer"],
        ),
    ],
)
def test_refuses_all_that_does_not_fit_at_once(steps, says):
    with pytest.raises(penstock.UnsupportedError) as caught:
        build.model(steps, 7, source="here.onnx")
    assert str(caught.value).startswith("here.onnx: ")
    for text in says:
        assert text in str(caught.value)
    assert len(caught.value.problems) == len(says)


def test_what_only_the_library_refuses_names_the_source():
    for steps, error in (
        ([chain.Linear(np.full((2, 7), 2.0**41))], penstock.NonFiniteError),
        ([linear(rng, 7, 3), chain.Activation("sine")], penstock.UnsupportedError),
    ):
        with pytest.raises(error, match="^here.onnx: ") as caught:
            build.model(steps, 7, source="here.onnx")
        assert caught.value.file == "here.onnx"


# ---- verify ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readout", ["all", "last"])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_verified(readout, shape):
    m = penstock.Model.create(layers("stack"), readout)

    def answer(x):
        assert x.dtype == np.float32 and x.shape == (verify.STEPS, 7)
        y = m.reference(x).astype(np.float32)
        if readout == "last":
            return y[-1].reshape(*shape, 3)
        return y.reshape(*shape, -1, 3).tolist()

    assert 0 < verify.against(m, answer, source="it") < 1e-6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda y: y * 1.001,
            "does not answer as its source does: on random input, output . of step .*relative error",
        ),
        (lambda y: y[:, ::-1], "does not answer"),
        (lambda y: y[::-1], "does not answer"),
        (lambda y: np.where(np.arange(3) == 1, np.nan, y), "output 1 of step 0 is nan in the source"),
        (lambda y: y[:-1], r"answers with shape \[23, 3\], the model with \[24, 3\]"),
        (lambda y: y.T, r"answers with shape \[3, 24\]"),
        (lambda y: y[-1], r"answers with shape \[3\]"),
    ],
)
def test_mismatches_are_found(change, says):
    with pytest.raises(penstock.MismatchError, match="it: .*" + says):
        verify.against(model(), lambda x: change(model().reference(x)), source="it")


def test_a_mismatch_in_the_last_step_alone():
    m = penstock.Model.create(layers("stack"), "last")
    with pytest.raises(penstock.MismatchError, match="of step 23"):
        verify.against(m, lambda x: m.reference(x)[-1] + 0.01, source="it")
    with pytest.raises(penstock.MismatchError, match="of step 9"):
        verify.against(m, lambda x: m.reference(x)[-1] + 0.01, source="it", steps=10)


def test_what_the_source_raises_goes_through():
    def answer(x):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        verify.against(model(), answer, source="it")


def test_input_scale_and_seed():
    seen = []

    def answer(x):
        seen.append(x)
        return model().reference(x)

    for options in ({}, {"seed": 3}, {"scale": 10.0}, {}):
        verify.against(model(), answer, source="it", **options)
    assert np.array_equal(seen[0], seen[3]) and not np.array_equal(seen[0], seen[1])
    assert np.allclose(seen[2], 10 * seen[0])


# ---- extras ---------------------------------------------------------------------------------------------------------


def test_an_extra_that_is_there():
    assert extras.need("json", "plot") is sys.modules["json"]
    assert extras.find("json") is sys.modules["json"]


def test_an_extra_that_is_missing():
    with pytest.raises(penstock.MissingExtraError) as caught:
        extras.need("no_such_package.part", "onnx")
    assert str(caught.value) == "penstock.onnx needs the package no_such_package: pip install 'penstock[onnx]'"
    assert isinstance(caught.value, ImportError)
    with pytest.raises(penstock.MissingExtraError, match="^verifying needs the package no_such_package"):
        extras.need("no_such_package", "onnx", "verifying")
    assert extras.find("no_such_package") is None


def test_an_extra_that_is_broken(tmp_path, monkeypatch):
    """What fails for another reason is not called missing."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('no backend')")
    (tmp_path / "broken_two.py").write_text("import no_such_package")
    with pytest.raises(RuntimeError, match="no backend"):
        extras.need("broken_one", "keras")
    with pytest.raises(ModuleNotFoundError, match="no_such_package") as caught:
        extras.need("broken_two", "keras")
    assert not isinstance(caught.value, penstock.Error)
    assert extras.find("broken_one") is None and extras.find("broken_two") is None
    assert isinstance(extras.need("json", "keras"), types.ModuleType)
