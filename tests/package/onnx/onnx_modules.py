"""The PyTorch modules that onnx_exports.py writes as ONNX files, and what a loader should make of each.

A case is a module for a hidden size, the layout of its x, whether its states are inputs, and the answer: "all" steps,
the "last" one, or the words of a refusal. Needs torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

INPUTS, OUTPUTS = 3, 2


@dataclass(frozen=True)
class Case:
    """layout: the axes of x, of "tbn"; y has the same, without the t where only the last step is answered.
    layers: L where h0 and c0 [L, B, H] are inputs and outputs, -1 where they are [B, H]."""

    make: Callable[[int], nn.Module]
    layout: str = "tbn"
    answer: str = "all"
    refused: str = ""
    refused_if: str = "always"  # or "open": only if the file leaves the time open, as DY files only seem to
    layers: int = 0
    batches: tuple[int, ...] = (1, 4)
    dynamic: bool = True
    kinds: tuple[str, ...] = ("TS", "DY")
    core: bool = False
    settings: dict[str, object] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def case(name: str, **settings: object) -> Callable[[type[nn.Module]], type[nn.Module]]:
    def register(made: type[nn.Module]) -> type[nn.Module]:
        CASES[name] = Case(made, **settings)  # type: ignore[arg-type]
        return made

    return register


class Base(nn.Module):
    """An LSTM and a Linear; what most cases begin with."""

    batch_first = False
    layers = 1
    bias = True

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, hidden, self.layers, batch_first=self.batch_first, bias=self.bias)
        self.fc = nn.Linear(hidden, OUTPUTS, bias=self.bias)


@case("plain")
class Plain(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


@case("stacked", layout="btn", core=True)
class Stacked(Base):
    batch_first = True
    layers = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0])


@case("no_bias")
class NoBias(Base):
    bias = False
    layers = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0])


class _Apart(nn.Module):
    def __init__(self, hidden: int, batch_first: bool) -> None:
        super().__init__()
        self.first = nn.LSTM(INPUTS, hidden, batch_first=batch_first)
        self.second = nn.LSTM(hidden, hidden + 1, batch_first=batch_first)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(hidden + 1, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.second(self.drop(self.first(x)[0]))[0])


@case("dropout")
class Apart(_Apart):
    def __init__(self, hidden: int) -> None:
        super().__init__(hidden, False)


@case("dropout_batch_first", layout="btn", core=True)
class ApartBatchFirst(_Apart):
    def __init__(self, hidden: int) -> None:
        super().__init__(hidden, True)


@case("inner_dropout")
class InnerDropout(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, hidden, 3, dropout=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


@case("unbatched", layout="tn", batches=(1,), core=True)
class Unbatched(Base):
    layers = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0])


@case("last_batch_first", layout="btn", answer="last", core=True)
class LastBatchFirst(Base):
    batch_first = True

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0][:, -1])


@case("last", answer="last")
class Last(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0][-1])


@case("last_slice", layout="btn", answer="last")
class LastSlice(Base):
    batch_first = True

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[0][:, -1:, :]).squeeze(1)


@case("hidden", answer="last")
class Hidden(Base):
    layers = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[1][0][-1])


@case("hidden_squeeze", layout="btn", answer="last", core=True)
class HiddenSqueeze(Base):
    batch_first = True

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[1][0].squeeze(0))


@case("first_hidden", answer="last")
class FirstHidden(Base):
    """The second layer is not needed."""

    layers = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[1][0][0])


@case("cell_state", answer="last", refused="cell state|c_n|Y_c")
class CellState(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x)[1][1][-1])


@case("view", layout="btn", core=True)
class View(Base):
    batch_first = True

    def forward(self, x: Tensor) -> Tensor:
        y = self.lstm(x)[0]
        return self.fc(y.reshape(-1, y.size(2))).view(x.size(0), x.size(1), -1)


@case("flat_view", layout="tn", batches=(1,))
class FlatView(Base):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x.unsqueeze(1))[0].view(x.size(0), -1))


@case("learned", layout="btn", core=True)
class Learned(Base):
    batch_first = True
    layers = 2

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.h0 = nn.Parameter(torch.randn(self.layers, 1, hidden))
        self.c0 = nn.Parameter(torch.randn(self.layers, 1, hidden))

    def forward(self, x: Tensor) -> Tensor:
        b = x.size(0)
        state = self.h0.expand(-1, b, -1).contiguous(), self.c0.expand(-1, b, -1).contiguous()
        return self.fc(self.lstm(x, state)[0])


@case("zeros")
class Zeros(Base):
    layers = 2

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(self.layers, x.size(1), self.lstm.hidden_size, dtype=x.dtype)
        return self.fc(self.lstm(x, (h, torch.zeros_like(h)))[0])


@case("states_1", layers=1, core=True)
class States1(Base):
    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.lstm(x, (h0, c0))
        return self.fc(y), h, c


@case("states_2", layout="btn", layers=2, core=True)
class States2(Base):
    batch_first = True
    layers = 2

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.lstm(x, (h0, c0))
        return self.fc(y), h, c


@case("states_apart", layers=2)
class StatesApart(nn.Module):
    """Two nn.LSTMs that share one h and one c, cut in the graph."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.LSTM(INPUTS, hidden), nn.LSTM(hidden, hidden)

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h1, c1) = self.first(x, (h0[:1], c0[:1]))
        y, (h2, c2) = self.second(y, (h0[1:], c0[1:]))
        return y, torch.cat([h1, h2]), torch.cat([c1, c2])


