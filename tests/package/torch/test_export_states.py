"""penstock.torch.export of modules with a state: cells, states that come in and go out, and those kept in buffers."""

import copy

import numpy as np
import pytest
import torch
from source_answers import error, noise
from torch import nn

import penstock
import penstock.torch as pt
from penstock.errors import UnsupportedError

N, H, M = 3, 5, 2


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(2)


def streamed(module, x, states, take=lambda made: made, holder=None):
    """What a step form answers to x [T, n], called for one step after the other with the states that it returned; take:
    (y, states) of what it returns; holder: the module that is called, where `module` is a function."""
    if holder is None:
        module = copy.deepcopy(module).double()
    else:
        holder.double()
    answers = []
    with torch.no_grad():
        for row in torch.from_numpy(x).double():
            y, states = take(module(row, states))
            answers.append(y.reshape(-1).numpy())
    return np.stack(answers)


def zeros(*shape):
    return torch.zeros(shape, dtype=torch.float64)


def check(module, example, wanted, features=N):
    """Exports, and compares with what the tests got from the module, for x of noise(.., features)."""
    model = pt.export(module, example)
    assert model.inputs == features and model.readout == "all"
    assert error(model.reference(noise(len(wanted), features)), wanted) < 1e-6
    return model


# ---- cells ----------------------------------------------------------------------------------------------------------


class Step(nn.Module):
    """The step form: (y, (h, c))."""

    def __init__(self, cell=pt.nn.LSTMCell):
        super().__init__()
        self.cell, self.fc = cell(N, H), nn.Linear(H, M)

    def forward(self, x, state):
        h, c = self.cell(x, state)
        return self.fc(h), (h, c)


@pytest.mark.parametrize("rows", [(), (1,), (4,)])
def test_step_form(rows):
    net, x = Step(), noise(6, N)
    wanted = streamed(net, x, (zeros(H), zeros(H)))
    model = check(net, (torch.zeros(*rows, N), (torch.zeros(*rows, H), torch.zeros(*rows, H))), wanted)
    assert [layer.kind for layer in model.layers] == ["lstm", "linear"]
    assert "state inputs are the stream's state" in model.notes[0]


def test_a_stream_steps_as_the_source_does():
    """From the zeros of reset(), and from a state of the caller's."""
    net, x = Step(), noise(6, N)
    program = pt.export(net, (torch.zeros(N), net.cell.reset())).compile("f32", progress=False)
    begin = torch.randn(H), torch.randn(H)
    with penstock.Engine(program) as engine:
        zero, other = engine.stream(), engine.stream(h0=begin[0].numpy(), c0=begin[1].numpy())
        for stream, state in ((zero, net.cell.reset()), (other, begin)):
            wanted = streamed(net, x, tuple(value.double() for value in state))
            assert error(np.stack([stream.step(row) for row in x]), wanted) < 1e-5


@pytest.mark.parametrize("kind", [nn.LSTMCell, pt.nn.LSTMCell])
def test_a_cell_alone(kind):
    cell = kind(N, H, bias=kind is nn.LSTMCell)
    wanted = streamed(cell, noise(6, N), (zeros(H), zeros(H)), lambda made: (made[0], made))
    check(cell, (torch.zeros(N), (torch.zeros(H), torch.zeros(H))), wanted)


class Stack(nn.Module):
    """Two cells; form: how their states come in and go out."""

    def __init__(self, form):
        super().__init__()
        self.first, self.second, self.fc, self.form = nn.LSTMCell(N, H), nn.LSTMCell(H, H), nn.Linear(H, M), form

    def forward(self, x, states):
        x = torch.relu(x)
        if self.form == "pairs":
            one = self.first(x, states[0])
            two = self.second(one[0], states[1])
            return self.fc(two[0]), [one, two]
        h, c = states  # [2, H] each
        one = self.first(x, (h[0], c[0]))
        two = self.second(one[0], (h[1], c[1]))
        h, c = (torch.stack([a, b]) for a, b in zip(one, two, strict=True))
        if self.form == "swapped":
            return self.fc(two[0]), (c, h)
        if self.form == "reversed":
            return self.fc(two[0]), (h.flip(0), c)
        return self.fc(two[0]), (h, c)


