"""The package as it is installed: what it imports, what its extension holds, and where its version and declarations
come from."""

import ctypes
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from running_support import child

import penstock
from penstock import _library, _native

ROOT = Path(__file__).resolve().parents[3]
HEADER = (ROOT / "include" / "penstock.h").read_text()


def test_what_it_imports():
    code = """
import sys
before = set(sys.modules)
import penstock
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(name for name in new if name not in sys.stdlib_module_names and "cython" not in name))
"""
    found = set(eval(child(code)))
    assert {"penstock", "numpy"} <= found
    assert found <= {"penstock", "numpy", "cffi", "_cffi_backend", "_distutils_hack"}, found


def test_what_it_requires():
    if not (found := importlib.metadata.requires("penstock")):
        pytest.skip("not installed, but found on the path")
    needed = {re.split(r"[^\w]", line)[0] for line in found if "extra ==" not in line}
    assert needed == {"numpy", "cffi"}
    extras = {re.search(r"extra == ['\"](\w+)", line)[1] for line in found if "extra ==" in line}
    assert extras == {"torch", "onnx", "plot"}  # keras needs nothing


def test_the_version_is_the_headers():
    parts = [re.search(rf"#define PST_VERSION_{part} +(\d+)", HEADER)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    assert penstock.__version__ == penstock.version() == ".".join(parts)
    assert [_native.lib.PST_VERSION_MAJOR, _native.lib.PST_VERSION_MINOR, _native.lib.PST_VERSION_PATCH] == [
        int(part) for part in parts
    ]
    for folder in (ROOT / "python" / "penstock", ROOT / "pyproject.toml"):
        for file in folder.rglob("*.py") if folder.is_dir() else [folder]:
            assert ".".join(parts) not in file.read_text(), file


def test_every_function_of_the_header_is_there():
    names = (ROOT / "src" / "penstock.sym").read_text().split()
    assert len(names) > 40
    assert [name for name in names if not callable(getattr(_native.lib, name, None))] == []
    declared = re.findall(r"\b(PST_[A-Z0-9_]+)(?= =|,)", re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL))
    assert len(declared) > 30
    assert [name for name in declared if not isinstance(getattr(_native.lib, name, None), int)] == []


def test_every_status_has_its_exception():
    statuses = {name: getattr(_native.lib, name) for name in dir(_native.lib) if re.match(r"PST_E_", name)}
    reserved = {"PST_E_FULL"}
    for name, status in statuses.items():
        with pytest.raises(penstock.Error) as caught:
            _native.fail(status)
        assert (type(caught.value) is penstock.Error) == (name in reserved), name
        assert caught.value.status == name
    assert len({type_ for type_ in _native._CLASSES.values()}) == len(statuses) - len(reserved)
    assert issubclass(penstock.FileError, OSError) and issubclass(penstock.ShapeError, ValueError)
    _native.check(0)


def test_one_extension_file_with_one_library():
    file = Path(_library.__file__)
    assert file.name == "_library.abi3.so"
    assert [path.name for path in file.parent.rglob("*.so")] == [file.name]
    assert sys.modules["penstock._step"].__file__ == str(file)
    maps = Path("/proc/self/maps").read_text()
    assert "libpenstock" not in maps
    exported = ctypes.CDLL(str(file))
    assert exported.PyInit__library and exported.PyInit__step
    with pytest.raises(AttributeError):
        exported.pst_version  # noqa: B018 (hidden: no other library's calls can end here)


def test_it_is_typed():
    assert (Path(penstock.__file__).parent / "py.typed").exists()
    assert (Path(penstock.__file__).parent / "_step.pyi").exists()


def test_the_documentation_of_the_calls_in_c():
    for name in ("step", "bind", "settle", "warm", "close"):
        call = getattr(penstock.Stream, name)
        assert len(call.__doc__) > 80 and call.__text_signature__.startswith("($self")
    assert (
        "release_gil" in penstock.Stream.step.__doc__ and "release_gil=None" in penstock.Stream.step.__text_signature__
    )


def test_levels():
    assert penstock.levels()[0] == "scalar" and set(penstock.levels()) <= set(
        re.findall(r"^PSTI_LEVEL\((\w+)", (ROOT / "src" / "cpu" / "levels.def").read_text(), re.MULTILINE)
    )
