"""Damaged Keras files: always an exception of Penstock that names the file, never another one."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from anything import quick, with_any_bytes, with_any_value
from hypothesis import given
from hypothesis import strategies as st
from kerasfile import entry, find, rewritten

import penstock.keras
from penstock.errors import CorruptError, Error, FileError, NonFiniteError, ShapeError
from penstock.keras import _found

FILES = Path(__file__).parent / "files"


def refused(path, error, match):
    with pytest.raises(error, match=match) as caught:
        penstock.keras.load(path, verify=False)
    assert str(path) in str(caught.value)


def changed(tmp_path, name="sequential.keras", **changes):
    return rewritten(FILES / name, tmp_path / ("changed" + Path(name).suffix), **changes)


def written(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


def test_files_that_are_none(tmp_path):
    refused(tmp_path / "absent.keras", FileError, "cannot be read")
    refused(tmp_path, FileError, "cannot be read")
    refused(written(tmp_path, b""), CorruptError, "neither a .keras archive nor HDF5")
    refused(written(tmp_path, b"{}"), CorruptError, "neither a .keras archive nor HDF5")
    with pytest.raises(FileError):
        penstock.keras.load("a\0b.keras")


def test_truncated(tmp_path):
    for name in ("sequential.keras", "keras2.h5"):
        data = (FILES / name).read_bytes()
        for size in range(2, len(data) - 1, len(data) // 40):
            refused(written(tmp_path, data[:size]), CorruptError, "damaged|truncated|missing|begins")


def test_archives(tmp_path):
    refused(changed(tmp_path, members={"config.json": None}), CorruptError, "config.json: is missing")
    refused(changed(tmp_path, members={"model.weights.h5": None}), CorruptError, "model.weights.h5: is missing")
    path = changed(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning):
        archive.writestr("config.json", "{}")
    refused(path, CorruptError, "config.json: stands in the archive twice")
    data = bytearray(changed(tmp_path).read_bytes())
    data[data.find(b"class_name")] ^= 1  # the archive's own checksum
    refused(written(tmp_path, bytes(data)), CorruptError, "damaged archive: BadZipFile")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b"{}" + bytes(1000))
    data = content.getvalue().replace((1002).to_bytes(4, "little"), (1 << 27).to_bytes(4, "little"))
    refused(written(tmp_path, data), CorruptError, "config.json: says it has 134217728 bytes")


@pytest.mark.parametrize(
    "text, match",
    [
        (b"", "config.json: not JSON"),
        (b"{", "config.json: not JSON"),
        (b"[]", "must be an object"),
        (b'{"class_name": "Sequential", "class_name": "Functional"}', "'class_name' stands twice"),
        (b'{"class_name": NaN}', "NaN is not a JSON number"),
        (b'{"class_name": 1e999}', "larger than a double"),
        (b'{"class_name": -Infinity}', "-Infinity is not a JSON number"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "not a number"),
        (b'{"class_name": "\xff"}', "not UTF-8"),
        (b'{"class_name": 3}', "class_name must be a string, is 3"),
        (b'{"class_name": "Sequential", "config": 3}', "config: must be an object"),
        (b'{"class_name": "Sequential", "config": {"layers": {}}}', "layers must be a list"),
        (b'{"class_name": "Sequential", "config": {"layers": []}}', "has no layers"),
        (b'{"class_name": "Sequential", "config": {"layers": [3]}}', "layer 0: must be an object, is 3"),
        (b'{"class_name": "Functional", "config": {"layers": []}}', "has no layers"),
        (b'{"config": {"layers": []}}', "class_name is missing"),
    ],
)
def test_configurations_that_are_none(tmp_path, text, match):
    refused(changed(tmp_path, members={"config.json": text}), CorruptError, match)


@pytest.mark.parametrize(
    "layer, key, value, match",
    [
        ("lstm", "units", None, "units must be a whole number, is None"),
        ("lstm", "units", "5", "units must be a whole number"),
        ("lstm", "units", 5.0, "units must be a whole number"),
        ("lstm", "units", True, "units must be a whole number"),
        ("lstm", "units", 0, "units must be from 1 to 65536, is 0"),
        ("lstm", "units", -4, "units must be from 1 to 65536, is -4"),
        ("lstm", "units", 10**30, "units must be from 1 to 65536"),
        ("lstm", "use_bias", 1, "use_bias must be true or false, is 1"),
        ("lstm", "return_sequences", "yes", "return_sequences must be true or false"),
        ("dense_1", "units", [2], "units must be a whole number"),
        ("batch_normalization", "epsilon", "small", "epsilon must be a number"),
        ("batch_normalization", "epsilon", -9.0, "moving_variance plus epsilon must be positive"),
        ("batch_normalization", "epsilon", 10**400, "epsilon is larger than a double"),
        ("input_layer", "batch_shape", 3, "batch_shape must be a list"),
        ("input_layer", "batch_shape", [None, None, 1.5], "batch_shape must be a list of whole"),
        ("input_layer", "batch_shape", [None, None, 0], "batch_shape ends with 0 features"),
        ("input_layer", "name", "lstm", "two layers have the name 'lstm'"),
    ],
)
def test_settings(tmp_path, layer, key, value, match):
    path = changed(tmp_path, configure=lambda config: find(config, layer).__setitem__(key, value))
    refused(path, CorruptError, match)


@pytest.mark.parametrize("layer, key", [("lstm", "units"), ("lstm", "use_bias"), ("lstm", "activation")])
def test_a_missing_setting(tmp_path, layer, key):
    path = changed(tmp_path, configure=lambda config: find(config, layer).pop(key) and None)
    refused(path, CorruptError, f"{layer} .LSTM.: {key} is missing")


def test_shapes(tmp_path):
    def units(config):
        find(config, "lstm")["units"] = 4

    refused(changed(tmp_path, configure=units), ShapeError, r"lstm, kernel .*must be \[3, 16\], is \[3, 20\]")

    def inputs(config):
        entry(config, "input_layer")["config"]["batch_shape"] = [None, None, 2]

    refused(changed(tmp_path, configure=inputs), CorruptError, "ends with 2 features; another shape says 3")

    def both(config):
        inputs(config)
        config["config"]["build_input_shape"] = [None, None, 2]

    refused(changed(tmp_path, configure=both), ShapeError, r"lstm, kernel .*must be \[2, 20\], is \[3, 20\]")

    def weigh(file):
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = np.zeros((2, 1), np.float32)

    refused(changed(tmp_path, weigh=weigh), ShapeError, r"dense_1, bias .*must be \[2\], is \[2, 1\]")


def put(path, index, value):
    def weigh(file):
        array = file[path][()]
        array[index] = value
        file[path][...] = array

    return weigh


def test_values(tmp_path):
    kernel = "layers/lstm/cell/vars/0"
    refused(changed(tmp_path, weigh=put(kernel, (1, 2), np.nan)), NonFiniteError, r"lstm, kernel .*\[1\]\[2\] is nan")
    refused(changed(tmp_path, weigh=put(kernel, (0, 0), -np.inf)), NonFiniteError, "is -inf")
    refused(changed(tmp_path, weigh=put(kernel, (0, 0), 2.0**41)), NonFiniteError, "at most 2.40")
    refused(
        changed(tmp_path, "keras2.h5", weigh=put("model_weights/lstm/lstm/lstm_cell/bias:0", 7, np.nan)),
        NonFiniteError,
        r"lstm_cell/bias:0\[7\] is nan",
    )


def replace(path, value):
    def weigh(file):
        del file[path]
        if value is not None:
            file[path] = value

    return weigh


def test_weights(tmp_path):
    import h5py

    kernel = "layers/lstm/cell/vars/0"
    whole = np.zeros((3, 20), np.int32)

    def huge(file):
        del file[kernel]
        file.create_dataset(kernel, (3, 20), "f4")

    refused(changed(tmp_path, weigh=replace(kernel, None)), CorruptError, "lstm, layers/lstm/cell/vars: has 2 variab")
    refused(changed(tmp_path, weigh=replace("layers/lstm", None)), CorruptError, "lstm, layers/lstm: is missing")
    refused(changed(tmp_path, weigh=replace("layers", None)), CorruptError, "layers/lstm: is missing")
    refused(changed(tmp_path, weigh=replace(kernel, whole)), CorruptError, "holds no floating-point numbers")
    refused(changed(tmp_path, weigh=huge), CorruptError, "says it has 240 bytes, but 0 are stored")
    refused(changed(tmp_path, weigh=replace(kernel, h5py.SoftLink("/x"))), CorruptError, "links are not followed")
    refused(changed(tmp_path, weigh=lambda f: f.create_group("layers/lstm_2")), CorruptError, "has no such layer")
    named = "layers/lstm_1/vars"
    refused(
        changed(tmp_path, weigh=lambda f: f[named].attrs.__setitem__("name", "other")),
        CorruptError,
        "layers/lstm_1: belongs to the layer 'other', not to 'lstm_1'",
    )

    def more(file):
        file["layers/dense/vars/2"] = np.zeros(2, np.float32)

    refused(changed(tmp_path, weigh=more), CorruptError, r"has 3 variables, not 2 \(kernel, bias\)")


def attribute(group, name, value):
    return lambda file: file[group].attrs.__setitem__(name, value)


def test_legacy_index(tmp_path):
    def drop(group, name):
        return lambda file: file[group].attrs.__delitem__(name)

    def case(weigh, match):
        refused(changed(tmp_path, "keras2.h5", weigh=weigh), CorruptError, match)

    case(drop("/", "model_config"), "model_config is missing")
    case(attribute("/", "model_config", 3), "model_config is missing, or no text")
    case(attribute("/", "model_config", "{"), "model_config: not JSON")
    case(drop("model_weights", "layer_names"), "layer_names is missing")
    case(attribute("model_weights", "layer_names", [1, 2]), "layer_names is missing, or no list of texts")
    case(attribute("model_weights", "layer_names", ["lstm", "other"]), "has 'other', but model_config")
    case(attribute("model_weights", "layer_names", ["lstm"]), "is missing from the attribute layer_names")
    case(drop("model_weights/lstm", "weight_names"), "model_weights/lstm: the attribute weight_names is missing")
    names = ["lstm/lstm_cell/recurrent_kernel:0", "lstm/lstm_cell/kernel:0", "lstm/lstm_cell/bias:0"]
    case(attribute("model_weights/lstm", "weight_names", names), "where kernel is due")
    case(attribute("model_weights/lstm", "weight_names", names[:2]), "has 2 weights, not 3")
    elsewhere = ["a/kernel:0", names[0], names[2]]
    case(attribute("model_weights/lstm", "weight_names", elsewhere), "is missing from the file")
    case(replace("model_weights", None), "model_weights: is missing")
    case(replace("model_weights/lstm", np.zeros(3)), "model_weights/lstm: must be a group")


# ---- anything at all -------------------------------------------------------------------------------------------------

ORIGINALS = ("sequential.keras", "functional.keras", "keras2.h5", "legacy3.h5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


def tried(path, data):
    """Loads the bytes as a file; whatever is raised must be Penstock's, and name the file."""
    path.write_bytes(data)
    try:
        _found(path)
    except Error as error:
        assert str(path) in str(error)


def members_of(name):
    with zipfile.ZipFile(FILES / name) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def archived(members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


@quick
@given(data=st.data(), name=st.sampled_from(["sequential.keras", "functional.keras", "cells.keras", "scalars.keras"]))
def test_any_configuration(folder, data, name):
    members = members_of(name)
    members["config.json"] = json.dumps(with_any_value(data, json.loads(members["config.json"]))).encode()
    tried(folder / "any.keras", archived(members))


@quick
@given(data=st.data(), name=st.sampled_from(ORIGINALS))
def test_any_bytes(folder, data, name):
    tried(folder / name, with_any_bytes(data, (FILES / name).read_bytes()))


@quick
@given(data=st.data())
def test_any_weights(folder, data):
    """Within an archive whose checksums are right."""
    members = members_of("sequential.keras")
    members["model.weights.h5"] = with_any_bytes(data, members["model.weights.h5"])
    tried(folder / "any.keras", archived(members))


@quick
@given(data=st.binary(max_size=64), start=st.sampled_from([b"", b"PK", b"PK\3\4", b"\x89HDF\r\n\x1a\n\0"]))
def test_any_beginning(folder, data, start):
    tried(folder / "any", start + data)