def test_stacked_cells_with_a_pair_each():
    net = Stack("pairs")
    wanted = streamed(net, noise(6, N), [(zeros(H), zeros(H)), (zeros(H), zeros(H))])
    pair = (torch.zeros(H), torch.zeros(H))
    check(net, (torch.zeros(N), [pair, pair]), wanted)


def test_stacked_cells_with_stacked_states():
    net = Stack("stacked")
    wanted = streamed(net, noise(6, N), (zeros(2, H), zeros(2, H)))
    check(net, (torch.zeros(N), (torch.zeros(2, H), torch.zeros(2, H))), wanted)


def test_one_tensor_for_h_and_c():
    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTMCell(N, H)

        def forward(self, x, state):
            h, c = self.cell(x, (state[0], state[1]))
            return h * 2, torch.stack([h, c])

    net = One()
    wanted = streamed(net, noise(6, N), zeros(2, H))
    check(net, (torch.zeros(N), torch.zeros(2, H)), wanted)


def test_states_that_do_not_go_out_as_they_come_in():
    example = (torch.zeros(N), (torch.zeros(2, H), torch.zeros(2, H)))
    with pytest.raises(UnsupportedError, match="the states do not go out as they come in: states_0"):
        pt.export(Stack("swapped"), example)
    with pytest.raises(UnsupportedError, match="reads the states of 2 layers at once"):
        pt.export(Stack("reversed"), example)


def test_an_answer_from_the_state_before_the_step():
    class Before(Step):
        def forward(self, x, state):
            return self.fc(state[0]), self.cell(x, state)

    with pytest.raises(UnsupportedError, match="comes from the state state_0 before the step"):
        pt.export(Before(), (torch.zeros(N), (torch.zeros(H), torch.zeros(H))))


def test_one_state_for_two_cells():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.LSTMCell(N, H), nn.LSTMCell(H, H)

        def forward(self, x, state):
            return self.b(self.a(x, state)[0], state)

    with pytest.raises(UnsupportedError, match="begins the state of two LSTMs"):
        pt.export(Twice(), (torch.zeros(N), (torch.zeros(H), torch.zeros(H))))


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.fc = nn.LSTMCell(N, H), nn.Linear(H, M)

    def forward(self, x):
        h = c = x.new_zeros(1, H)
        answers = []
        for step in x:
            h, c = self.cell(step, (h, c))
            answers.append(self.fc(h))
        return torch.stack(answers)


def test_a_loop_of_cells_says_so():
    with pytest.raises(UnsupportedError) as caught:
        pt.export(Loop(), torch.zeros(4, 1, N))
    (problem,) = caught.value.problems
    assert problem.where.endswith("cell (LSTMCell)") and "test_export_states.py:" in problem.where
    assert problem.what.startswith("is a loop over an LSTMCell (4 calls") and "step form" in problem.what


def test_a_loop_of_one_step_says_so():
    with pytest.raises(UnsupportedError, match="begins from a constant state at every call.*step form"):
        pt.export(Loop(), torch.zeros(1, 1, N))
    with pytest.raises(UnsupportedError, match="begins from a constant state at every call"):
        pt.export(nn.LSTMCell(N, H), torch.zeros(1, N))


