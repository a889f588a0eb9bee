"""Drop-in modules for networks that run step by step: torch.nn's LSTM and LSTMCell with another interface. They have
its weights under its names, train, save and load as its modules do, and `penstock.torch.export` takes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

State = tuple[Tensor, Tensor]


def _is_exporting() -> bool:
    asked = getattr(torch.compiler, "is_exporting", None)  # PyTorch 2.7
    return bool(asked and asked())


class LSTM(nn.LSTM):  # type: ignore[misc, unused-ignore]
    """torch.nn.LSTM that returns its output only. Arguments, weights, state_dict keys and shapes are torch's.

    Also loads a state_dict whose keys have one more level, `lstm.weight_ih_l0` for `weight_ih_l0`: that of a class that
    holds the torch.nn.LSTM as its attribute `lstm`. For the same reason the attribute `lstm` of this module is the
    module itself (no submodule: it appears in no state_dict, modules() or repr)."""

    @property
    def lstm(self) -> LSTM:
        return self

    def forward(self, input: Any, hx: State | None = None) -> Any:  # type: ignore[override, unused-ignore]
        """input: [T, n], [T, batch, n] (batch_first: [batch, T, n]), or a PackedSequence. hx: (h, c) as in
        torch.nn.LSTM; None: zeros. Returns the last layer's h of all timesteps, [.., hidden_size], or packed as the
        input was; not (h_n, c_n)."""
        return super().forward(input, hx)[0]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # PyTorch hands over a copy of the caller's dict. A key that is there in both forms, or is no weight of this
        # module, is left alone, so that it is reported as unexpected under the caller's name and not dropped.
        for name in self._parameters:
            short, longer = f"{prefix}{name}", f"{prefix}lstm.{name}"
            if longer in state_dict and short not in state_dict:
                state_dict[short] = state_dict.pop(longer)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class RecurrentStateLSTM(LSTM):
    """An LSTM that goes on where its last call ended: it keeps (h, c) between calls, detached from the graph (so
    gradients end at the border of a call), until reset().

    init_state: (h, c) that a sequence begins with, each [num_layers, hidden_size] (the same for every row of a batch)
    or [num_layers, batch, hidden_size]; h of a projected LSTM has proj_size in place of hidden_size. None: zeros. The
    values are copied, and constant: a tensor that requires a gradient is refused.

    h, c: the state, [num_layers, batch, hidden_size] (unbatched input is a batch of one), or None where the next call
    begins a sequence. It is held in buffers that follow to(), double() etc. but are not part of the state_dict; nor is
    init_state. A call with another batch than the one before is an error (RuntimeError) until reset(): rows of the
    state belong to rows of the input. One copy of the module keeps one state: nothing carries it between the replicas
    of DataParallel or between processes."""

    h: Tensor | None
    c: Tensor | None
    init_h: Tensor | None
    init_c: Tensor | None

    def __init__(self, *args: Any, init_state: State | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.bidirectional:
            raise ValueError("RecurrentStateLSTM: bidirectional: the backward direction has no state to keep")
        for name in ("h", "c"):
            self.register_buffer(name, None, persistent=False)
        given: list[Tensor | None] = [None, None] if init_state is None else self._checked(init_state)
        for name, value in zip(("init_h", "init_c"), given, strict=True):
            self.register_buffer(name, value, persistent=False)

    def _checked(self, init_state: State) -> list[Tensor | None]:
        """Copies of (h, c) as [num_layers, batch, size], in the type and on the device of the weights."""
        if not isinstance(init_state, tuple | list) or len(init_state) != 2:
            raise TypeError("RecurrentStateLSTM: init_state is a tuple (h, c)")
        copies: list[Tensor | None] = []
        for name, value, size in zip("hc", init_state, self._sizes(), strict=True):
            if not isinstance(value, Tensor):
                raise TypeError(f"RecurrentStateLSTM: init_state: {name} is a {type(value).__name__}, not a tensor")
            if value.requires_grad:
                raise ValueError(f"RecurrentStateLSTM: init_state: {name} requires a gradient, which would end here:"
                                 " pass a constant, detach()")  # fmt: skip
            if value.dim() not in (2, 3) or value.shape[0] != self.num_layers or value.shape[-1] != size:
                raise ValueError(f"RecurrentStateLSTM: init_state: {name} is {list(value.shape)}, expected"
                                 f" [{self.num_layers}, {size}] or [{self.num_layers}, batch, {size}]")  # fmt: skip
            copies.append((value if value.dim() == 3 else value.unsqueeze(1)).to(next(self.parameters()), copy=True))
        return copies

    def _sizes(self) -> tuple[int, int]:
        return self.proj_size or self.hidden_size, self.hidden_size

    def reset(self) -> None:
        """Forgets the state: the next call begins a new sequence, from init_state, with any batch."""
        self.h = self.c = None

    def rewind(self) -> None:
        """Sets the state back to init_state, for the batch of the calls before. Without such a call, reset()."""
        if self.h is not None and self.c is not None:
            self.h, self.c = (self._start(i, kept.shape[1], kept) for i, kept in enumerate((self.h, self.c)))

    def forward(self, input: Any) -> Any:  # type: ignore[override, unused-ignore]
        """input and output as of LSTM. The first timestep continues from the last one of the call before."""
        batch, batched = self._batch(input)
        like = input.data if isinstance(input, PackedSequence) else input
        h, c = (self._continued(i, kept, batch, like) for i, kept in enumerate((self.h, self.c)))
        hx = (h, c) if batched else (h[:, 0], c[:, 0])
        output, (h, c) = nn.LSTM.forward(self, input, hx)
        if not batched:
            h, c = h.unsqueeze(1), c.unsqueeze(1)
        self._keep(h.detach(), c.detach())
        return output

    def _keep(self, h: Tensor, c: Tensor) -> None:
        # torch.export follows an assignment to a buffer in the outermost module only, and a write everywhere. Outside
        # of it a write would spoil what an earlier call left for its backward pass.
        if _is_exporting() and self.h is not None and self.c is not None:
            self.h.copy_(h)
            self.c.copy_(c)
        else:
            self.h, self.c = h, c

    def _batch(self, input: Any) -> tuple[int, bool]:
        """How many rows the input has, and whether it has a batch dimension at all."""
        if isinstance(input, PackedSequence):
            return int(input.batch_sizes[0]), True
        batched = input.dim() == 3
        return (input.shape[0 if self.batch_first else 1] if batched else 1), batched

    def _start(self, which: int, batch: int, like: Tensor) -> Tensor:
        """h (which 0) or c (1) that a sequence begins with: [num_layers, batch, size], type and device as like."""
        start = (self.init_h, self.init_c)[which]
        if start is None:
            return like.new_zeros(self.num_layers, batch, self._sizes()[which])
        if start.shape[1] not in (1, batch):
            raise RuntimeError(
                f"RecurrentStateLSTM: init_state is for a batch of {start.shape[1]}, the input is one of {batch}"
            )
        return start.expand(-1, batch, -1).clone(memory_format=torch.contiguous_format)

    def _continued(self, which: int, kept: Tensor | None, batch: int, like: Tensor) -> Tensor:
        """h (which 0) or c (1) to begin a call with."""
        if kept is None:
            return self._start(which, batch, like)
        if kept.shape[1] != batch:
            raise RuntimeError(
                f"RecurrentStateLSTM: the state kept from the call before is of a batch of {kept.shape[1]}, the input"
                f" is one of {batch}: call reset() to begin new sequences"
            )
        if kept.is_inference() and not torch.is_inference_mode_enabled():
            return kept.clone()  # what inference_mode() made cannot take part in a graph
        return kept

    def extra_repr(self) -> str:
        return str(super().extra_repr()) + ("" if self.init_h is None else ", init_state=(h, c)")


class LSTMCell(nn.LSTMCell):  # type: ignore[misc, unused-ignore]
    """torch.nn.LSTMCell, and reset(). As torch's it keeps no state: the caller hands (h, c) from step to step, and a
    call without it begins from zeros."""

    def reset(self, batch: int | None = None) -> State:
        """The state before the first step: (h, c), zeros of [hidden_size], or of [batch, hidden_size], in the type and
        on the device of the weights. Changes nothing in the module, as there is nothing to forget; so it can be called
        on every recurrent module of a network, between sequences:

            state = cell.reset()
            for x in sequence:
                state = cell(x, state)
        """
        shape = (self.hidden_size,) if batch is None else (batch, self.hidden_size)
        return self.weight_hh.new_zeros(shape), self.weight_hh.new_zeros(shape)
