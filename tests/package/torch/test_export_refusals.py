"""What penstock.torch.export refuses: everything at once, each by name, with file, line and module path."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn

import penstock.torch as pt
from penstock.errors import ArgumentError, UnsupportedError
from penstock.torch import table

N, H, T = 4, 4, 4  # all sizes equal: nothing is told by them
LINES = Path(__file__).read_text().splitlines()


def problems(module, example=None):
    """The problems of an export, (line number or None, module, what)."""
    with pytest.raises(UnsupportedError) as caught:
        pt.export(module, torch.zeros(T, N) if example is None else example)
    found = []
    for problem in caught.value.problems:
        place = re.fullmatch(r"(?:(\S*):(\d+)(?:, |$))?(.*)", problem.where)
        assert place[1] in (None, __file__)
        found.append((place[2] and int(place[2]), place[3], problem.what))
        assert str(problem) in str(caught.value)
    return found


def expect(module, wanted, example=None):
    """wanted: for each mark "(a)" in this file's source lines: module and what is said."""
    found = problems(module, example)
    assert len(found) == len(wanted), found
    for (line, path, what), (mark, wanted_path, says) in zip(found, wanted, strict=True):
        assert f"# {mark}" in LINES[line - 1], (mark, LINES[line - 1])
        assert path == wanted_path
        assert re.search(says, what), what


