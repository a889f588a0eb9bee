"""What importing/axes.py takes and refuses, and the chains it leaves, without any front end."""

import numpy as np
import pytest

from penstock.importing.axes import (
    BATCH,
    FEATURE,
    LAYER,
    TIME,
    Axis,
    Refused,
    Signal,
    State,
    States,
    initial,
    resolve,
    state_input,
)
from penstock.importing.chain import Affine, Linear, Lstm

# All sizes equal: nothing may be told by them.
N = 6


def source(*sizes):
    return Signal(tuple((Axis(s),) for s in sizes), name="x")


def layer(inputs=N, units=None):
    units = units or inputs
    picker = np.random.default_rng(inputs * 100 + units)
    return Lstm(picker.standard_normal((4 * units, inputs)), picker.standard_normal((4 * units, units)))


def behind(x, time=0, batch=1, made=None, out=(TIME, BATCH, FEATURE)):
    made = made or layer(x.shape[-1])
    return x.lstm(made, out, *x.sequence(time, batch))


def kinds(signal):
    return [next((a.kind for a in g if a.size > 1), g[0].kind if g else None) for g in signal.dims]


def test_the_lstm_says_which_axis_is_time():
    x = source(N, N, N)
    y = behind(x.permute([1, 0, 2]))
    assert [g[0].kind for g in x.dims] == [BATCH, TIME, FEATURE]
    assert kinds(y.permute([1, 0, 2])) == [BATCH, TIME, FEATURE]


def test_what_was_done_before_the_time_was_known_is_judged_by_it():
    x = source(N, N, N).affine(np.arange(N).reshape(N, 1, 1), 0.0, "a")
    with pytest.raises(Refused, match="mixes timesteps"):
        behind(x, time=0, batch=1)
    x = source(N, N, N).softmax(0, "s")
    with pytest.raises(Refused, match="mixes timesteps"):
        behind(x, time=0, batch=1)
    x = source(N, N, N).slice(0, 0, 3, "s")
    y = behind(x)
    with pytest.raises(Refused, match="part of an axis that holds"):
        resolve(y)


def test_reshape_joins_and_parts_axes_again_but_divides_none():
    y = behind(source(5, 3, 4))
    flat = y.reshape([-1, 4])
    assert flat.shape == (15, 4)
    assert kinds(flat.linear(np.ones((2, 4)), None, "fc").reshape([5, 3, 2])) == [TIME, BATCH, FEATURE]
    with pytest.raises(Refused, match="divides an axis"):
        y.reshape([5, 3, 2, 2])
    with pytest.raises(Refused, match="mixes timesteps"):
        y.permute([1, 0, 2]).reshape([3, 20]).linear(np.ones((2, 20)), None, "fc")
    with pytest.raises(Refused, match="reshapes"):
        y.reshape([7, -1])


def test_a_dimension_of_one_moves_freely():
    y = behind(source(5, 1, 4))
    assert kinds(y.reshape([1, 5, 4]))[1:] == [TIME, FEATURE]
    assert y.squeeze([1]).shape == (5, 4)
    assert y.squeeze([1]).unsqueeze([0]).shape == (1, 5, 4)
    with pytest.raises(Refused, match="not 1"):
        y.squeeze([0])


def test_only_the_last_timestep_can_be_told():
    y = behind(source(5, 3, 4))
    assert y.select(0, -1, "s").last and y.select(0, 4, "s").last
    assert y.slice(0, -1, 2**62, "s").last
    assert not y.slice(0, 0, 2**62, "s").last
    for bad in (0, 3):
        with pytest.raises(Refused, match="only the last"):
            y.select(0, bad, "s")
    with pytest.raises(Refused, match="timesteps"):
        y.slice(0, 2, 5, "s")
    with pytest.raises(Refused, match="reverse"):
        y.slice(0, 5, -(2**62), "s", step=-1)
    with pytest.raises(Refused, match="batch row"):
        y.select(1, 0, "s")
    with pytest.raises(Refused, match="only the last timestep"):
        y.select(0, -1, "s").sequence(None, 0)


