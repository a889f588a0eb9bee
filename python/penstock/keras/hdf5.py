"""Reads HDF5 in the format that h5py writes unless told otherwise, and so Keras: superblock 0 or 1, symbol tables,
object headers of version 1, data in one piece. After the HDF5 File Format Specification, version 3.0, The HDF Group.

Why not by h5py: the format has no checksums, and HDF5's own library crashes, or runs for ever, on some damaged files.
Here every offset and length is checked, and a structure is never read within itself, so damage is an exception."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from penstock.errors import CorruptError, Problem, unsupported
from penstock.importing.jsonfile import corrupt, shown

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NONE = (1 << 64) - 1  # the address of what is nowhere
_DATASPACE, _DATATYPE, _LAYOUT, _ATTRIBUTE, _CONTINUATION, _SYMBOLS = 0x1, 0x3, 0x8, 0xC, 0x10, 0x11
_FILTERS, _EXTERNAL, _LINKS, _LINK = 0xB, 0x7, 0x2, 0x6
_MOST = 1 << 20  # messages of an object, or nodes of a tree: more is damage


class File:
    """The bytes, and what of them has been understood."""

    def __init__(self, data: bytes, source: str) -> None:
        self.data = data
        self.source = source
        self._heaps: dict[int, dict[int, bytes]] = {}

    def bad(self, at: int, what: str) -> CorruptError:
        return corrupt(self.source, f"byte {at}", f"damaged HDF5: {what}")

    def piece(self, at: int, size: int) -> bytes:
        """`size` bytes from `at`; CorruptError if the file has them not."""
        if at + size > len(self.data):
            raise self.bad(at, f"{size} bytes are due, but the file ends at {len(self.data)}")
        return self.data[at : at + size]

    def number(self, at: int, size: int) -> int:
        """A number of `size` bytes, little-endian, not negative."""
        return int.from_bytes(self.piece(at, size), "little")

    def expect(self, at: int, signature: bytes) -> None:
        if self.piece(at, len(signature)) != signature:
            raise self.bad(at, f"{shown(signature)} is due, {shown(self.piece(at, len(signature)))} is there")

    def heap(self, at: int) -> dict[int, bytes]:
        """The objects of the global heap at `at`, by their numbers."""
        if at not in self._heaps:
            self.expect(at, b"GCOL\x01")
            end = at + self.number(at + 8, 8)
            self.piece(at, end - at)
            found: dict[int, bytes] = {}
            place = at + 16
            while place + 16 <= end:
                index, length = self.number(place, 2), self.number(place + 8, 8)
                # Object 0 is the space left over, its header included; the others are padded to 8 bytes.
                taken = length if index == 0 else 16 + (length + 7) // 8 * 8
                if taken < 16 or place + taken > end:
                    raise self.bad(place, f"an object of {length} bytes in a heap that ends at {end}")
                if index != 0:
                    found[index] = self.data[place + 16 : place + 16 + length]
                place += taken
            self._heaps[at] = found
        return self._heaps[at]

    def messages(self, at: int) -> Iterator[tuple[int, int, int]]:
        """(kind, where its data begin, their size) of each message of the object header at `at`."""
        if self.number(at, 1) != 1:
            raise self.bad(at, f"an object header of version {self.number(at, 1)}; 1 is due")
        left = self.number(at + 2, 2)
        blocks, seen = [(at + 16, self.number(at + 8, 4))], {at + 16}
        for place, size in blocks:
            end = place + size
            self.piece(place, size)
            while left and place + 8 <= end:
                kind, length, flags = self.number(place, 2), self.number(place + 2, 2), self.number(place + 4, 1)
                place += 8
                if place + length > end:
                    raise self.bad(place, f"a message of {length} bytes in a block that ends at {end}")
                if kind == _CONTINUATION:
                    if length < 16:
                        raise self.bad(place, f"a continuation of {length} bytes")
                    more = (self.number(place, 8), self.number(place + 8, 8))
                    if more[0] in seen:
                        raise self.bad(place, "an object header that goes on in itself")
                    seen.add(more[0])
                    blocks.append(more)
                elif flags & 2 and kind in (_DATASPACE, _DATATYPE, _LAYOUT, _ATTRIBUTE, _SYMBOLS):
                    raise self.bad(place, "a message kept elsewhere, which neither h5py nor Keras writes")
                else:
                    yield kind, place, length
                place += length
                left -= 1

    def members(self, tree: int, heap: int) -> dict[str, int]:
        """The names of a group, and where their object headers are; -1 for a link that is not a hard one."""
        self.expect(heap, b"HEAP\0")
        size, names = self.number(heap + 8, 8), self.number(heap + 24, 8)
        text = self.piece(names, size)
        found: dict[str, int] = {}
        nodes, seen = [tree], {tree}
        for node in nodes:
            if self.piece(node, 4) == b"SNOD":
                for index in range(self.number(node + 6, 2)):
                    entry = node + 8 + 40 * index
                    offset = self.number(entry, 8)
                    end = text.find(b"\0", offset)
                    if offset >= size or end < 0:
                        raise self.bad(entry, f"a name at {offset} in a heap of {size} bytes")
                    found[_utf8(text[offset:end])] = (
                        -1 if self.number(entry + 16, 4) == 2 else self.number(entry + 8, 8)
                    )
                continue
            self.expect(node, b"TREE\0")
            for index in range(self.number(node + 6, 2)):
                below = self.number(node + 24 + 16 * index + 8, 8)
                if below in seen or len(seen) > _MOST:
                    raise self.bad(node, "a tree that contains itself")
                seen.add(below)
                nodes.append(below)
        return found


def _utf8(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _shape(file: File, at: int, size: int) -> tuple[int, ...] | None:
    """Of a dataspace message; None: a null dataspace."""
    version, rank = file.number(at, 1), file.number(at + 1, 1)
    start = 8 if version == 1 else 4
    if version not in (1, 2) or rank > 32 or start + 8 * rank > size:
        raise file.bad(at, f"a dataspace of version {version} and rank {rank} in {size} bytes")
    if version == 2 and file.number(at + 3, 1) == 2:
        return None
    return tuple(file.number(at + start + 8 * axis, 8) for axis in range(rank))


# precision, exponent's place and size, mantissa's place and size, exponent's bias: IEEE 754's, and bfloat16
_FLOATS: dict[tuple[int, ...], str] = {
    (16, 10, 5, 0, 10, 15): "f2",
    (32, 23, 8, 0, 23, 127): "f4",
    (64, 52, 11, 0, 52, 1023): "f8",
    (16, 7, 8, 0, 7, 127): "u2",
}


class _Type:
    """A datatype message. kind: float, opaque, text, texts of variable length, or other."""

    def __init__(self, file: File, at: int, size: int) -> None:
        if size < 8:
            raise file.bad(at, f"a datatype of {size} bytes")
        self.number = file.number(at, 1) & 15
        bits, self.itemsize = file.number(at + 1, 1), file.number(at + 4, 4)
        self.kind, self.code = "other", ""
        if self.number == 1 and size >= 20:
            places = (
                file.number(at + 10, 2),
                *(file.number(at + 12 + i, 1) for i in range(4)),
                file.number(at + 16, 4),
            )
            code = _FLOATS.get(places)
            if code and self.itemsize == int(code[1]) and file.number(at + 8, 2) == 0 and not bits & 0x40:
                self.kind, self.code = "float", (">" if bits & 1 else "<") + code
        elif self.number == 5 and self.itemsize == 2:
            self.kind, self.code = "opaque", "<u2"
        elif self.number == 3 and self.itemsize > 0:
            self.kind = "text"
        elif self.number == 9 and bits & 15 == 1 and self.itemsize == 16:
            self.kind = "variable"


def _texts(file: File, at: int, room: int, kind: _Type, shape: tuple[int, ...]) -> list[str] | None:
    """The texts of an attribute whose data begin at `at`."""
    count = math.prod(shape)
    if count == 0:
        return []
    if kind.kind not in ("text", "variable"):
        return None
    if count * kind.itemsize > room:
        raise file.bad(at, f"{count} texts of {kind.itemsize} bytes in {room}")
    found = []
    for place in range(at, at + count * kind.itemsize, kind.itemsize):
        if kind.kind == "text":
            text = file.piece(place, kind.itemsize).split(b"\0")[0]
        else:
            length, heap, index = file.number(place, 4), file.number(place + 4, 8), file.number(place + 12, 4)
            text = b"" if length == 0 else file.heap(heap).get(index, b"")
            if len(text) < length:
                raise file.bad(place, f"a text of {length} bytes that its heap has not")
            text = text[:length]
        try:
            found.append(text.decode("utf-8"))
        except UnicodeDecodeError:
            return None
    return found


class _Attributes:
    """What a group and a dataset have in common."""

    def __init__(self, file: File, at: int) -> None:
        self._file = file
        self._messages = list(file.messages(at))

    def texts(self, name: str) -> list[str] | None:
        """An attribute: a text, as a list of one, or a list of texts. Empty where the attribute is; None where there is
        none of that name, or it is something else."""
        for kind, at, size in self._messages:
            if kind == _ATTRIBUTE:
                found = self._attribute(name, at, size)
                if found is not None:
                    return found[0]
        return None

    def _attribute(self, name: str, at: int, size: int) -> tuple[list[str] | None] | None:
        """None if it is another one."""
        file, version = self._file, self._file.number(at, 1)
        if version not in (1, 2, 3) or size < 9:
            raise file.bad(at, f"an attribute of version {version} in {size} bytes")
        if version > 1 and file.number(at + 1, 1):
            raise file.bad(at, "an attribute whose type is kept elsewhere")
        sizes = [file.number(at + 2 + 2 * i, 2) for i in range(3)]
        start = at + (9 if version == 3 else 8)
        places = []
        for part in sizes:
            places.append(start)
            start += (part + 7) // 8 * 8 if version == 1 else part
        room = at + size - start
        if room < 0:
            raise file.bad(at, f"an attribute of {size} bytes holds parts of {sizes}")
        if _utf8(file.piece(places[0], sizes[0]).split(b"\0")[0]) != name:
            return None
        shape = _shape(file, places[2], sizes[2])
        return ([] if shape is None else _texts(file, start, room, _Type(file, places[1], sizes[1]), shape),)


class Group(_Attributes):
    """A group. Its attributes are asked for as texts, its members by name."""

    def __init__(self, file: File, at: int, members: dict[str, int]) -> None:
        """members: by name, where their object headers are; -1 for a link that is not a hard one."""
        super().__init__(file, at)
        self._members = members

    def names(self) -> list[str]:
        """Of its members."""
        return list(self._members)

    def child(self, name: str) -> Group | Data | None:
        """A member; None where there is none. CorruptError where it is a link to another place."""
        at = self._members.get(name)
        if at == -1:
            raise corrupt(self._file.source, shown(name)[1:-1], "is a link to another place; links are not followed")
        return None if at is None else _object(self._file, at)


class Data:
    """A dataset. kind: "float", "opaque" (two bytes: Keras' bfloat16), or another word, which cannot be read. stored:
    bytes of it in the file."""

    def __init__(self, file: File, at: int, parts: dict[int, tuple[int, int]]) -> None:
        self._file = file
        shape = _shape(file, *parts[_DATASPACE])
        kind = _Type(file, *parts[_DATATYPE])
        self.shape = shape or ()
        self.kind = kind.kind if shape is not None else "other"
        self.itemsize = kind.itemsize
        self._code = kind.code
        place, size = parts[_LAYOUT]
        version, layout = file.number(place, 1), file.number(place + 1, 1)
        if version != 3 or size < 4 or layout > 2 or (layout == 1 and size < 18):
            raise file.bad(place, f"data laid out by version {version}, class {layout}, in {size} bytes")
        if layout == 2 or _FILTERS in parts or _EXTERNAL in parts:
            what = "data in chunks, compressed or in other files are not read; Keras writes none"
            raise unsupported(file.source, [Problem(f"the dataset at byte {at}", what)])
        if layout == 0:
            self._at, self.stored = place + 4, min(file.number(place + 2, 2), size - 4)
        else:
            self._at, self.stored = file.number(place + 2, 8), file.number(place + 10, 8)
            if self._at == _NONE:
                self.stored = 0

    def values(self) -> NDArray[np.generic]:
        """[shape]: float16, float32 or float64; of opaque ones and of HDF5's own bfloat16 the bits, as uint16."""
        size = math.prod(self.shape) * self.itemsize
        found = np.frombuffer(self._file.piece(self._at, size) if size else b"", np.dtype(self._code))
        return found.astype(found.dtype.newbyteorder("=")).reshape(self.shape)


def _links(file: File, at: int, place: int, size: int) -> dict[str, int]:
    """The members of a group that keeps them as messages: one with a name that is not ASCII."""
    heap = place + (10 if file.number(place + 1, 1) & 1 else 2)
    if heap + 8 > place + size:
        raise file.bad(place, f"link information of {size} bytes")
    if file.number(heap, 8) != _NONE:
        what = "more than 8 members, of which one has a name that is not ASCII, are not read; rename the layer"
        raise unsupported(file.source, [Problem(f"the group at byte {at}", what)])
    found: dict[str, int] = {}
    for kind, start, length in file.messages(at):
        if kind != _LINK:
            continue
        flags, end = file.number(start + 1, 1), start + length
        next_ = start + 2
        hard = True
        if flags & 8:
            hard = file.number(next_, 1) == 0
            next_ += 1
        next_ += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
        width = 1 << (flags & 3)
        name = next_ + width + file.number(next_, width)
        if name + (8 if hard else 0) > end:
            raise file.bad(start, f"a link of {length} bytes is shorter than its name")
        found[_utf8(file.piece(next_ + width, name - next_ - width))] = file.number(name, 8) if hard else -1
    return found


def _object(file: File, at: int) -> Group | Data:
    parts: dict[int, tuple[int, int]] = {}
    for kind, place, size in file.messages(at):
        parts.setdefault(kind, (place, size))
    if _SYMBOLS in parts:
        place, size = parts[_SYMBOLS]
        if size < 16:
            raise file.bad(place, f"a symbol table of {size} bytes")
        return Group(file, at, file.members(file.number(place, 8), file.number(place + 8, 8)))
    if _LINKS in parts:
        return Group(file, at, _links(file, at, *parts[_LINKS]))
    if _DATASPACE in parts and _DATATYPE in parts and _LAYOUT in parts:
        return Data(file, at, parts)
    raise file.bad(at, "an object that is neither a group nor a dataset")


def root(data: bytes, source: str) -> Group:
    """The root group of an HDF5 file. CorruptError, UnsupportedError."""
    file = File(data, source)
    file.expect(0, SIGNATURE)
    version = file.number(8, 1)
    if version > 1:
        what = f"HDF5 of superblock {version} is not read; h5py writes superblock 0 unless told otherwise (libver)"
        raise unsupported(source, [Problem("the file", what)])
    if file.piece(13, 2) != b"\x08\x08":
        raise file.bad(13, f"offsets and lengths of {file.number(13, 1)} and {file.number(14, 1)} bytes; 8 are due")
    start = 24 if version == 0 else 28
    if file.number(start, 8) != 0:
        raise file.bad(start, "the file begins elsewhere than it says")
    if file.number(start + 16, 8) > len(data):
        raise file.bad(start + 16, f"truncated: it says it has {file.number(start + 16, 8)} bytes, but has {len(data)}")
    found = _object(file, file.number(start + 32 + 8, 8))
    if not isinstance(found, Group):
        raise file.bad(start + 32, "the root is no group")
    return found
