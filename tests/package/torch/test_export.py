"""penstock.torch.export: what is taken, in every way that people write it, answers as PyTorch does in float64."""

import copy
import re

import numpy as np
import pytest
import torch
from source_answers import answer, error, laid_out, noise
from torch import nn
from torch.nn import functional as F

import penstock.torch as pt
from penstock.errors import MismatchError, UnsupportedError

N, H, M, T = 3, 5, 2, 3


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


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
    return nn.LSTM(arguments.pop("inputs", N), arguments.pop("units", H), **arguments)


def checked(module, layout="tn", readout="all", example=None, pick=lambda made: made, tolerance=1e-6, features=N):
    """Exports, and compares at another T than the example's."""
    shape = {"tn": (T, features), "tbn": (T, 1, features), "btn": (1, T, features)}[layout]
    model = pt.export(module, torch.zeros(shape) if example is None else example)
    assert (model.inputs, model.readout) == (features, readout)
    x = noise(7, features)
    wanted = answer(module, x, layout, readout == "last", pick)
    found = model.reference(x)
    assert error(found[-1:] if readout == "last" else found, wanted) < tolerance
    return model


def kinds(model):
    return [layer.function or layer.kind for layer in model.layers]


# ---- LSTMs and what is around them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "kind", "arguments"),
    [
        ("tn", nn.LSTM, {}),
        ("tn", pt.nn.LSTM, {"num_layers": 3}),
        ("tbn", nn.LSTM, {"bias": False}),
        ("tbn", pt.nn.LSTM, {"num_layers": 2, "dropout": 0.5}),
        ("btn", nn.LSTM, {"num_layers": 2, "bias": False}),
        ("btn", pt.nn.LSTM, {}),
    ],
)
def test_stack_and_linear(layout, arguments, kind):
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = kind(N, H, batch_first=layout == "btn", **arguments)
            self.fc = nn.Linear(H, M, bias=arguments.get("bias", True))

        def forward(self, x):
            y = self.lstm(x)
            return self.fc(y if kind is pt.nn.LSTM else y[0])

    model = checked(Stack().train(), layout)
    assert kinds(model) == ["lstm"] * arguments.get("num_layers", 1) + ["linear"]
    assert model.outputs == M and model.notes == ()


def test_the_module_itself():
    checked(pt.nn.LSTM(N, H, batch_first=True), "tn")  # unbatched: batch_first does not matter
    model = checked(nn.LSTM(N, H), "tbn", pick=lambda made: made[0])
    assert model.notes == ("the states that the source returns are the stream's state",)


def test_separate_lstms_with_dropout_between():
    a, b = lstm(), nn.LSTM(H, 4)
    model = checked(
        Net(lambda s, x: s.fc(s.b(F.relu(s.drop(s.a(x)[0])))[0]), a=a, b=b, drop=nn.Dropout(0.4), fc=nn.Linear(4, M)),
        "tbn",
    )
    assert kinds(model) == ["lstm", "relu", "lstm", "linear"]


def test_one_lstm_reads_batch_first_and_the_next_does_not():
    a, b = lstm(batch_first=True), nn.LSTM(H, 4)
    checked(Net(lambda s, x: s.b(s.a(x)[0].transpose(0, 1))[0].transpose(0, 1), a=a, b=b), "btn")


def test_linear_before_and_activations_by_module_and_function():
    net = nn.Sequential(
        nn.Linear(N, 6), nn.SiLU(), pt.nn.LSTM(6, H), nn.GELU(), nn.Linear(H, 4), nn.Sigmoid(), nn.Softmax(-1)
    )
    assert kinds(checked(net)) == ["linear", "silu", "lstm", "gelu", "linear", "sigmoid", "softmax"]
    assert checked(nn.Sequential(nn.Identity(), nn.Tanh()), "tbn").outputs == N  # a matrix of ones is put below it