def test_constants_may_differ_along_features_only():
    y = behind(source(5, 3, 4))
    scale = np.arange(1.0, 5.0)
    assert np.array_equal(resolve(y.affine(scale, 1.0, "a"))[-1].scale, scale)
    everywhere = np.broadcast_to(scale, (5, 3, 4))
    assert np.array_equal(resolve(y.affine(everywhere, 1.0, "a"))[-1].scale, scale)
    with pytest.raises(Refused, match="mixes timesteps"):
        y.affine(np.arange(5.0).reshape(5, 1, 1), 0.0, "a")
    with pytest.raises(Refused, match="batch rows"):
        y.affine(np.arange(3.0).reshape(3, 1), 0.0, "a")
    with pytest.raises(Refused, match="broadcasts"):
        y.affine(np.ones((2, 5, 3, 4)), 0.0, "a")


def test_scalar_functions_of_one_signal_get_names():
    y = behind(source(5, 3, 4)).linear(np.ones((2, 4)), None, "fc")
    silu = Signal.combine(lambda a, b: a * b, [y, y.activation("sigmoid", "s")], "multiplies", "m")
    assert resolve(silu)[-1].function == "silu"
    added = Signal.combine(lambda a, b: a + b, [y, y.affine(2.0, 1.0, "a")], "adds", "m")
    found = resolve(added)[-1]
    assert isinstance(found, Affine) and found.scale == 3.0 and found.shift == 1.0
    strange = y.pointwise(np.sin, "Sin")
    with pytest.raises(Refused, match="does not know"):
        resolve(strange)


def test_a_residual_connection_is_refused():
    x = source(5, 3, 4)
    y = behind(x)
    with pytest.raises(Refused, match="residual"):
        Signal.combine(lambda a, b: a + b, [x, y], "adds two signals", "add")
    one, other = (y.linear(np.ones((4, 4)), None, name) for name in "ab")
    with pytest.raises(Refused, match="residual"):
        Signal.combine(lambda a, b: a * b, [one, other], "multiplies two signals", "mul")
    with pytest.raises(Refused, match="residual"):
        Signal.combine(lambda a, b: a + b, [y, y.softmax(-1, "s")], "adds two signals", "add")


def test_features_are_chosen_by_a_matrix():
    x = source(5, 3, 4).slice(2, 1, 3, "s")
    steps = resolve(behind(x, made=layer(2)))
    assert isinstance(steps[0], Linear) and np.array_equal(steps[0].weight, np.eye(4)[1:3])
    y = behind(source(5, 3, 4)).select(2, 2, "s")
    assert y.shape == (5, 3) and np.array_equal(resolve(y)[-1].weight, np.eye(4)[[2]])


def test_states_of_layers():
    x = source(5, 1, 4)
    first, second = layer(4), layer(4)
    lower = behind(x, made=first)
    upper = behind(lower, made=second)
    parts = [State("h", first, lower), State("h", second, upper)]
    h = States.of(parts, x.dims[1], (LAYER, BATCH, FEATURE))
    assert h.shape == (2, 1, 4)
    top = h.select(0, -1, "s").signal()
    assert top.last and top.chain == upper.chain and top.shape == (1, 4)
    assert h.slice(0, 0, 1, "s").squeeze().signal().chain == lower.chain
    with pytest.raises(Refused, match="2 layers"):
        h.signal()
    again = States.concat([h.slice(0, k, k + 1, "s") for k in (0, 1)], 0)
    assert again.parts == h.parts
    c = States.of([State("c", first, lower)], x.dims[1], (LAYER, BATCH, FEATURE))
    with pytest.raises(Refused, match="cell state"):
        c.signal()


def test_state_inputs_and_initial_states():
    h0 = source(2, 1, 4)
    assert state_input(h0.slice(0, 1, 2, "s"), 1) and not state_input(h0.slice(0, 1, 2, "s"), 0)
    assert state_input(h0, 0) and not state_input(h0.affine(2.0, 0.0, "a"), 0)
    assert np.array_equal(initial(np.tile([1.0, 2.0], (1, 3, 1)), 2, "h"), [1.0, 2.0])
    with pytest.raises(Refused, match="batch row to batch row"):
        initial(np.arange(6.0).reshape(1, 3, 2), 2, "h")
    with pytest.raises(Refused, match="for 3 units"):
        initial(np.zeros((1, 1, 2)), 3, "h")


def test_one_timestep_only():
    x = source(1, 1, 1)
    y = behind(x, made=layer(1, 4))
    assert x.dims[0][0].kind == TIME
    assert y.select(0, -1, "s").last
    with pytest.raises(Refused, match="mixes timesteps"):
        raise y.mixing([0], "mean over it")
