"""Folding affine steps into matrices, in every place that one can stand."""

import numpy as np
import pytest

from penstock.importing.chain import Activation, Affine, Linear, Lstm, Softmax, fold, problems_of

picker = np.random.default_rng(7)


def affine(n):
    return Affine(picker.standard_normal(n), picker.standard_normal(n))


def lstm(n, h, bias=True):
    return Lstm(
        picker.standard_normal((4 * h, n)), picker.standard_normal((4 * h, h)), picker.standard_normal(4 * h) * bias
    )


def linear(n, m, bias=True):
    return Linear(picker.standard_normal((m, n)), picker.standard_normal(m) if bias else None)


def run(chain, x):
    """One timestep from a zero state, obviously."""
    for step in chain:
        if isinstance(step, Affine):
            x = step.scale * x + step.shift
        elif isinstance(step, Linear):
            x = step.weight @ x + (0 if step.bias is None else step.bias)
        elif isinstance(step, Lstm):
            i, _, g, o = (step.weight_ih @ x + (0 if step.bias_ih is None else step.bias_ih)).reshape(4, -1)
            x = np.tanh(np.tanh(g) / (1 + np.exp(-i))) / (1 + np.exp(-o))
        elif isinstance(step, Softmax):
            x = np.exp(x) / np.exp(x).sum()
        else:
            assert step.function == "relu"
            x = np.maximum(x, 0)
    return x


@pytest.mark.parametrize(
    "chain",
    [
        [affine(3), lstm(3, 4)],
        [affine(3), lstm(3, 4, bias=False)],
        [lstm(3, 4), affine(4)],
        [lstm(3, 4), affine(4), linear(4, 2)],
        [lstm(3, 4), affine(4), lstm(4, 5)],
        [lstm(3, 4), linear(4, 2), affine(2), affine(2)],
        [lstm(3, 4), linear(4, 2, bias=False), affine(2), Activation("relu"), affine(2)],
        [lstm(3, 4), affine(4), affine(4), Activation("relu"), affine(1), Softmax()],
        [affine(1), Activation("relu"), affine(3), lstm(3, 4), Activation("relu"), affine(4)],
        [Activation("relu"), lstm(3, 4)],
        [linear(3, 3), affine(1), lstm(3, 4), Affine(np.ones(1), np.zeros(1))],
    ],
)
def test_folding_changes_no_answer(chain):
    layers = fold(chain, 3)
    assert not any(isinstance(step, Affine) for step in layers)
    assert not isinstance(layers[0], Activation)
    x = picker.standard_normal(3)
    assert np.allclose(run(layers, x), run(chain, x), rtol=1e-12, atol=1e-12)


def test_nothing_is_added_where_a_matrix_is_beside():
    assert len(fold([affine(3), lstm(3, 4), affine(4), linear(4, 2), affine(2)], 3)) == 2
    assert len(fold([lstm(3, 4), Affine(np.ones(1), np.zeros(1))], 3)) == 1


def test_a_softmax_within_is_a_problem():
    assert [p.what for p in problems_of([lstm(3, 4), Softmax(), linear(4, 2)])] == [
        "a softmax is only run as the last layer"
    ]
    assert not problems_of([lstm(3, 4), Softmax()])