@pytest.mark.parametrize(
    "back",
    [
        lambda s, y: s.fc(y.reshape(-1, H)).view(-1, 1, M),
        lambda s, y: s.fc(y.contiguous().view(-1, H)).reshape(y.shape[0], y.shape[1], M),
        lambda s, y: s.fc(y.flatten(0, 1)).unflatten(0, y.shape[:2]),
        lambda s, y: s.fc(y.flatten(0, 1)),
        lambda s, y: s.fc(y.squeeze(1)),
        lambda s, y: s.fc(y.permute(1, 0, 2)).transpose(0, 1),
        lambda s, y: s.fc(y.movedim(0, 1)).swapaxes(0, 1),
        lambda s, y: s.fc(y[:, 0]),
        lambda s, y: s.fc(y[..., None, :, :].squeeze(1)),
        lambda s, y: torch.matmul(y, s.fc.weight.T) + s.fc.bias,
        lambda s, y: y @ s.fc.weight.t() + s.fc.bias,
        lambda s, y: torch.addmm(s.fc.bias, y[:, 0], s.fc.weight.T, beta=0.5, alpha=2),
        lambda s, y: torch.bmm(y, s.fc.weight.T.expand(y.shape[0], -1, -1)),
        lambda s, y: (s.fc.weight @ y.transpose(1, 2)).transpose(1, 2),
        lambda s, y: F.conv1d(y.permute(1, 2, 0), s.fc.weight[:, :, None], s.fc.bias).permute(2, 0, 1),
        lambda s, y: s.fc(y.expand(-1, 1, -1)).narrow(2, 0, M).clone().detach().contiguous(),
        lambda s, y: s.fc(torch.cat([y]).mT.mT.type_as(y).view_as(y).expand_as(y)),
        lambda s, y: F.pad(s.fc(y.repeat(1, 1, 1)), (0, 0)).unflatten(0, (-1, 1)).squeeze(1),
        lambda s, y: torch.stack([s.fc(y)])[0],
    ],
)
def test_ways_from_the_lstm_to_the_output(back):
    checked(Net(lambda s, x: back(s, s.l(x)[0]), l=lstm(), fc=nn.Linear(H, M)), "tbn")


def test_output_of_one_dimension():
    model = checked(
        Net(lambda s, x: s.fc(s.l(x)[0]).squeeze(-1), l=lstm(), fc=nn.Linear(H, 1)),
        pick=lambda made: made[:, None],
    )
    assert model.outputs == 1


def test_one_feature():
    checked(Net(lambda s, x: s.fc(s.l(x)[0]), l=lstm(inputs=1, units=1), fc=nn.Linear(1, 1)), "tbn", features=1)


# ---- only the last timestep -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "take"),
    [
        ("btn", lambda y, h: y[:, -1]),
        ("btn", lambda y, h: y[:, -1, :]),
        ("btn", lambda y, h: y[:, -1:].squeeze(1)),
        ("btn", lambda y, h: y.transpose(0, 1)[-1]),
        ("btn", lambda y, h: y.select(1, y.shape[1] - 1)),
        ("btn", lambda y, h: y[:, [-1]].flatten(1)),
        ("btn", lambda y, h: torch.relu(y)[:, -1]),
        ("tbn", lambda y, h: y[-1]),
        ("tn", lambda y, h: y[-1]),
        ("tn", lambda y, h: y[-1:]),
        ("tbn", lambda y, h: h[-1]),
        ("btn", lambda y, h: h[-1]),
        ("btn", lambda y, h: h.select(0, -1)),
        ("tn", lambda y, h: h[-1]),
        ("btn", lambda y, h: h.transpose(0, 1)[:, -1]),
        ("btn", lambda y, h: h[-1:].squeeze(0)),
    ],
)
def test_last_timestep(layout, take):
    def forward(s, x):
        y, (h, _) = s.l(x)
        return s.fc(take(y, h))

    net = Net(forward, l=lstm(num_layers=2, batch_first=layout == "btn"), fc=nn.Linear(H, M))
    model = checked(net, layout, "last")
    assert model.notes == ("output at every step: the source returns only the last one",)
    x = noise(9, N)  # at every length: after T steps, the source's answer for T inputs
    for steps in (2, 3, 9):
        assert error(model.reference(x)[steps - 1 : steps], answer(net, x[:steps], layout, True)) < 1e-6