class Net(nn.Module):
    """Modules by name, and a forward that is given."""

    def __init__(self, forward, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.said = forward

    def forward(self, *inputs):
        return self.said(self, *inputs)


def lstm(**arguments):
    return nn.LSTM(N, H, **arguments)


# ---- all of them at once --------------------------------------------------------------------------------------------


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(H)
        self.fc = nn.Linear(H, H)
        self.gru = nn.GRU(H, H)

    def forward(self, y):
        y = self.norm(y)  # (norm)
        y = y + self.fc(y)  # (residual)
        y, _ = self.gru(y)  # (gru)
        return y.cumsum(0)  # not reached: nothing is known behind a GRU


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = lstm(), Head()

    def forward(self, x):
        x = x - x.mean(0, keepdim=True)  # (mean)
        y, _ = self.lstm(torch.flip(x, [0]))  # (flip)
        y = y.softmax(0)  # (softmax)
        y = torch.fft.fft(y).real  # (fft)
        return self.head(y)


def test_every_problem_with_its_place():
    found = problems(Everything())
    places = [(LINES[line - 1].split("# ")[1], path) for line, path, _ in found]
    assert places == [
        ("(mean)", "Everything"),
        ("(flip)", "Everything"),
        ("(softmax)", "Everything"),
        ("(fft)", "Everything"),
        ("(fft)", "Everything"),
        ("(norm)", "head.norm (LayerNorm)"),
        ("(residual)", "head (Head)"),
        ("(gru)", "head.gru (GRU)"),
    ]
    says = [what for _, _, what in found]
    assert says[0] == "mixes timesteps (mean over it)"
    assert says[1] == "mixes timesteps (reverses it)"
    assert says[2] == "mixes timesteps (softmax over it)"
    assert "is not run by this version" in says[3]


def test_problems_behind_one_another_in_submodules():
    net = nn.Sequential(lstm_output := pt.nn.LSTM(N, H), Head())
    assert lstm_output.lstm is lstm_output
    expect(
        net,
        [
            ("(norm)", "1.norm (LayerNorm)", r"mixes features \(layer_norm over it\), which this version does not run"),
            ("(residual)", "1 (Head)", "adds two signals .*residual"),
            ("(gru)", "1.gru (GRU)", "is a GRU"),
        ],
    )


# ---- what mixes timesteps -------------------------------------------------------------------------------------------

MIXING = {  # all of them in one module: each is told by itself
    "mean over it": lambda y: y.mean(0),
    "sum over it": lambda y: y.sum(dim=0, keepdim=True),
    "amax over it": lambda y: y.amax(0),
    "max over it": lambda y: y.max(0).values,
    "std over it": lambda y: y.std(0),
    "softmax over it": lambda y: torch.softmax(y, 0),
    "log_softmax along it": lambda y: torch.log_softmax(y, 0),
    "logsumexp over it": lambda y: y.logsumexp(0),
    "prod over it": lambda y: y.prod(),
    "cumsum along it": lambda y: y.cumsum(0),
    "cummax along it": lambda y: y.cummax(0).values,
    "reverses it": lambda y: torch.flip(y, (0,)),
    "roll along it": lambda y: torch.roll(y, 1, 0),
    "sort along it": lambda y: y.sort(0).values,
    "diff along it": lambda y: torch.diff(y, dim=0),
    "cat along them": lambda y: torch.cat([y, y], 0),
    "pads it": lambda y: F.pad(y, (0, 0, 1, 0)),
    "a convolution along it": lambda y: F.conv1d(y.T[None], torch.ones(H, H, 3), padding=1),
    "max_pool1d along it": lambda y: F.max_pool1d(y.T[None], 2),
    "instance_norm over it": lambda y: F.instance_norm(y.T[None]),
    "a matrix over it": lambda y: F.linear(y.T, torch.ones(T, T)),
    "a constant that differs along it": lambda y: y * torch.arange(T)[:, None],
    "attention": lambda y: F.scaled_dot_product_attention(y[None], y[None], y[None]),
    "a product of two signals, as attention makes": lambda y: torch.softmax(y @ y.T, -1) @ y,
}


def test_mixing_timesteps():
    net = Net(lambda s, x: [f(y := s.l(x)[0]) if i == 0 else f(y) for i, f in enumerate(MIXING.values())], l=lstm())
    found = problems(net)
    assert [what for _, _, what in found] == [f"mixes timesteps ({name})" for name in MIXING]
    assert {path for _, path, _ in found} == {"Net"}


def test_batch_norm_by_its_input():
    net = Net(lambda s, x: F.batch_norm(s.l(x)[0], None, None, training=True), l=lstm())
    assert problems(net)[0][2].startswith("mixes timesteps or batch rows (batch_norm by the statistics of its input")


def test_mixing_before_the_lstm_is_told_where_it_is():
    """Until the LSTM reads it, nothing says which axis is time."""

    class Before(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = lstm()

        def forward(self, x):
            x = x.softmax(0)  # (before)
            return self.lstm(x)[0]

    expect(Before(), [("(before)", Before.__name__, r"mixes timesteps \(softmax over it\)")])


def test_multi_head_attention():
    net = Net(lambda s, x: s.attention(y := s.l(x)[0], y, y)[0], l=lstm(), attention=nn.MultiheadAttention(H, 2))
    (found,) = problems(net, torch.zeros(T, 1, N))
    assert found[1:] == ("attention (MultiheadAttention)", "mixes timesteps (attention)")
    (found,) = problems(nn.TransformerEncoderLayer(N, 2, 8), torch.zeros(T, 1, N))
    assert found[1:] == ("TransformerEncoderLayer", "mixes timesteps (attention)")


def test_batch_norm_without_its_axes_moved():
    """Over [T, 1, n] it takes the batch for the features."""
    net = Net(lambda s, x: s.l(s.norm(x))[0], l=lstm(), norm=nn.BatchNorm1d(N))
    nn.init.normal_(net.norm.weight)
    assert problems(net, torch.zeros(T, N, N))[0][2] == "mixes batch rows (a constant that differs along it)"


def test_two_lstms_that_disagree_about_time():
    net = Net(lambda s, x: s.b(s.a(x)[0])[0], a=lstm(), b=lstm(batch_first=True))
    assert "mixes timesteps" in problems(net, torch.zeros(T, T, N))[0][2]
    assert "mixes timesteps" in problems(net, torch.zeros(T, 1, N))[0][2]


# ---- LSTMs that no stream can do ------------------------------------------------------------------------------------


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = lstm(bidirectional=True), lstm(proj_size=2)

    def forward(self, x):
        self.a(x)  # (bidirectional)
        return self.b(x)[0]  # (projected)


def test_bidirectional_and_projection_by_name():
    wanted = [
        ("(bidirectional)", "a (LSTM)", "is bidirectional"),
        ("(projected)", "b (LSTM)", r"has a projection \(proj_size\)"),
    ]
    expect(Two(), wanted)


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = lstm()

    def forward(self, x):
        packed = rnn.pack_padded_sequence(x, [T], enforce_sorted=False)
        return rnn.pad_packed_sequence(self.lstm(packed)[0])[0]


def test_packed_sequences():
    assert "PackedSequence" in problems(Packed(), torch.zeros(T, 1, N))[0][2]
    packed = rnn.pack_sequence([torch.zeros(T, N), torch.zeros(2, N)])
    assert problems(pt.nn.LSTM(N, H), packed) == [(None, "example", problems(pt.nn.LSTM(N, H), (packed,))[0][2])]
    assert "PackedSequence" in problems(pt.nn.LSTM(N, H), packed)[0][2]


def test_other_recurrent_modules():
    assert problems(nn.GRU(N, H)) == [(None, "GRU", "is a GRU; this version runs LSTMs")]
    assert problems(nn.RNN(N, H)) == [(None, "RNN", "is a plain RNN; this version runs LSTMs")]


def test_random_operations():
    net = Net(lambda s, x: F.dropout(s.l(x)[0], 0.5, training=True) + torch.randn(H), l=lstm())
    says = [what for _, _, what in problems(net)]
    assert says[0] == "is random (randn)" and says[1].startswith("drops values at random")


def test_an_initial_state_for_each_batch_row():
    h = torch.arange(2.0)[None, :, None].expand(1, 2, H)
    net = Net(lambda s, x: s.l(x, (h, h))[0], l=lstm())
    assert "differs from batch row to batch row" in problems(net, torch.zeros(T, 2, N))[0][2]


# ---- timesteps and batch rows ---------------------------------------------------------------------------------------


PARTS = {
    "takes timestep 0 of 4; only the last one can be told in a stream": lambda y: y[0],
    "takes timesteps 1 to 3 of 4": lambda y: y[1:],
    "takes timesteps 0 to 2 of 4": lambda y: y[:-1],
    "takes timesteps [0, 2] of 4; only the last one can be told in a stream": lambda y: y[[0, 2]],
    "takes timestep 2 of 4; only the last one can be told in a stream": lambda y: y[-2],
    "takes timestep 1 of 4; only the last one can be told in a stream": lambda y: y.unbind(0)[1],
}


def test_parts_of_the_sequence():
    net = Net(lambda s, x: [f(y := s.l(x)[0]) if i == 0 else f(y) for i, f in enumerate(PARTS.values())], l=lstm())
    assert [what for _, _, what in problems(net)] == list(PARTS)


def test_an_example_of_one_timestep_tells_nothing_of_the_last():
    for take in (lambda y: y[0], lambda y: y[-1], lambda y: y[-1:]):
        (found,) = problems(Net(lambda s, x, take=take: take(s.l(x)[0]), l=lstm()), torch.zeros(1, N))
        assert "an example that has one" in found[2]


def test_one_batch_row():
    (found,) = problems(Net(lambda s, x: s.l(x)[0][:, 1], l=lstm()), torch.zeros(T, 3, N))
    assert found[2] == "takes one batch row"


def test_an_lstm_over_the_last_timestep_of_another():
    (found,) = problems(Net(lambda s, x: s.b(s.a(x)[0][-1:])[0], a=lstm(), b=lstm()))
    assert found[1:] == ("b (LSTM)", "an LSTM reads only the last timestep of what is below")


# ---- outputs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "where", "says"),
    [
        (
            lambda s, x: (s.l(x)[0], {"b": x * 2}),
            "output[0], output[1]['b']",
            "several outputs that depend on the input",
        ),
        (lambda s, x: s.l(x)[1], "output[0], output[1]", "no output is y"),
        (lambda s, x: s.l(x)[1][1], "output", "no output is y"),
        (lambda s, x: torch.ones(3), "output", "nothing that is returned depends on the input"),
        (lambda s, x: s.l(x)[1][1][-1] * 2, "", "reads the cell state c"),
        (lambda s, x: s.l(x)[1][0] * 2, "", "reads the states of 2 layers at once"),
    ],
)
def test_outputs_that_are_no_y(forward, where, says):
    found = problems(Net(forward, l=lstm(num_layers=2)))
    assert says in found[0][2]
    assert where in found[0][1]


# ---- functions of each value ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [F.mish, F.softsign, lambda v: v**3 + torch.exp(v), F.hardshrink, nn.Softplus(threshold=1)],
)
def test_functions_without_a_name(function):
    modules = {"f": function} if isinstance(function, nn.Module) else {}
    found = problems(Net(lambda s, x: s.fc(function(s.l(x)[0])), l=lstm(), fc=nn.Linear(H, H), **modules))
    assert len(found) == 1
    assert (
        found[0][2].startswith("is a function of each value that this version does not run")
        or "hardshrink" in found[0][2]
    )


