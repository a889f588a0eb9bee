"""Model: layers with fp32 weights and an initial state, checked, immutable; what every importer makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock import arrays
from penstock._native import c_bytes, c_path, c_text, check, ffi, lib, struct, text
from penstock.errors import ArgumentError, ClosedError
from penstock.importing import chain

if TYPE_CHECKING:
    from penstock.program import Program

Readout = Literal["all", "last"]
_TENSORS: dict[str, tuple[str, ...]] = {
    "lstm": ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "h0", "c0"),
    "linear": ("weight", "bias"),
    "activation": (),
    "softmax": (),
}
_DTYPES: dict[str, int] = {"float32": lib.PST_F32, "float64": lib.PST_F64, "float16": lib.PST_F16}


@dataclass(frozen=True)
class LayerInfo:
    """One layer, in the order of the data.

    kind: "lstm", "linear", "activation" or "softmax". function: of an activation, else None; alpha, beta: its settings,
    0 where it has none. inputs, outputs: features. tensors: float32, read-only, by PyTorch's names within the layer;
    what is absent is zeros."""

    kind: str
    function: str | None
    inputs: int
    outputs: int
    parameters: int
    alpha: float = 0.0
    beta: float = 0.0
    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict, repr=False, compare=False)


class _Keeper:
    """What the C structs of a model point to, kept until the call is over."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def struct(self, name: str) -> Any:
        return self.keep(struct(name))

    def text(self, name: str, value: str) -> Any:
        return self.keep(c_text(name, value))

    def pointers(self, kind: str, values: Sequence[Any]) -> Any:
        return self.keep(ffi.new(f"const {kind} *[]", list(values)))

    def tensor(self, where: str, name: str, value: NDArray[Any]) -> Any:
        found = np.asarray(value)
        if found.dtype.name not in _DTYPES:
            raise ArgumentError(
                f"{where}, {name}: expected float32, float64 or float16, found {found.dtype}", item=where, field=name
            )
        array = self.keep(np.ascontiguousarray(found, dtype=found.dtype.newbyteorder("=")))
        tensor = self.struct("pst_tensor")
        tensor.name = self.text("name", name)
        tensor.dtype = _DTYPES[array.dtype.name]
        tensor.rank = found.ndim
        tensor.shape = self.keep(ffi.new("uint64_t[]", list(found.shape)))
        tensor.data = self.keep(ffi.from_buffer(array.reshape(-1).view(np.uint8)))
        return tensor

    def attribute(self, name: str, value: float) -> Any:
        attribute = self.struct("pst_attribute")
        attribute.name = self.text("name", name)
        attribute.value = value
        return attribute

    def layer(self, given: chain.Layer) -> Any:
        layer = self.struct("pst_layer")
        kind: str
        settings: dict[str, float | None] = {}
        match given:
            case chain.Lstm():
                kind = "lstm"
            case chain.Linear():
                kind = "linear"
            case chain.Activation():
                kind, settings = "activation", {"alpha": given.alpha, "beta": given.beta}
                layer.function = self.text("function", given.function)
            case chain.Softmax():
                kind = "softmax"
            case _:
                raise ArgumentError(
                    f"layers: expected Lstm, Linear, Activation or Softmax, found {type(given).__qualname__}",
                    item="layers",
                )
        layer.kind = self.text("kind", kind)
        tensors = [(name, getattr(given, name)) for name in _TENSORS[kind]]
        there = [self.tensor(given.where, name, value) for name, value in tensors if value is not None]
        layer.tensors, layer.tensor_count = self.pointers("pst_tensor", there), len(there)
        set_ = [self.attribute(name, value) for name, value in settings.items() if value is not None]
        layer.attributes, layer.attribute_count = self.pointers("pst_attribute", set_), len(set_)
        return layer


def layer_infos(count: int, ask: Callable[[int, Any], int]) -> tuple[LayerInfo, ...]:
    """The layers of a model or a program; ask(index, info) fills in one."""
    found = []
    for index in range(count):
        info = struct("pst_layer_info")
        check(ask(index, info))
        found.append(
            LayerInfo(
                kind=str(text(info.kind)),
                function=text(info.function),
                inputs=info.inputs,
                outputs=info.outputs,
                parameters=info.parameters,
                alpha=info.alpha,
                beta=info.beta,
            )
        )
    return tuple(found)


def readout_of(info: Any) -> Readout:
    """Of a pst_info."""
    return "last" if text(info.readout) == "last" else "all"