@pytest.mark.parametrize("take", [lambda h: h.squeeze(0), lambda h: h.squeeze(), lambda h: h.view(1, H), lambda h: h])
def test_last_state_of_one_layer(take):
    checked(Net(lambda s, x: s.fc(take(s.l(x)[1][0])), l=lstm(), fc=nn.Linear(H, M)), "tbn", "last")


def test_last_state_as_it_is():
    checked(Net(lambda s, x: s.l(x)[1][0][-1], l=lstm(num_layers=2)), "tbn", "last")
    checked(Net(lambda s, x: s.l(x)[1][0], l=lstm()), "tbn", "last")


def test_a_middle_layers_state_leaves_the_layers_above_out():
    model = checked(Net(lambda s, x: s.l(x)[1][0][0], l=lstm(num_layers=2)), "tbn", "last")
    assert kinds(model) == ["lstm"]


# ---- which output is y ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "pick"),
    [
        (lambda s, x: s.l(x), lambda made: made[0]),
        (lambda s, x: (s.fc(s.l(x)[0]), None, 3), lambda made: made[0]),
        (lambda s, x: {"y": s.fc(s.l(x)[0])}, lambda made: made["y"]),
        (lambda s, x: [{"state": s.l(x)[1], "y": [s.fc(s.l(x)[0])]}], lambda made: made[0]["y"][0]),
        (lambda s, x: (s.scale, s.fc(s.l(x)[0])), lambda made: made[1]),
    ],
)
def test_containers_of_outputs(forward, pick):
    net = Net(forward, l=lstm(), fc=nn.Linear(H, M), scale=nn.Parameter(torch.ones(3)))
    checked(net, "tbn", pick=pick)


def test_a_constant_among_the_outputs_is_noted():
    net = Net(lambda s, x: (s.scale, s.l(x)[0]), l=lstm(), scale=nn.Parameter(torch.ones(3)))
    assert pt.export(net, torch.zeros(T, 1, N)).notes == ("output[0] is constant and left out",)


def test_an_input_that_is_not_used_is_noted():
    model = pt.export(Net(lambda s, x, mask: s.l(x)[0], l=lstm()), (torch.zeros(T, N), torch.ones(T)))
    assert len(model.notes) == 1 and "has no part in y" in model.notes[0]


# ---- axes by the LSTM's layout, not by sizes ------------------------------------------------------------------------

SAME = 4


@pytest.mark.parametrize("first", [True, False])
def test_all_sizes_equal(first):
    there, back = ((0, 2, 1), (0, 2, 1)) if first else ((1, 2, 0), (2, 0, 1))
    net = Net(
        lambda s, x: s.fc(s.l(s.bn(x.permute(there)).permute(back))[0]),
        l=nn.LSTM(SAME, SAME, batch_first=first),
        bn=nn.BatchNorm1d(SAME),
        fc=nn.Linear(SAME, SAME),
    )
    warm(net, torch.randn(3, SAME, SAME) * 2 + 1)
    checked(net, "btn" if first else "tbn", example=torch.zeros(SAME, SAME, SAME), features=SAME)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("take", [0, 1])
def test_all_sizes_equal_and_one_taken(first, take):
    """y[:, -1] is the last timestep where batch is first, and a batch row where it is not."""
    net = Net(lambda s, x: s.l(x)[0].select(take, -1), l=nn.LSTM(SAME, SAME, batch_first=first))
    example = torch.zeros(SAME, SAME, SAME)
    if (take == 1) == first:
        assert pt.export(net, example).readout == "last"
    else:
        with pytest.raises(UnsupportedError, match="takes one batch row"):
            pt.export(net, example)


def warm(net, x):
    """Gives a BatchNorm something other than zeros and ones to have seen."""
    net.train()
    with torch.no_grad():
        for _ in range(4):
            net(x)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d) and module.affine:
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net


# ---- affine steps are folded ----------------------------------------------------------------------------------------


