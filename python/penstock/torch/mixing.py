"""Operations that no stream can do, or that this version does not run, under their names: they mix timesteps, batch
rows or features, or assign to parts."""

from __future__ import annotations

from typing import Any

from penstock.importing.axes import Refused
from penstock.torch.table import Call, entry


def _dims(call: Call, rank: int) -> list[int]:
    """The dimensions along which it works: its argument dim or dims; all where that is absent."""
    for name in ("dim", "dims", "axis"):
        if name in call.arguments:
            given = call.arguments[name]
            if isinstance(given, int):
                return [given]
            if given:
                return list(given)
    return list(range(rank))


@entry(
    *("mean", "sum", "prod", "amax", "amin", "max", "min", "aminmax", "std", "var", "std_mean", "var_mean", "median"),
    *("norm", "linalg_vector_norm", "logsumexp", "argmax", "argmin", "any", "all", "nanmean", "nansum", "mode"),
    *("quantile", "kthvalue", "topk", "count_nonzero"),
)
def reduction(call: Call) -> Any:
    name = "self" if "self" in call.arguments else "input"
    if "other" in call.arguments:  # max(a, b), min(a, b)
        from penstock.torch.arithmetic import two

        return two(Call({"max": "maximum", "min": "minimum"}[call.op], call.arguments, {}, call.where, call.walk))
    x = call.signal(name)
    raise x.mixing(_dims(call, x.rank), f"{call.op} over it")


@entry(
    *("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "flip", "fliplr", "flipud", "roll", "sort", "argsort"),
    *("log_softmax", "_log_softmax", "diff", "glu"),
    pass_over=True,
)
def along(call: Call) -> Any:
    x = call.signal("self")
    doing = "reverses it" if call.op.startswith("flip") else f"{call.op} along it"
    raise x.mixing([0] if call.op == "flipud" else [1] if call.op == "fliplr" else _dims(call, x.rank), doing)


@entry("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm", pass_over=True)
def layer_norm(call: Call) -> Any:
    shape = call["normalized_shape"]
    raise call.signal("input").mixing(range(-len(shape), 0), f"{call.op} over it")


@entry("group_norm", "instance_norm", pass_over=True)
def group_norm(call: Call) -> Any:
    x = call.signal("input")
    raise x.mixing(range(1 if call.op == "group_norm" else 2, x.rank), f"{call.op} over it")


@entry(
    *("avg_pool1d", "max_pool1d", "max_pool1d_with_indices", "adaptive_avg_pool1d", "adaptive_max_pool1d", "lp_pool1d"),
    *("conv2d", "conv3d", "conv_transpose1d", "convolution", "upsample_linear1d", "upsample_nearest1d"),
)
def window(call: Call) -> Any:
    x = call.signal("self" if "self" in call.arguments else "input")
    raise x.mixing([-1], f"{call.op} along it")


@entry("pad", "constant_pad_nd", pass_over=True)
def pad(call: Call) -> Any:
    x = call.signal("self")
    padded = [x.rank - 1 - i for i in range(len(call["pad"]) // 2) if any(call["pad"][2 * i : 2 * i + 2])]
    if not padded:
        return x
    raise x.mixing(padded, "pads it")


@entry("scaled_dot_product_attention", "_native_multi_head_attention", pass_over=True)
def attention(call: Call) -> Any:
    raise Refused("mixes timesteps (attention)")


@entry("_transformer_encoder_layer_fwd", pass_over=True)
def transformer(call: Call) -> Any:
    raise Refused("mixes timesteps (attention of a TransformerEncoderLayer)")


@entry("gru", "rnn_tanh", "rnn_relu", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def other_recurrence(call: Call) -> Any:
    kind = "GRU" if call.op.startswith("gru") else "plain RNN"
    raise Refused(f"is a {kind}; this version runs LSTMs")


@entry("select_scatter", "slice_scatter", "index_put", "scatter", "masked_fill", "masked_scatter", "copy")
def assignment(call: Call) -> Any:
    raise Refused(f"assigns to a part of a tensor ({call.op})")


@entry("einsum")
def einsum(call: Call) -> Any:
    raise Refused(f"is not run by this version (einsum {call['equation']!r}); write a matrix product as linear")