def _tensors_of(model: Any, index: int, kind: str) -> dict[str, NDArray[np.float32]]:
    """Copies of what a layer has, read-only."""
    found = {}
    for name in _TENSORS[kind]:
        tensor = struct("pst_tensor")
        status = lib.pst_model_get_tensor(model, index, name.encode(), tensor)
        if status == lib.PST_E_EMPTY:
            continue
        check(status)
        shape = tuple(tensor.shape[i] for i in range(tensor.rank))
        size = int(np.prod(shape))
        array = np.frombuffer(bytes(ffi.buffer(ffi.cast("char *", tensor.data), 4 * size)), np.float32)
        found[name] = array.reshape(shape)  # over bytes, thus read-only
    return found


class Model:
    """Layers with fp32 weights and an initial state. Immutable: any number of threads may share one.

    Made by Model.create, Model.read, or a loader: penstock.torch.export, penstock.onnx.load, penstock.keras.load,
    penstock.nam.load, penstock.rtneural.load. A context manager, though nothing is held but memory.

    notes: sentences of the importer on what it found."""

    __slots__ = ("_handle", "_info", "_layers", "_readout", "notes")

    def __init__(self, handle: Any, notes: Iterable[str] = ()) -> None:
        """handle: a pst_model, owned; not for users."""
        self._handle: Any = ffi.gc(handle, lib.pst_model_free)
        self._info = struct("pst_info")
        check(lib.pst_model_get_info(self._handle, self._info))
        self._readout = readout_of(self._info)
        self._layers: tuple[LayerInfo, ...] | None = None
        self.notes: tuple[str, ...] = tuple(notes)

    @classmethod
    def create(cls, layers: Sequence[chain.Layer], readout: Readout = "all", notes: Iterable[str] = ()) -> Model:
        """A model from layers in the order of the data: Lstm, Linear, Activation, Softmax of penstock.importing.chain.
        Everything is copied; weights become the nearest float32.

        readout: "last" records that the source gives only the last step's output; it changes no number.

        Raises ShapeError, NonFiniteError, UnsupportedError, ArgumentError, which name layer and tensor."""
        keeper = _Keeper()
        made = [keeper.layer(layer) for layer in layers]
        options, out = keeper.struct("pst_model_options"), ffi.new("pst_model **")
        options.readout = keeper.text("readout", readout)
        check(lib.pst_model_create(keeper.pointers("pst_layer", made), len(made), options, out))
        return cls(out[0], notes)

    @classmethod
    def read(cls, source: str | os.PathLike[str] | bytes, prefix: str | None = None) -> Model:
        """Reads a .safetensors checkpoint, from a path or from its bytes: one with a layer graph in its metadata, or a
        bare state_dict of an LSTM stack and a Linear (docs/format.md).

        prefix: only tensors whose names begin with it count, and it is cut off; None: found by itself.

        Reads the whole file, without the GIL. Raises FileError, CorruptError, UnsupportedError, ShapeError ..."""
        options, out = struct("pst_read_options"), ffi.new("pst_model **")
        kept = c_text("prefix", prefix) if prefix is not None else ffi.NULL
        options.prefix = kept
        if isinstance(source, bytes | bytearray | memoryview):
            held = c_bytes("source", source)
            check(lib.pst_model_read_memory(held, len(held), options, out))
        else:
            check(lib.pst_model_read(c_path(source), options, out))
        return cls(out[0])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a .safetensors checkpoint with the layer graph in its metadata, float32, which Model.read and the C
        tools read: the same model bit for bit, but for `notes`. To a temporary name in the same folder, then renamed;
        without the GIL."""
        check(lib.pst_model_save(self.handle(), c_path(path)))

    # ---- what it is ----

    def handle(self) -> Any:
        """The pst_model; not for users. Who holds what this returns keeps the model alive across close()."""
        if self._handle is None:
            raise ClosedError("model: it was closed", item="model")
        return self._handle

    @property
    def inputs(self) -> int:
        """Features of x."""
        return int(self._info.inputs)

    @property
    def outputs(self) -> int:
        """Features of y."""
        return int(self._info.outputs)

    @property
    def parameters(self) -> int:
        return int(self._info.parameters)

    @property
    def readout(self) -> Readout:
        """ "last" where the source gave only the last step's output: after T steps from reset, y is its answer."""
        return self._readout

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """All layers in the order of the data, with copies of their tensors."""
        if self._layers is None:
            handle = self.handle()
            infos = layer_infos(self._info.layers, lambda i, info: lib.pst_model_get_layer(handle, i, info))
            self._layers = tuple(
                replace(info, tensors=_tensors_of(handle, index, info.kind)) for index, info in enumerate(infos)
            )
        return self._layers

    def __repr__(self) -> str:
        if self._handle is None:
            return "<penstock.Model, closed>"
        kinds = ", ".join(f"{layer.function or layer.kind} {layer.outputs}" for layer in self.layers)
        return f"<penstock.Model {self.inputs} -> {kinds}>"

    # ---- what it does ----

    def reference(self, x: arrays.ArrayLike) -> NDArray[np.float64]:
        """What the model answers in float64: slow, obvious, what "right" means. Each sequence starts from the model's
        initial state.

        x: float32, [T, inputs], or [S, T, inputs] for S sequences. Returns float64 of the same leading shape. Runs
        without the GIL, about 1e-9 s for each of S * T * parameters."""
        taken = arrays.sequences("x", x, self.inputs)
        y = np.empty((*taken.shape[:2], self.outputs))
        check(
            lib.pst_model_reference(
                self.handle(),
                ffi.from_buffer("float[]", taken),
                taken.shape[0],
                taken.shape[1],
                ffi.from_buffer("double[]", y),
            )
        )
        return y.reshape(*np.shape(x)[:-1], self.outputs)

    def compile(
        self,
        format: str = "bf16",
        calibrate: arrays.ArrayLike | None = None,
        *,
        tolerance: float | None = None,
        tolerance_abs: float | None = None,
        seed: int = 0,
        certificate_steps: int = 0,
        certify: bool = True,
        level: str | None = None,
        progress: bool | Callable[[float, str], object] = True,
        held_back: arrays.ArrayLike | None = None,
        format_layer: Mapping[int, str] | str | None = None,
        group: int | None = None,
        nearest: bool = False,
        prove: bool = False,
        cores: int | None = None,
    ) -> Program:
        """Compiles into a program of one format and certifies it against the float64 reference on this host.

        format: "f32", "bf16", "w8a16", "w8a8", "w6a16", "w4a16", "w4a8", "w3a8" or "w2a8" (W_ih so; of fewer than 8
        bits W_hh, off the path, and the Linear are w8a16); "w8r", "w6r", "w4r", "w3r" or "w2r": respond multiplies W_ih
        coarsely, settle adds the rest in 8 bits; or roles, any of "ih=w4r,hh=w16a16,linear=w8a16". Or "auto": formats
        are timed on this host, and of those tried the fastest that holds the tolerance is taken; Program.frontier has
        them all, and where none holds ToleranceError.frontier.
        format_layer: other formats of some layers: {0: "w8a16"}, or as one text "0=w8a16;2=w4r".
        calibrate: float32 [T, inputs] or [S, T, inputs], input as it will come: the error is measured over it, and the
        integer formats take from it the scales of h and of x's features, and round weights to the least error of the
        products. None: seeded normal noise, and an error on noise is not an error on your data.
        held_back: more of it, to certify over, that nothing is calibrated on; None: the last fifth of calibrate, which
        then is no more of it.
        group: inputs that share a multiplier, of 2 to 4 bits: a power of two from 32 on; None: 32 (2 bits: 64).
        nearest=True: weights are rounded to nearest, whatever the calibration says. prove=True: also certificates over
        a long run and inputs made to hurt, and the error of each matrix: Program.certificates, Program.matrices.
        cores: on how many "auto" times formats; None: 1.
        tolerance, tolerance_abs: the largest relative rms error, and the largest absolute error, that is accepted, of
        either certificate.
        seed: of the noise; 0: a fixed one. certificate_steps: of each sequence, at most; 0: as many as take about a
        second. certify=False: no certificate, Program.error is None. level: the highest instruction set level to use.
        progress: True: a bar on stderr if that is a terminal; False: none; or a function (done in [0, 1], stage),
        called on this thread: returning False cancels (CancelledError), and what it raises ends the compilation and is
        raised here. Ctrl-C does the same, as KeyboardInterrupt.

        Runs without the GIL but for the calls of progress. Raises ToleranceError, NonFiniteError, ArgumentError ..."""
        from penstock.compiling import compile_model

        return compile_model(
            self,
            format=format,
            calibrate=calibrate,
            held_back=held_back,
            format_layer=format_layer,
            group=group,
            nearest=nearest,
            prove=prove,
            cores=cores,
            tolerance=tolerance,
            tolerance_abs=tolerance_abs,
            seed=seed,
            certificate_steps=certificate_steps,
            certify=certify,
            level=level,
            progress=progress,
        )

    def close(self) -> None:
        """Gives the memory back, once no call uses it any more. Twice is no error."""
        self._handle = None

    @property
    def closed(self) -> bool:
        return self._handle is None

    def __enter__(self) -> Model:
        self.handle()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