def test_normalisation_of_the_input_is_folded():
    net = Net(
        lambda s, x: s.fc(s.l((x - s.mean) / s.deviation)[0]) * s.scale + 3,
        l=lstm(),
        fc=nn.Linear(H, M),
        mean=nn.Parameter(torch.randn(N)),
        deviation=nn.Parameter(torch.rand(N) + 0.5),
        scale=nn.Parameter(torch.randn(M)),
    )
    assert kinds(checked(net, "tbn")) == ["lstm", "linear"]


AFFINE = [
    [
        lambda x: 2 * x,
        lambda x: x * torch.tensor([1.0, 2.0, 3.0]),
        lambda x: 1 - x,
        lambda x: torch.tensor([1.0, 2.0, 3.0]) - x,
        lambda x: torch.sub(x, torch.ones(N), alpha=3),
        lambda x: torch.add(x, torch.ones(1, 1, N), alpha=-3),
        lambda x: torch.add(torch.ones(N), x, alpha=-3),
        lambda x: torch.sub(torch.ones(N), x, alpha=-0.5),
        lambda x: torch.rsub(x, 2.0, alpha=0.5),
        lambda x: -x,
        lambda x: x / 4,
        lambda x: x * torch.arange(1, 4).float().exp().log(),
    ],
    [lambda x: x.div(torch.tensor(3.0)).add_(1).mul_(0.5)],
    [
        lambda x: (x + x) * 0.25 - x,
        lambda x: torch.lerp(x, 2 * x, 0.25),
        lambda x: torch.add(x, 1 - x, alpha=0.5),
        lambda x: torch.sub(x, 2 * x, alpha=3),
        lambda x: torch.ops.aten.rsub(x, 2 * x, alpha=3),
    ],
]


@pytest.mark.parametrize("steps", AFFINE)
def test_affine_steps(steps):
    def forward(s, x):
        x = x.clone()
        for step in steps:
            x = step(x)
        return s.l(x)[0]

    assert kinds(checked(Net(forward, l=lstm()), "tbn")) == ["lstm"]


@pytest.mark.parametrize(
    "take",
    [
        lambda x: torch.index_select(x, -1, torch.tensor([2, 0, 0])),
        lambda x: x[..., [1, 1, 2]],
        lambda x: x[..., 1:],
        lambda x: x.split([1, 2], -1)[1],
        lambda x: x.chunk(2, dim=-1)[0],
        lambda x: x.unbind(-1)[1].unsqueeze(-1),
    ],
)
def test_features_are_picked(take):
    chosen = take(torch.zeros(1, 1, N)).shape[-1]
    assert kinds(checked(Net(lambda s, x: s.l(take(x))[0], l=lstm(inputs=chosen)), "tbn")) == ["linear", "lstm"]


