"""The HDF5 reader against h5py, and what it refuses."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from penstock.errors import CorruptError, UnsupportedError
from penstock.keras import hdf5

h5py = pytest.importorskip("h5py")
FILES = Path(__file__).parent / "files"


def made(build, **options):
    content = io.BytesIO()
    with h5py.File(content, "w", **options) as file:
        build(file)
    return content.getvalue()


def compare(ours, theirs):
    """Every group, dataset and text attribute, both ways; how many there were."""
    count = 0
    for name, value in theirs.attrs.items():
        if isinstance(value, h5py.Empty):
            continue
        texts = [text.decode() if isinstance(text, bytes) else text for text in np.atleast_1d(value).tolist()]
        if all(isinstance(text, str) for text in texts):
            assert ours.texts(name) == texts
            count += 1
        else:
            assert ours.texts(name) is None
    assert ours.texts("no such attribute") is None
    assert sorted(ours.names()) == sorted(theirs)
    assert ours.child("no such member") is None
    for name, member in theirs.items():
        found = ours.child(name)
        if isinstance(member, h5py.Group):
            count += compare(found, member)
            continue
        assert isinstance(found, hdf5.Data) and found.shape == member.shape
        if found.kind == "float":
            assert found.stored == member.nbytes
            assert found.values().dtype == member.dtype.newbyteorder("=")
            assert np.array_equal(found.values(), member[()], equal_nan=True)
            count += 1
        elif found.kind == "opaque":
            assert found.values().tobytes() == member[()].tobytes()
            count += 1
    return count


@pytest.mark.parametrize("path", sorted(FILES.glob("*.h5")) + sorted(FILES.glob("*.keras")), ids=lambda p: p.name)
def test_committed_files(path):
    data = path.read_bytes()
    if path.suffix == ".keras":
        data = zipfile.ZipFile(path).read("model.weights.h5")
    with h5py.File(io.BytesIO(data), "r") as file:
        assert compare(hdf5.root(data, "file"), file) >= 9


def test_everything_that_h5py_writes():
    random = np.random.default_rng(1)

    def build(file):
        for code in "f2 f4 f8 >f2 >f4 >f8".split():
            file[f"floats/{code}"] = random.standard_normal((3, 2, 4)).astype(code)
        file["floats/scalar"] = np.float32(2.5)
        file["floats/empty"] = np.zeros((0, 4), np.float32)
        file["floats/special"] = np.array([np.nan, np.inf, -0.0, 1e-45], np.float32)
        file["whole"] = np.arange(5)
        file["truth"] = np.array([True, False])
        file["opaque"] = np.arange(6, dtype=np.uint16).view("V2").reshape(2, 3)
        file["text"] = "a text is no weight"
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        small = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4,)), compact)
        small.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype=np.float32))
        wide = file.create_group("wide")
        for index in range(700):  # a tree of more than one level
            wide.create_group(f"member {index} of a group of many")
        for name in ("größe", "plain", "数"):
            file[f"names/{name}"] = np.float32(len(name))
        attributes = file.create_group("attributes").attrs
        for index in range(40):  # more than an object header's first block
            attributes[f"number {index}"] = f"text {index} " * index
        attributes["bytes"] = np.bytes_(b"fixed size")
        attributes["list"] = np.array([b"one", b"two and more", b""])
        attributes["variable"] = ["ä", "", "a longer one " * 50]
        attributes["empty"] = np.array([])
        attributes["null"] = h5py.Empty("S3")
        attributes["numbers"] = np.arange(3.0)
        attributes["long"] = "x" * 60_000
        attributes["name "] = "the name ends with a space"

    data = made(build)
    with h5py.File(io.BytesIO(data), "r") as file:
        root = hdf5.root(data, "file")
        assert compare(root, file) == 60
        assert len(root.child("wide").names()) == 700
        assert root.child("attributes").texts("null") == []


def refused(build, error, match, **options):
    data = made(build, **options)
    with pytest.raises(error, match=match):
        root = hdf5.root(data, "file.h5")
        for name in root.names():
            root.child(name)


def test_what_is_refused():
    refused(
        lambda f: f.create_dataset("a", data=np.ones(100, np.float32), compression="gzip"), UnsupportedError, "chunks"
    )
    refused(lambda f: f.create_dataset("a", data=np.ones(100), chunks=(10,)), UnsupportedError, "chunks")
    refused(
        lambda f: f.create_dataset("a", (4,), "f4", external=[("elsewhere.bin", 0, 16)]),
        UnsupportedError,
        "other files",
    )
    refused(lambda f: [f.create_group(f"größe {i}") for i in range(9)], UnsupportedError, "more than 8 members")
    refused(lambda f: f.__setitem__("größe", h5py.SoftLink("/b")), CorruptError, "is a link to another place")
    refused(lambda f: f.__setitem__("a", h5py.ExternalLink("b.h5", "/b")), CorruptError, "is a link to another place")
    refused(lambda f: f.__setitem__("a", h5py.SoftLink("/b")), CorruptError, "a: is a link to another place")
    refused(lambda f: f.create_dataset("a", data=1.0), UnsupportedError, "superblock 3", libver="latest")


def test_what_was_never_written_is_stored_as_nothing():
    data = made(lambda f: f.create_dataset("a", (1 << 20, 1 << 20), "f4"))
    found = hdf5.root(data, "file").child("a")
    assert found.shape == (1 << 20, 1 << 20) and found.stored == 0


def test_structures_that_contain_themselves():
    """A tree whose child is the tree, and an object header that goes on in itself, end in an error."""
    data = bytearray(made(lambda f: [f.create_group(f"group {i}") for i in range(700)]))
    tree = data.find(b"TREE\0\1")
    assert tree > 0
    data[tree + 32 : tree + 40] = tree.to_bytes(8, "little")
    with pytest.raises(CorruptError, match="contains itself"):
        hdf5.root(bytes(data), "file")

    def build(file):
        for index in range(40):
            file.attrs[f"attribute {index}"] = "text " * index

    data = bytearray(made(build))
    header = int.from_bytes(data[64:72], "little")
    place = next(p for p in range(header + 16, len(data), 8) if data[p : p + 4] == b"\x10\0\x10\0")
    block = int.from_bytes(data[place + 8 : place + 16], "little")
    size = int.from_bytes(data[place + 16 : place + 24], "little")
    data[block : block + 24] = b"\x10\0\x10\0\0\0\0\0" + block.to_bytes(8, "little") + size.to_bytes(8, "little")
    with pytest.raises(CorruptError, match="goes on in itself"):
        hdf5.root(bytes(data), "file")


def test_a_heap_of_texts_with_an_object_of_no_size():
    """The damage over which HDF5's own library runs for ever."""
    data = bytearray((FILES / "legacy3.h5").read_bytes())
    heap = data.find(b"GCOL")
    first = heap + 16
    data[first : first + 16] = bytes(16)
    with pytest.raises(CorruptError, match="damaged HDF5: an object of 0 bytes"):
        hdf5.root(bytes(data), "file").texts("model_config")