@case("states_crossed", layers=2, refused="state|order|other")
class StatesCrossed(nn.Module):
    """Hands the first LSTM's state back as the second's."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.LSTM(INPUTS, hidden), nn.LSTM(hidden, hidden)

    def forward(self, x: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h1, c1) = self.first(x, (h0[:1], c0[:1]))
        y, (h2, c2) = self.second(y, (h0[1:], c0[1:]))
        return y, torch.cat([h2, h1]), torch.cat([c1, c2])


@case("returns_state", layout="btn")
class ReturnsState(Base):
    batch_first = True
    layers = 2

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, (h, c) = self.lstm(x)
        return self.fc(y), h, c


@case("baked", batches=(1,), dynamic=False)
class Baked(Base):
    """A state in buffers: the export bakes it in."""

    layers = 2

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.register_buffer("h", torch.randn(2, 1, hidden))
        self.register_buffer("c", torch.randn(2, 1, hidden))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(x, (self.h, self.c))[0])


@case("normalised", layout="btn", core=True)
class Normalised(Base):
    batch_first = True

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.register_buffer("mu", torch.randn(INPUTS))
        self.register_buffer("sd", torch.rand(INPUTS) + 0.5)
        self.register_buffer("out", torch.rand(OUTPUTS) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(self.lstm((x - self.mu) / self.sd)[0])
        return 2.0 - y * self.out / 0.7 + 1.5


@case("rounded_steps")
class Scales(Base):
    """Affine steps where no matrix stands beside them."""

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(-x)
        return torch.tanh(0.5 * y) * 2 - 1


def _activation(name: str, function: Callable[[Tensor], Tensor], **settings: object) -> None:
    class Activated(Base):
        def forward(self, x: Tensor) -> Tensor:
            return function(3 * self.fc(self.lstm(x)[0]))

    CASES["act_" + name] = Case(Activated, **settings)  # type: ignore[arg-type]


_activation("relu", torch.relu)
_activation("leaky_relu", lambda v: nn.functional.leaky_relu(v, 0.2))
_activation("elu", lambda v: nn.functional.elu(v, 0.7))
_activation("tanh", torch.tanh)
_activation("sigmoid", torch.sigmoid)
_activation("hard_sigmoid", nn.functional.hardsigmoid)
_activation("hard_tanh", nn.functional.hardtanh)
_activation("relu6", nn.functional.relu6)
_activation("clamp", lambda v: v.clamp(-0.4, 0.9))
_activation("silu", nn.functional.silu)
_activation("gelu", nn.functional.gelu)
_activation("gelu_tanh", lambda v: nn.functional.gelu(v, approximate="tanh"))
_activation("softplus", nn.functional.softplus)
_activation("softmax", lambda v: torch.softmax(v, -1))
_activation("hard_swish", nn.functional.hardswish, refused="HardSwish|hard_swish|activation")
_activation("mish", nn.functional.mish, refused="Mish|activation|function|Mul")
_activation("exp", torch.exp, refused="Exp|activation|function")
_activation("maximum", lambda v: torch.maximum(v, torch.zeros_like(v)) * 2 - 1)
_activation("softmax_time", lambda v: torch.softmax(v, 0), refused="timestep")
_activation("cumsum", lambda v: torch.cumsum(v, 0), refused="timestep|CumSum")
_activation("mean_time", lambda v: v.mean(0), refused="timestep|ReduceMean", answer="last")
_activation("flip", lambda v: v.flip(0), refused="timestep")
_activation("shift", lambda v: torch.cat([torch.zeros_like(v[:1]), v[:-1]]), refused="takes timesteps 0 to")
_activation("attention", lambda v: torch.softmax(v @ v.transpose(1, 2), -1) @ v, refused=".")
_activation("second_last", lambda v: v[-2], answer="last", refused="timestep|last")
_activation("first", lambda v: v[0], answer="last", refused="timestep|last")
_activation("divides_by_time", lambda v: v / v.size(0), refused="depend on how many timesteps", refused_if="open")


@case("batch_norm", layout="btn", core=True)
class BatchNorm(Base):
    batch_first = True

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.norm = nn.BatchNorm1d(hidden)
        for tensor in (self.norm.weight, self.norm.bias, self.norm.running_mean):
            nn.init.normal_(tensor)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.lstm(x)[0].transpose(1, 2)).transpose(1, 2))


@case("batch_norm_2d", layout="btn", answer="last")
class BatchNorm2d(BatchNorm):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.lstm(x)[0][:, -1]))


@case("mlp", layout="btn")
class Mlp(Base):
    batch_first = True

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.before = nn.Sequential(nn.Linear(INPUTS, 5), nn.ReLU(), nn.Linear(5, INPUTS))
        self.after = nn.Sequential(nn.Linear(OUTPUTS, 7, bias=False), nn.SiLU(), nn.Linear(7, OUTPUTS))

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.fc(self.lstm(self.before(x))[0]))


@case("select", layout="btn")
class Select(Base):
    """Only some features go on."""

    batch_first = True

    def forward(self, x: Tensor) -> Tensor:
        y = self.lstm(x)[0]
        return y[:, :, 1:3]


@case("layer_norm", refused="LayerNorm|layer_norm|ReduceMean")
class LayerNorm(Base):
    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.lstm(x)[0]))


@case("residual", refused="residual|two|both|Add")
class Residual(Base):
    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.second = nn.LSTM(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lstm(x)[0]
        return self.fc(y + self.second(y)[0])


@case("bidirectional", refused="bidirectional")
class Bidirectional(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, hidden, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


@case("proj_size", kinds=("DY",), refused="initial_c of shape")
class Projected(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INPUTS, hidden, proj_size=hidden // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


@case("cell", layout="bn", layers=-1, refused="has no LSTM node", dynamic=False)
class Cell(nn.Module):
    """One step, the state in and out."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(INPUTS, hidden)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h, c = self.cell(x, (h, c))
        return h, h, c


@case("cell_loop", refused="has no LSTM node", dynamic=False)
class CellLoop(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(INPUTS, hidden)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(x.size(1), self.cell.hidden_size, dtype=x.dtype)
        made = []
        for t in range(x.size(0)):
            h, c = self.cell(x[t], (h, c))
            made.append(h)
        return torch.stack(made)


@case("linear_only", layout="btn", refused="no LSTM|time")
class LinearOnly(Base):
    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(nn.functional.linear(x, self.lstm.weight_ih_l0))