@pytest.mark.parametrize(
    ("layout", "there", "back"),
    [
        ("tn", lambda x: x, lambda x: x),
        ("btn", lambda x: x.transpose(1, 2), lambda x: x.transpose(1, 2)),
        ("tbn", lambda x: x.permute(1, 2, 0), lambda x: x.permute(2, 0, 1)),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_batch_norm_in_eval(layout, there, back, before):
    norm = nn.BatchNorm1d(N if before else H, affine=layout != "tn")

    def forward(s, x):
        if before:
            return s.l(back(s.norm(there(x))))[0]
        return back(s.norm(there(s.l(x)[0])))

    net = Net(forward, norm=norm, l=lstm(batch_first=layout == "btn"))
    shape = {"tn": (9, N), "tbn": (9, 2, N), "btn": (2, 9, N)}[layout]
    warm(net, torch.randn(shape) * 3 + 1)
    assert kinds(checked(net, layout)) == (["lstm"] if before else ["lstm", "linear"])


def test_in_place_operations_on_views():
    """y changes through its view v, and is read afterwards."""

    def forward(s, x):
        y = s.l(x)[0]
        y.mul_(2)
        v = y.transpose(0, 1)
        v.add_(1)
        y.relu_()
        return s.fc(y)

    assert kinds(checked(Net(forward, l=lstm(), fc=nn.Linear(H, M)), "tbn"))[0] == "lstm"


# ---- activations ----------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "relu": [F.relu, nn.ReLU(inplace=True), lambda v: v.clamp_min(0), lambda v: torch.max(v, torch.zeros(()))],
    "leaky_relu": [nn.LeakyReLU(), nn.LeakyReLU(0.3), nn.PReLU(init=0.2), lambda v: torch.where(v > 0, v, 0.2 * v)],
    "elu": [nn.ELU(), nn.ELU(0.5), nn.SELU(), nn.CELU(), nn.CELU(2.0)],
    "tanh": [torch.tanh, nn.Tanh()],
    "sigmoid": [torch.sigmoid, nn.Sigmoid(), lambda v: 1 / (1 + torch.exp(-v))],
    "hard_sigmoid": [F.hardsigmoid, nn.Hardsigmoid()],
    "clip": [nn.Hardtanh(), nn.ReLU6(), nn.Hardtanh(-0.2, 0.3), lambda v: v.clamp(-0.1, 0.2), F.relu6],
    "silu": [F.silu, nn.SiLU(inplace=True), lambda v: v * torch.sigmoid(v)],
    "gelu": [F.gelu, nn.GELU(), lambda v: 0.5 * v * (1 + torch.erf(v / 2**0.5))],
    "gelu_tanh": [nn.GELU("tanh"), lambda v: F.gelu(v, approximate="tanh")],
    "softplus": [F.softplus, nn.Softplus(), nn.Softplus(beta=3), lambda v: torch.log1p(torch.exp(v))],
    "softplus of -v": [nn.LogSigmoid()],
    "relu, above and below": [lambda v: v.clamp_min(-0.1), lambda v: v.clamp(max=0.1)],
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    functions = ACTIVATIONS[name]
    modules = {f"f{i}": f for i, f in enumerate(functions) if isinstance(f, nn.Module)}
    modules |= {f"fc{i}": nn.Linear(H, H) for i in range(len(functions))}
    for module in modules.values():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.5)

    def forward(s, x):
        y = s.l(x)[0]
        for i, function in enumerate(functions):
            y = getattr(s, f"f{i}", function)(getattr(s, f"fc{i}")(y))
        return y

    found = kinds(checked(Net(forward, l=lstm(), **modules)))
    assert found.count(re.split(r"[ ,]", name)[0]) == len(functions), found


@pytest.mark.parametrize("soft", [nn.Softmax(-1), lambda v: F.softmax(v, dim=1), lambda v: v.softmax(-1)])
def test_softmax_over_the_features(soft):
    modules = {"f": soft} if isinstance(soft, nn.Module) else {}
    assert kinds(checked(Net(lambda s, x: soft(s.l(x)[0]), l=lstm(), **modules)))[-1] == "softmax"


# ---- initial states that are constants ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        lambda s, x: (s.h.expand(-1, x.shape[1], -1).contiguous(), s.c.expand(-1, x.shape[1], -1).contiguous()),
        lambda s, x: (s.h.repeat(1, x.shape[1], 1), torch.tanh(s.c) * 2),
        lambda s, x: (s.h, torch.zeros_like(s.h)),
    ],
)
def test_learned_initial_state(start):
    net = Net(
        lambda s, x: s.l(x, start(s, x))[0],
        l=lstm(num_layers=2),
        h=nn.Parameter(torch.randn(2, 1, H)),
        c=nn.Parameter(torch.randn(2, 1, H)),
    )
    model = checked(net, "tbn")
    assert "h0" in model.layers[0].tensors and "h0" in model.layers[1].tensors


def test_initial_state_of_zeros_is_none():
    net = Net(lambda s, x: s.l(x, (torch.zeros(1, H).to(x), torch.zeros(1, H).to(x)))[0], l=lstm())
    assert "h0" not in checked(net).layers[0].tensors


# ---- what example and module may be ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types(dtype):
    net = nn.Sequential(pt.nn.LSTM(N, H), nn.Linear(H, M)).to(dtype)
    checked(net)
    checked(net, example=torch.zeros(T, N, dtype=dtype))


def test_example_as_array():
    checked(pt.nn.LSTM(N, H), example=np.zeros((T, N), np.float32))


def test_the_example_may_be_a_batch():
    checked(nn.Sequential(pt.nn.LSTM(N, H), nn.Linear(H, M)), "tbn", example=torch.zeros(T, 4, N))