def test_a_loop_over_an_lstm_says_so():
    class Calls(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(N, H)

        def forward(self, x):
            a, state = self.lstm(x[:2])
            b, _ = self.lstm(x[2:], state)
            return torch.cat([a, b])

    with pytest.raises(UnsupportedError, match=r"lstm \(LSTM\): is a loop over an LSTM \(2 calls"):
        pt.export(Calls(), torch.zeros(4, 1, N))


# ---- LSTMs whose states come in -------------------------------------------------------------------------------------


class InAndOut(nn.Module):
    def __init__(self, form="both"):
        super().__init__()
        self.lstm, self.fc, self.form = nn.LSTM(N, H, 2), nn.Linear(H, M), form

    def forward(self, x, state):
        y, (h, c) = self.lstm(x, state)
        y = self.fc(y)
        return {"both": (y, (h, c)), "none": y, "swapped": (y, (c, h)), "one": (y, h)}[self.form]


@pytest.mark.parametrize("form", ["both", "none"])
def test_lstm_with_states_in(form):
    net, x = InAndOut(form), noise(6, N)
    with torch.no_grad():
        made = copy.deepcopy(net).double()(torch.from_numpy(x).double(), (zeros(2, H), zeros(2, H)))
    wanted = (made[0] if form == "both" else made).numpy()
    check(net, (torch.zeros(4, N), (torch.zeros(2, H), torch.zeros(2, H))), wanted)


def test_lstm_with_other_states_out():
    example = (torch.zeros(4, N), (torch.zeros(2, H), torch.zeros(2, H)))
    with pytest.raises(UnsupportedError, match="the states do not go out as they come in"):
        pt.export(InAndOut("swapped"), example)
    with pytest.raises(UnsupportedError, match="2 states come in and 1 go out"):
        pt.export(InAndOut("one"), example)


class Split(nn.Module):
    """Two LSTMs that take layers of one state; order: which takes which."""

    def __init__(self, order, scale=1.0):
        super().__init__()
        self.a, self.b, self.order, self.scale = nn.LSTM(N, H, 2), nn.LSTM(H, H, 1), order, scale

    def forward(self, x, h, c):
        i, j = (slice(0, 2), slice(2, 3)) if self.order == "up" else (slice(1, 3), slice(0, 1))
        y, (ha, ca) = self.a(x, (h[i] if self.scale == 1 else h[i] * self.scale, c[i]))
        y, (hb, cb) = self.b(y, (h[j], c[j]))
        return y, torch.cat([ha, hb]), torch.cat([ca, cb])


def test_layers_of_one_state_for_several_lstms():
    net, x = Split("up"), torch.from_numpy(noise(6, N)).double()[:, None]
    with torch.no_grad():
        wanted = copy.deepcopy(net).double()(x, zeros(3, 1, H), zeros(3, 1, H))[0][:, 0].numpy()
    example = (torch.zeros(4, 1, N), torch.zeros(3, 1, H), torch.zeros(3, 1, H))
    check(net, example, wanted)
    with pytest.raises(UnsupportedError, match="do not go out as they come in"):
        pt.export(Split("down"), example)
    with pytest.raises(UnsupportedError, match="a state that is computed from the input"):
        pt.export(Split("up", scale=0.5), example)


def test_h_from_outside_and_c_not():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(N, H)

        def forward(self, x, h):
            return self.lstm(x, (h, torch.zeros_like(h)))[0]

    with pytest.raises(UnsupportedError, match="takes one of h and c from outside"):
        pt.export(Half(), (torch.zeros(4, N), torch.zeros(1, H)))


def test_an_encoder_and_a_decoder():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.LSTM(N, H), nn.LSTM(N, H)

        def forward(self, x):
            return self.decoder(x, self.encoder(x)[1])[0]

    with pytest.raises(UnsupportedError, match=r"decoder \(LSTM\): begins from the state that another call left"):
        pt.export(Both(), torch.zeros(4, N))


def test_an_lstm_that_is_called_for_one_timestep():
    class One(nn.Module):
        def __init__(self, form):
            super().__init__()
            self.lstm, self.form = nn.LSTM(N, H), form

        def forward(self, x, *state):
            y, (h, c) = self.lstm(x[None], state or None)
            return y[0] if self.form == "y" else (y[0], h, c)

    def flat(made):
        return made[0], made[1:]

    net, example = One("states"), (torch.zeros(N), torch.zeros(1, H), torch.zeros(1, H))
    step = copy.deepcopy(net)
    wanted = streamed(lambda x, states: step(x, *states), noise(6, N), (zeros(1, H), zeros(1, H)), flat, step)
    check(net, example, wanted)
    with pytest.raises(UnsupportedError, match="no dimension of time, and the LSTM begins from a constant state"):
        pt.export(net, torch.zeros(N))
    with pytest.raises(UnsupportedError, match="its states come in but do not go out"):
        pt.export(One("y"), example)


# ---- states kept by the module --------------------------------------------------------------------------------------


def pieces(module, x, lengths):
    """The answers to the pieces, one call after the other."""
    with torch.no_grad():
        return torch.cat([module(piece) for piece in torch.split(x, lengths)]).numpy()


@pytest.mark.parametrize(("nested", "start"), [(True, True), (True, False), (False, True)])
def test_recurrent_state_lstm(nested, start):
    state = (torch.randn(2, H), torch.randn(2, H)) if start else None
    net = pt.nn.RecurrentStateLSTM(N, H, num_layers=2, init_state=state)
    net = nn.Sequential(nn.Linear(N, N), net, nn.Linear(H, M)) if nested else net
    with torch.no_grad():  # a state from an earlier use, of another batch: no part of the model
        net(torch.randn(4, 3, N))
    inner = net[1] if nested else net
    kept = inner.h.clone()
    fresh = copy.deepcopy(net).double()
    (fresh[1] if nested else fresh).reset()
    wanted = pieces(fresh, torch.from_numpy(noise(6, N)).double(), [4, 2])
    model = check(net, torch.zeros(4, N), wanted)
    lstms = [layer for layer in model.layers if layer.kind == "lstm"]
    assert all(("h0" in layer.tensors) == start for layer in lstms)
    if start:
        assert np.array_equal(lstms[1].tensors["c0"], state[1][1].numpy())
    assert torch.equal(inner.h, kept)


class Kept(nn.Module):
    """A module of one's own; how: in what way it keeps the state."""

    def __init__(self, how, factor=1.0):
        super().__init__()
        self.lstm, self.how, self.factor = nn.LSTM(N, H), how, factor
        if how in ("assigned", "copied", "half"):
            self.register_buffer("h", torch.full((1, H), 0.25))
            self.register_buffer("c", torch.full((1, H), -0.5))
        else:
            self.h = self.c = None

    def forward(self, x):
        y, (h, c) = self.lstm(x, None if self.h is None else (self.h, self.c))
        h = h if self.factor == 1 else h * self.factor
        if self.how == "copied":
            self.h.copy_(h)
            self.c.copy_(c)
        elif self.how == "half":
            self.h.copy_(h)
        else:
            self.h, self.c = h.detach(), c.detach()
        return y


@pytest.mark.parametrize(("how", "nested"), [("assigned", True), ("assigned", False), ("copied", True)])
def test_buffers_of_ones_own(how, nested):
    net = nn.Sequential(Kept(how)) if nested else Kept(how)
    wanted = pieces(copy.deepcopy(net).double(), torch.from_numpy(noise(6, N)).double(), [1, 3, 2])
    model = check(net, torch.zeros(4, N), wanted)
    assert np.all(model.layers[0].tensors["h0"] == 0.25) and np.all(model.layers[0].tensors["c0"] == -0.5)
    assert torch.all((net[0] if nested else net).h == 0.25)


def test_a_buffer_that_keeps_something_else():
    with pytest.raises(UnsupportedError, match="the buffer h begins an LSTM's state, but what is kept in it is not"):
        pt.export(Kept("copied", factor=0.9), torch.zeros(4, N))


def test_a_buffer_for_h_alone():
    with pytest.raises(UnsupportedError, match="c"):
        pt.export(Kept("half"), torch.zeros(4, N))


def test_a_state_in_an_attribute_is_found():
    """torch.export drops it in silence, from the first call's None on."""
    with pytest.raises(UnsupportedError, match="forward: answers the same input otherwise when called again"):
        pt.export(nn.Sequential(Kept("attribute")), torch.zeros(4, N))
    net = Kept("attribute")
    with torch.no_grad():
        net(torch.zeros(4, N))
    with pytest.raises(UnsupportedError, match=r"it keeps a state that is no buffer, in self\.c, self\.h"):
        pt.export(net, torch.zeros(4, N))


def test_what_is_only_remembered_is_no_state():
    class Recorder(pt.nn.LSTM):
        def forward(self, x):
            self.seen = super().forward(x)
            return self.seen

    x = noise(6, N)
    net = Recorder(N, H)
    with torch.no_grad():
        wanted = copy.deepcopy(net).double()(torch.from_numpy(x).double()).numpy()
    check(net, torch.zeros(4, N), wanted)
    assert not hasattr(net, "seen")