def test_softmax_that_is_not_the_last_layer():
    net = Net(lambda s, x: s.fc(s.l(x)[0].softmax(-1)), l=lstm(), fc=nn.Linear(H, H))
    assert problems(net)[0][2] == "a softmax is only run as the last layer"


OTHERS = {  # all of them in one module
    "adds two signals": lambda y: y + y[:, [1, 0, 2, 3]],
    "is not run by this version (einsum": lambda y: torch.einsum("tn,mn->tm", y, torch.ones(H, H)),
    "joins several values (cat)": lambda y: torch.cat([y, y], -1),
    "repeats values": lambda y: y.repeat(1, 2),
    "reshapes [4, 4] to [4, 2, 2], which divides an axis": lambda y: y.reshape(T, 2, 2),
    "assigns to a part": lambda y: torch.zeros_like(y).index_put((torch.arange(T),), y),
    "rounds to int32": lambda y: y.to(torch.int32),
    "divides by zero": lambda y: y / torch.tensor([1.0, 0.0, 1.0, 1.0]),
    "mixes features (group_norm over it)": lambda y: F.group_norm(y, 2),
    "mixes features (mean over it)": lambda y: y - y.mean(-1, keepdim=True),
    "has a slope of its own for each feature": lambda y: F.prelu(y, torch.arange(4.0)),
    "has bounds of its own for each feature": lambda y: y.clamp(min=torch.arange(H)),
    "takes its bounds from the input": lambda y: torch.clamp(y, max=y[:, [1, 0, 2, 3]]),
    "takes its weight from the input (linear)": lambda y: F.linear(y, y.T),
    "takes values by indices along several dimensions": lambda y: y[[0, 1], [0, 1]],
    "divides and rounds": lambda y: torch.div(y, 2, rounding_mode="floor"),
    "is not run by this version (unfold)": lambda y: y.unfold(0, 2, 1),
    "is random (rand_like)": lambda y: y * torch.rand_like(y),
    "multiplies by a matrix that differs": lambda y: torch.bmm(y[:, None], torch.arange(64.0).reshape(T, H, H)),
    "repeats values: multiplies by a pile of matrices [3, 4, 4]": lambda y: y @ torch.ones(3, H, H),
    "repeats values: multiplies by a pile of matrices [2, 4, 4]": lambda y: torch.ones(2, H, H) @ y,
    "multiplies two signals": lambda y: y[:, None] @ y[:, :, None],
    "reads the bytes of its values as another type": lambda y: y.view(torch.int32),
}


