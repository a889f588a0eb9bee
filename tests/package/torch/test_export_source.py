"""What penstock.torch.export leaves as it was, what it says, and files of torch.export.save."""

import copy
import warnings

import numpy as np
import pytest
import torch
from source_answers import answer, error, noise
from torch import nn
from torch.nn.utils import prune

import penstock.torch as pt
from penstock.errors import CorruptError, FileError, UnsupportedError
from penstock.torch.capture import captured_program, quiet

N, H, M, T = 3, 5, 2, 3


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(4)


def snapshot(module):
    """Everything of a module that an export might touch."""
    return {
        name: (
            part.training,
            [len(getattr(part, hooks)) for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")],
            {k: v for k, v in vars(part).items() if not k.startswith("_") and not isinstance(v, torch.Tensor)},
            {k: (id(v), v._version, v.clone()) for k, v in part._parameters.items() if v is not None},
            {k: v if v is None else (id(v), v._version, v.clone()) for k, v in part._buffers.items()},
            {k: (id(v), v.requires_grad) for k, v in vars(part).items() if isinstance(v, torch.Tensor)},
        )
        for name, part in module.named_modules()
    }


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


class Full(nn.Module):
    """Dropout, a BatchNorm, a state, a hook, and a tensor with a history."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(N), nn.Dropout(0.5)
        self.lstm = pt.nn.RecurrentStateLSTM(N, H)
        self.fc = nn.Linear(H, M)
        self.past = self.fc.weight * 2

    def forward(self, x):
        return self.fc(self.drop(self.lstm(self.norm(x))))


def test_the_module_is_left_as_it_was():
    net = Full().train()
    net.drop.eval()
    seen = []
    net.fc.register_forward_hook(lambda module, inputs, output: seen.append(type(output)))
    net(torch.randn(T, N)).sum().backward()
    before = snapshot(net)
    gradients = [p.grad.clone() for p in net.parameters()]
    example = torch.zeros(T, N, requires_grad=True)
    pt.export(net, example)
    assert same(snapshot(net), before)
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), gradients, strict=True))
    assert example.grad is None and example.requires_grad
    assert net.past.grad_fn is not None
    net.lstm.reset()
    net(torch.randn(T, N)).sum().backward()  # and it trains on


def test_the_module_is_left_as_it_was_where_it_is_refused():
    net = nn.Sequential(pt.nn.RecurrentStateLSTM(N, H), nn.LayerNorm(H), nn.Dropout(0.1)).train()
    net(torch.randn(T, N))
    before = snapshot(net)
    with pytest.raises(UnsupportedError):
        pt.export(net, torch.zeros(T, N))
    assert same(snapshot(net), before)


def test_hooks_take_part():
    """What a hook does to the data is exported as forward's own."""
    net = nn.Sequential(pt.nn.LSTM(N, H), nn.Linear(H, M))
    net[1].register_forward_hook(lambda module, inputs, output: torch.relu(output))
    model = pt.export(net, torch.zeros(T, N))
    assert model.layers[-1].function == "relu"
    x = noise(7, N)
    assert error(model.reference(x), answer(net, x)) < 1e-6


def test_the_models_weights_are_its_own():
    net = pt.nn.LSTM(N, H)
    model, x = pt.export(net, torch.zeros(T, N)), noise(7, N)
    wanted = model.reference(x)
    with torch.no_grad():
        net.weight_hh_l0.zero_()
    assert np.array_equal(model.reference(x), wanted)


def test_in_training_mode_and_under_grad():
    net = nn.Sequential(pt.nn.LSTM(N, H, num_layers=2, dropout=0.9), nn.Dropout(0.9), nn.Linear(H, M)).train()
    with torch.enable_grad():
        model = pt.export(net, torch.zeros(T, N))
    x = noise(7, N)
    assert error(model.reference(x), answer(net, x)) < 1e-6
    assert net.training and torch.is_grad_enabled()


def test_nothing_is_said():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pt.export(Full(), torch.zeros(T, N))


def test_the_sources_own_warnings_are_passed_on():
    class Warns(pt.nn.LSTM):
        def forward(self, x):
            warnings.warn("of the source", stacklevel=1)
            return super().forward(x)

    with pytest.warns(UserWarning, match="of the source"):
        pt.export(Warns(N, H), torch.zeros(T, N), verify=False)


def test_modules_that_compute_their_weights():
    """Older and newer parametrisations, and pruning: tensors with a history, hooks before forward."""
    pruned, normed = nn.Linear(M, M), nn.Linear(H, M)
    prune.random_unstructured(pruned, "weight", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        net = nn.Sequential(
            nn.utils.weight_norm(pt.nn.LSTM(N, H), "weight_hh_l0"), nn.utils.weight_norm(normed), pruned
        )
    model, x = pt.export(net, torch.zeros(T, N)), noise(7, N)
    assert error(model.reference(x), answer(without_history(net), x)) < 1e-6


def without_history(net):
    """deepcopy refuses tensors with a history; a call without gradients makes them anew without one."""
    with torch.no_grad():
        net(torch.zeros(T, N))
    return net


# ---- files of torch.export.save -------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["position", "keyword", "open batch"])
def test_load(call, tmp_path):
    net = nn.Sequential(nn.LSTM(N, H, batch_first=True), First(), nn.Linear(H, M)).eval()
    x, options = torch.zeros(2, T, N), {}
    if call == "open batch":
        options["dynamic_shapes"] = ({0: torch.export.Dim.AUTO},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if call == "keyword":
            program = torch.export.export(net, (), {"input": x}, **options)
        else:
            program = torch.export.export(net, (x,), **options)
        torch.export.save(program, tmp_path / "net.pt2")
    model, x = pt.load(tmp_path / "net.pt2"), noise(7, N)
    assert error(model.reference(x), answer(net, x, "btn")) < 1e-6


class First(nn.Module):
    def forward(self, made):
        return made[0]


def test_load_refuses_what_was_exported_in_training_mode(tmp_path):
    net = nn.Sequential(pt.nn.LSTM(N, H, num_layers=2, dropout=0.5), nn.Dropout(0.5), nn.BatchNorm1d(H)).train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (torch.zeros(T, N),)), tmp_path / "net.pt2")
    with pytest.raises(UnsupportedError, match=r"net\.pt2: ") as caught:
        pt.load(tmp_path / "net.pt2")
    says = [problem.what.split(" (")[0] for problem in caught.value.problems]
    assert says == ["drops values at random", "drops values at random", "mixes timesteps or batch rows"]


def test_load_of_a_program_with_a_state(tmp_path):
    net, x = nn.Sequential(pt.nn.RecurrentStateLSTM(N, H), nn.Linear(H, M)), noise(7, N)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net(torch.zeros(T, N))
        net[0].rewind()
        program = torch.export.export(net, (torch.zeros(T, N),))
        torch.export.save(program, tmp_path / "net.pt2")
    net[0].reset()
    model = pt.load(tmp_path / "net.pt2")
    assert error(model.reference(x), answer(net, x)) < 1e-6
    program._example_inputs = None  # as of an exporter that leaves it out
    with quiet():
        again = captured_program(program)
    assert [tuple(a.shape) for a in again.arguments] == [(T, N)] and len(again.states) == 2


def test_load_of_no_such_file(tmp_path):
    with pytest.raises(FileError, match="none.pt2: No such file"):
        pt.load(tmp_path / "none.pt2")
    (tmp_path / "text.pt2").write_text("no archive")
    with pytest.raises(CorruptError, match="text.pt2: .*no zip archive"):
        pt.load(tmp_path / "text.pt2")
    torch.save(copy.deepcopy(pt.nn.LSTM(N, H)).state_dict(), tmp_path / "weights.pt2")
    with pytest.raises(CorruptError, match="weights.pt2: torch.export.load cannot read it"):
        pt.load(tmp_path / "weights.pt2")
