"""penstock.torch.export over random architectures: what it gives answers as PyTorch does in float64."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from source_answers import answer, error, noise
from torch import nn
from torch.nn import functional as F

import penstock.torch as pt

FUNCTIONS = (torch.relu, torch.tanh, torch.sigmoid, F.silu, F.gelu, F.softplus, F.elu, lambda v: F.leaky_relu(v, 0.2))


class Random(nn.Module):
    """Parts one after the other, drawn by hypothesis; x is laid out as `layout` says all the way."""

    def __init__(self, draw, features, layout, last):
        super().__init__()
        self.parts = nn.ModuleList()
        self.steps, self.layout, self.last = [], layout, last
        width = features
        for _ in range(draw(st.integers(1, 4))):
            kind = draw(st.sampled_from(["lstm", "lstm", "linear", "norm", "scale", "function", "there and back"]))
            module: nn.Module = nn.Identity()
            if kind == "lstm":
                units, layers, bias = draw(st.integers(1, 5)), draw(st.integers(1, 2)), draw(st.booleans())
                own = draw(st.booleans())
                make = pt.nn.LSTM if own else nn.LSTM
                module = make(width, units, layers, bias=bias, batch_first=layout == "btn")
                self.steps.append(self.own if own else self.plain)
                width = units
            elif kind == "linear":
                outputs = draw(st.integers(1, 5))
                module = nn.Linear(width, outputs, bias=draw(st.booleans()))
                self.steps.append(self.flat if draw(st.booleans()) else self.own)
                width = outputs
            elif kind == "norm":
                module = nn.BatchNorm1d(width)
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
                self.steps.append(self.norm)
            elif kind == "scale":
                module = nn.ParameterList([torch.randn(width), torch.rand(width) + 0.5])
                self.steps.append(self.scale)
            elif kind == "function":
                self.steps.append(draw(st.sampled_from(FUNCTIONS)))
            else:
                self.steps.append(self.there_and_back)
            self.parts.append(module)
        if not any(isinstance(part, nn.LSTM) for part in self.parts):  # who else would say what time is
            self.parts.append(nn.LSTM(width, width, batch_first=layout == "btn"))
            self.steps.append(self.plain)

    def own(self, x, part):
        return part(x)

    def plain(self, x, part):
        return part(x)[0]

    def flat(self, x, part):
        return part(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)

    def norm(self, x, part):
        if self.layout == "tn":
            return part(x)
        if self.layout == "btn":
            return part(x.transpose(1, 2)).transpose(1, 2)
        return part(x.permute(1, 2, 0)).permute(2, 0, 1)

    def scale(self, x, part):
        return (x - part[0]) / part[1]

    def there_and_back(self, x, part):
        return x.unsqueeze(0).transpose(0, -1).contiguous().transpose(0, -1).squeeze(0)

    def forward(self, x):
        for step, part in zip(self.steps, self.parts, strict=True):
            x = step(x, part) if getattr(step, "__self__", None) is self else step(x)
        if self.last:
            x = x[:, -1] if self.layout == "btn" else x[-1]
        return x


@settings(max_examples=15)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_random_architectures(data, seed):
    torch.manual_seed(seed)
    features = data.draw(st.integers(1, 4))
    layout, last = data.draw(st.sampled_from(["tn", "tbn", "btn"])), data.draw(st.booleans())
    net = Random(data.draw, features, layout, last)
    steps, rows = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 3))
    shape = {"tn": (steps, features), "tbn": (steps, rows, features), "btn": (rows, steps, features)}[layout]
    model = pt.export(net, torch.zeros(shape), verify=False)
    assert model.inputs == features and model.readout == ("last" if last else "all")
    x = noise(6, features, seed)
    found = model.reference(x)
    wanted = answer(net, x, layout, last)
    assert error(found[-1:] if last else found, wanted) < 1e-6