def test_others():
    net = Net(lambda s, x: [f(y := s.l(x)[0]) if i == 0 else f(y) for i, f in enumerate(OTHERS.values())], l=lstm())
    found = problems(net)
    assert len(found) == len(OTHERS)
    for (_, _, what), says in zip(found, OTHERS, strict=True):
        assert what.startswith(says)


def test_a_form_that_an_entry_does_not_foresee(monkeypatch):
    def broken(call):
        raise KeyError("other")

    monkeypatch.setitem(table.TABLE, "tanh", broken)
    net = Net(lambda s, x: torch.tanh(s.l(x)[0]), l=lstm())
    assert problems(net)[0][2] == "is not run by this version in this form (tanh: 'other')"


def test_a_size_that_depends_on_values():
    net = Net(lambda s, x: s.l(x)[0][:, torch.tensor([True, False, True, True])], l=lstm())
    assert problems(net)[0][2] == "makes a size that depends on values"


# ---- examples and modules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "example", "says"),
    [
        (nn.Linear, torch.zeros(T, N), "module is a type"),
        (pt.nn.LSTM(N, H), None, "example is the module's input"),
        (pt.nn.LSTM(N, H), (), "example is the module's input"),
        (pt.nn.LSTM(N, H), torch.zeros(T, N + 1), "the module does not take the example: input.size"),
        (pt.nn.RecurrentStateLSTM(N, H), torch.zeros(T, N + 1), "the module does not take the example: input.size"),
        (nn.Linear(N, H), (torch.zeros(T, N), torch.zeros(1)), "the module does not take the example"),
    ],
)
def test_arguments(module, example, says):
    with pytest.raises(ArgumentError, match=re.escape(says)):
        pt.export(module, example)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_module():
    with pytest.raises(ArgumentError, match="TorchScript"):
        pt.export(torch.jit.trace(nn.Linear(N, H), torch.zeros(T, N)), torch.zeros(T, N))


def test_what_torch_export_cannot_capture():
    class Branch(nn.Module):
        def forward(self, x):
            if x.sum() > 0:  # (branch)
                return x
            return -x

    found = problems(Branch())
    assert "# (branch)" in LINES[found[0][0] - 1]
    assert found[0][2].startswith("torch.export cannot capture it: ")


def test_an_input_of_four_dimensions():
    (found,) = problems(nn.Linear(N, H), torch.zeros(2, 3, T, N))
    assert "[T, n], [T, 1, n] or [1, T, n] is accepted" in found[2]


def test_an_input_without_features():
    (found,) = problems(Net(lambda s, x: s.l(x[:, None])[0], l=nn.LSTM(1, H)), torch.zeros(T))
    assert found[2] == "the input inputs_0 has no dimension of features"


def test_a_module_that_does_nothing():
    assert "no operation" in problems(nn.Identity())[0][2]
