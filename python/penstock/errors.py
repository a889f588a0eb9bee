"""What goes wrong, as exceptions. Every one of them is an `Error`, and each is also the builtin that a caller would
expect to catch (ValueError, OSError, MemoryError ...)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.proof import Frontier


class Error(Exception):
    """Anything that Penstock refuses. The message is complete by itself.

    status: the C library's name for it ("PST_E_SHAPE"), or None where Python found it.
    file, item, field: what it is about: a path; a tensor, layer, node or array; a field of that. None where absent.
    expected, found: meaningful where the message names them.
    os_error: errno of a failing system call, else 0.
    """

    def __init__(
        self,
        message: str,
        *,
        status: str | None = None,
        file: str | None = None,
        item: str | None = None,
        field: str | None = None,
        expected: int | None = None,
        found: int | None = None,
        os_error: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.file = file
        self.item = item
        self.field = field
        self.expected = expected
        self.found = found
        self.os_error = os_error

    def __str__(self) -> str:
        return self.message


class ArgumentError(Error, ValueError):
    """An argument is missing, out of range, of the wrong type, or contradicts another."""


class ShapeError(Error, ValueError):
    """A tensor or an array has another shape than is needed."""


class FileError(Error, OSError):
    """A file could not be opened, read or written; `os_error` says why."""


class CorruptError(Error, ValueError):
    """The bytes are not what they claim to be: truncated, altered, overlapping, duplicate."""


class UnsupportedError(Error, NotImplementedError):
    """Well formed, but not something this version runs.

    problems: every reason found, each with its place; one at least where an importer raises it."""

    problems: tuple[Problem, ...]

    def __init__(self, message: str, *, problems: Iterable[Problem] = (), **detail) -> None:  # type: ignore[no-untyped-def]
        super().__init__(message, **detail)
        self.problems = tuple(problems)


class OutOfMemoryError(Error, MemoryError):
    """Memory could not be had."""


class HostError(Error, RuntimeError):
    """The host lacks what was asked for: an instruction set level, cores."""


class NonFiniteError(Error, ValueError):
    """NaN, infinity, or a magnitude beyond what the formats hold; `item` and `found` say where."""


class ToleranceError(Error, ArithmeticError):
    """The compiled program misses the tolerance asked for.

    frontier: what "auto" has tried; empty where it was not asked to, or could not try anything."""

    frontier: list[Frontier]

    def __init__(self, message: str, **detail) -> None:  # type: ignore[no-untyped-def]
        super().__init__(message, **detail)
        self.frontier = []


class MismatchError(Error, ValueError):
    """A saved state belongs to another program; or an imported model does not answer as its source does."""


class BusyError(Error, RuntimeError):
    """Another thread is driving this engine."""


class ClosedError(Error, RuntimeError):
    """The object was closed, or its engine was."""


class ForkedError(Error, RuntimeError):
    """The engine belongs to the parent process."""


class CancelledError(Error, RuntimeError):
    """The progress callback asked to stop."""


class LateError(Error, TimeoutError):
    """A core of the engine has not answered within the deadline, or has not caught up since."""


class EmptyError(Error, LookupError):
    """There is none: a certificate."""


class MissingExtraError(Error, ImportError):
    """A package that this part of Penstock needs is not installed; the message has the command that installs it."""


@dataclass(frozen=True)
class Problem:
    """One reason why a source cannot be imported.

    where: the node, layer, tensor or key, as its source names it (with file and line where the source has them).
    what: what is wrong with it, a clause: "mixes timesteps (mean over time)"."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def unsupported(source: str, problems: Iterable[Problem]) -> UnsupportedError:
    """The error that lists all problems of a source, each on a line of its own where there are several."""
    found = tuple(dict.fromkeys(problems))
    if len(found) == 1:
        return UnsupportedError(f"{source}: {found[0]}", problems=found, item=found[0].where)
    lines = "".join(f"\n  {problem}" for problem in found)
    return UnsupportedError(f"{source}: {len(found)} things that this version does not run:{lines}", problems=found)
