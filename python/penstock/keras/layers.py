"""Every Keras layer by its class: what reads it, or why it is refused."""

from __future__ import annotations

from collections.abc import Callable

from penstock.importing.jsonfile import shown
from penstock.keras import affine, matrices, scalar
from penstock.keras.graph import Layer
from penstock.keras.plan import Plan


def _input(plan: Plan, layer: Layer) -> None:
    fields = layer.config
    for key in ("sparse", "ragged", "optional"):
        if fields.flag(key, False):
            plan.problem(fields.where, f"{key}=True is not run")
    plan.policy(fields)
    plan.declared(fields)
    plan.finish(fields)


def _flatten(plan: Plan, layer: Layer) -> None:
    """Nothing to do for one step's features; of a sequence it would join the timesteps."""
    fields = layer.config
    if plan.rank == 3:
        plan.problem(fields.where, MIXES)
    fields.ignore("data_format")
    plan.policy(fields)
    plan.finish(fields)


MIXES = "mixes timesteps"

_READERS: dict[str, Callable[[Plan, Layer], None]] = {
    "InputLayer": _input,
    "LSTM": matrices.lstm,
    "RNN": matrices.rnn,
    "Dense": matrices.dense,
    "TimeDistributed": matrices.time_distributed,
    "BatchNormalization": affine.batch_normalization,
    "Rescaling": affine.rescaling,
    "Normalization": affine.normalization,
    "Flatten": _flatten,
}

_WHY = (
    {
        "Bidirectional": "mixes timesteps (reads the sequence from both ends)",
        "GRU": "a GRU; of recurrent layers only LSTM is run",
        "SimpleRNN": "a plain RNN; of recurrent layers only LSTM is run",
        "CuDNNLSTM": "keeps two biases in a layout of its own; load its weights into an LSTM and save that",
        "Masking": "skips timesteps",
        "Embedding": "reads whole numbers; embed before the model",
        "LayerNormalization": "a layer norm is not run",
        "Lambda": "any Python code; write it as layers",
        "PReLU": "slopes that are learnt are not run",
        "Sequential": "a model within the model is not run",
        "Functional": "a model within the model is not run",
        "Model": "a model within the model is not run",
    }
    | dict.fromkeys(
        (
            "Attention AdditiveAttention MultiHeadAttention GroupQueryAttention Conv1D SeparableConv1D DepthwiseConv1D "
            "Conv1DTranspose ConvLSTM1D GlobalAveragePooling1D GlobalMaxPooling1D AveragePooling1D MaxPooling1D "
            "AdaptiveAveragePooling1D AdaptiveMaxPooling1D Permute Reshape RepeatVector UpSampling1D Cropping1D "
            "ZeroPadding1D"
        ).split(),
        MIXES,
    )
    | dict.fromkeys(
        "Add Subtract Multiply Average Maximum Minimum Concatenate Dot".split(),
        "joins several paths; only a single path is run",
    )
)


def plan_layer(plan: Plan, layer: Layer) -> None:
    """Adds the layer to the plan, or the problem that it is."""
    if layer.kind in _READERS:
        _READERS[layer.kind](plan, layer)
    elif layer.kind in scalar.LAYERS:
        plan.policy(layer.config)
        plan.declared(layer.config)
        plan.then(*scalar.LAYERS[layer.kind](plan, layer.config))
    else:
        plan.problem(layer.where, _WHY.get(layer.kind, f"the layer {shown(layer.kind)[1:-1]} is not run"))