def test_compiled_module():
    checked(torch.compile(nn.Sequential(pt.nn.LSTM(N, H)), backend="eager"))


def test_a_module_that_insists_on_its_length():
    net = Net(lambda s, x: s.fc(s.l(x)[0].reshape(T, H)).view(T, 1, M), l=lstm(), fc=nn.Linear(H, M))
    model = pt.export(net, torch.zeros(T, 1, N))
    x = noise(T, N)
    assert error(model.reference(x), answer(net, x, "tbn")) < 1e-6


def test_a_module_that_casts():
    net = Net(lambda s, x: s.l(x.float())[0], l=lstm())
    model = pt.export(net, torch.zeros(T, N))
    x = noise(T, N)
    with torch.no_grad():
        assert error(model.reference(x), net(laid_out(x, "tn")).double().numpy()) < 1e-5


def test_constants_are_computed_in_float64():
    """A chain of scales that float32 would round at each step; some are parameters, one is made in forward."""
    steps = [torch.rand(N) + 0.5 for _ in range(20)]

    def forward(s, x):
        for value in steps:
            x = x * value
        return s.l(x * torch.arange(1.0, N + 1).sqrt().exp())[0]

    scale = np.prod([v.double().numpy() for v in steps], axis=0) * np.exp(np.sqrt(np.arange(1.0, N + 1)))
    net = Net(forward, l=lstm())
    model = pt.export(net, torch.zeros(T, N))
    wanted = (net.l.weight_ih_l0.detach().double().numpy() * scale).astype(np.float32)
    assert np.array_equal(model.layers[0].tensors["weight_ih"], wanted)


def test_arguments_that_are_no_tensors_and_parts_of_parameters():
    net = Net(
        lambda s, x, k, name: s.l(x * k * s.scales.chunk(2)[1] + s.scales.topk(1).values)[0],
        l=lstm(),
        scales=nn.Parameter(torch.rand(2 * N)),
    )
    model, x = pt.export(net, (torch.zeros(T, N), 2.0, "name")), noise(7, N)
    with torch.no_grad():
        wanted = copy.deepcopy(net).double()(torch.from_numpy(x).double(), 2.0, "name").numpy()
    assert error(model.reference(x), wanted) < 1e-6


def test_parametrisations():
    net = nn.Sequential(pt.nn.LSTM(N, H), nn.utils.parametrizations.weight_norm(nn.Linear(H, M)))
    checked(net)


def test_verify_false_runs_nothing_again(monkeypatch):
    net = pt.nn.LSTM(N, H)
    monkeypatch.setattr("penstock.importing.verify.against", lambda *a, **k: pytest.fail("verified"))
    pt.export(net, torch.zeros(T, N), verify=False)


def test_verify_finds_a_difference(monkeypatch):
    """A source that is not what its graph says."""

    class Two(pt.nn.LSTM):
        def forward(self, x):
            return super().forward(x) * (1 if torch.compiler.is_exporting() else 2)

    with pytest.raises(MismatchError, match="Two: the model does not answer as its source does"):
        pt.export(Two(N, H), torch.zeros(T, N))
    pt.export(Two(N, H), torch.zeros(T, N), verify=False)


def test_the_model_is_saved_and_read_by_the_c_program(tmp_path, penstock_program):
    net = nn.Sequential(nn.Linear(N, 4), nn.ReLU(), pt.nn.LSTM(4, H), nn.Linear(H, M))
    model = pt.export(net, torch.zeros(T, N))
    model.save(tmp_path / "net.safetensors")
    said = penstock_program("info", tmp_path / "net.safetensors")
    assert all(kind in said for kind in ("lstm", "linear", "relu"))
    x = noise(9, N)
    np.save(tmp_path / "x.npy", x)
    penstock_program("compile", tmp_path / "net.safetensors", "-o", tmp_path / "net.pstk", "--format", "f32")
    penstock_program("run", tmp_path / "net.pstk", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy")
    assert error(np.load(tmp_path / "y.npy"), answer(net, x).astype(np.float32)) < 1e-5
