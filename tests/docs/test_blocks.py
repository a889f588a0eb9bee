"""Runs every fenced block of *.md, docs/*.md and examples/*/README.md. The rules stand in CONTRIBUTING.md, "Blocks
in documents"; this file is their implementation.

The build in the folder that BUILD names (default: build) is installed into a temporary folder, whose program, library
and pkg-config file the blocks then see as a user would. A document with a "make install" of its own gets none of this:
its blocks see what the ones before have installed and exported.
"""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
BUILD = os.environ.get("BUILD", "build")
INSTALL = re.compile(r"^make install\b", re.MULTILINE)
COPY = re.compile(r"\A<!-- runs in a copy of: (examples/\w+) -->\n")
SECONDS = 300  # for one block; they take a few


class Block:
    def __init__(self, document, line, info, body):
        words = info.split()
        self.line, self.body = line, body
        self.language = words[0] if words else ""
        self.words = words[1:]
        self.place = f"{document.name}:{line}"


def blocks_of(document, text):
    """The blocks in their order. A fence is three or more backquotes or tildes; the closing one is as long."""
    found, fence = [], None
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"^( {0,3}|\s*(?:[-*]|\d+\.)\s+)(`{3,}|~{3,})\s*([^`]*)$", line)
        if fence is None and mark:
            fence, start, info, body = mark[2], number, mark[3].strip(), []
            indent = len(mark[1])
        elif fence is not None and re.match(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$", line):
            found.append(Block(document, start, info, "".join(f"{row}\n" for row in body)))
            fence = None
        elif fence is not None:
            body.append(line[indent:] if line[:indent].isspace() else line)
    if fence is not None:
        raise AssertionError(f"{document.name}:{start}: the block is never closed")
    return found


def same(shown, printed):
    """The shown output against the printed one: "..." stands for any text, on a line of its own for any lines."""
    parts = [re.escape(part) for part in shown.strip().split("...")]
    return re.fullmatch("(?s:.*?)".join(parts), printed.strip()) is not None


class Runner:
    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment  # both change as the blocks of sh change them
        self.printed = None  # by the block before
        self.named = None  # what pip was told to install

    def command(self, block, words, cwd=None, **options):
        done = subprocess.run(
            words,
            cwd=cwd or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            **options,
        )
        assert done.returncode == 0, (
            f"{block.place}: exit {done.returncode}\n{block.body}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
        return done.stdout

    def name(self, block, default, suffix):
        assert len(block.words) <= 1, f"{block.place}: more than one word after {block.language}"
        name = block.words[0] if block.words else default
        assert re.fullmatch(r"[\w.-]+", name) and name.endswith(suffix), f"{block.place}: '{name}' is no *{suffix}"
        (self.folder / name).write_text(block.body, encoding="utf-8")
        return name

    def run(self, block):
        handler = getattr(self, f"run_{block.language}", None)
        assert handler, f"{block.place}: no rule for a block marked '{block.language}' (CONTRIBUTING.md has them)"
        self.printed = handler(block)

    def run_sh(self, block):
        if block.words == ["make"]:
            return self.make(block)
        if block.words == ["pip"]:
            return self.pip(block)
        assert not block.words, f"{block.place}: 'sh' takes only the words 'make' and 'pip'"
        with tempfile.NamedTemporaryFile() as left:
            body = f"{block.body}\n{{ pwd; env -0; }} >'{left.name}'"
            printed = self.command(block, ["bash", "-eu", "-o", "pipefail", "-c", body])
            place, _, variables = left.read().decode().partition("\n")
        assert place, f"{block.place}: the block ends its shell"
        self.folder = pathlib.Path(place)
        self.environment = dict(item.split("=", 1) for item in variables.split("\0") if item)
        return printed

    def make(self, block):
        for line in block.body.splitlines():
            line = line.split("#")[0].strip()
            assert re.fullmatch(r'(make( [\w=./-]+| [A-Z]+="[\w$./-]+")*)?', line), (
                f"{block.place}: not a make command: {line}"
            )
            if INSTALL.match(line):
                self.command(block, ["bash", "-eu", "-c", f"{line} BUILD={BUILD}"], cwd=ROOT)
            elif line:
                self.command(block, ["bash", "-eu", "-c", f"{line} -n"], cwd=ROOT)

    def pip(self, block):
        if re.fullmatch(r"pip install (\.|'\.\[[a-z,]+\]') *(#.*)?\n", block.body):  # the package of this checkout
            assert importlib.util.find_spec("penstock"), f"{block.place}: the tests' Python has no penstock"
            self.named = [*(self.named or []), "penstock"]
            return
        form = r"python3 -m venv venv\n\. venv/bin/activate\npip install((?: [\w-]+)+)\n"
        shown = re.fullmatch(form, block.body)
        assert shown, f"{block.place}: not of the form {form}"
        self.named = shown[1].split()
        for name in self.named:
            assert importlib.util.find_spec(name), f"{block.place}: the tests' Python has no module {name}"
        self.environment["PATH"] = f"{pathlib.Path(sys.executable).parent}:{self.environment['PATH']}"

    def run_python(self, block):
        name = self.name(block, "block.py", ".py")
        for module in [] if self.named is None else modules_of(block):
            assert module in self.named or module in sys.stdlib_module_names, (
                f"{block.place}: {module} is not installed"
            )
        return self.command(block, [sys.executable, name])

    def run_c(self, block):
        name = self.name(block, "block.c", ".c")
        if not re.search(r"\bmain\s*\(", block.body):
            roots = ["-I", str(ROOT / "include"), "-I", str(ROOT / "src")]
            return self.command(block, ["cc", *WARNINGS, "-D_GNU_SOURCE", *roots, "-fsyntax-only", name])
        flags = self.command(block, ["pkg-config", "--cflags", "--libs", "penstock"]).split()
        self.command(block, ["cc", *WARNINGS, name, "-o", "block", *flags, "-lm"])
        return None if block.words else self.command(block, ["./block"])

    def run_json(self, block):
        json.loads(block.body)

    def run_text(self, block):
        if block.words == ["output"]:
            assert self.printed is not None, f"{block.place}: no output to compare with before this block"
            assert same(block.body, self.printed), f"{block.place}: shown:\n{block.body}\nprinted:\n{self.printed}"
            return self.printed
        assert not block.words, f"{block.place}: 'text' takes only the word 'output'"
        return self.printed


def modules_of(block):
    return re.findall(r"^(?:import|from)\s+(\w+)", block.body, re.MULTILINE)


def missing_module(blocks):
    """A module that a Python block imports and this interpreter has not; None if there is none. Blocks before it may
    have made it."""
    own = set()
    for block in blocks:
        if block.language == "python":
            for name in modules_of(block):
                if name not in own and importlib.util.find_spec(name) is None:
                    return name
            own.update(word.removesuffix(".py") for word in block.words)
    return None


def folder_of(document, text):
    """The folder of which the blocks see a copy: an example's own, or the one that the document's first line names."""
    if document.parent.parent == ROOT / "examples":
        return document.parent
    named = COPY.match(text)
    return ROOT / named[1] if named else None


def installs(block):
    return block.language == "sh" and block.words == ["make"] and INSTALL.search(block.body)


def bare():
    """The caller's environment, less what would find a Penstock that is there already."""
    result = dict(os.environ)
    for variable in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "BUILD", "PENSTOCK", "PENSTOCK_ISA"):
        result.pop(variable, None)
    signs = {
        "PATH": "penstock",
        "PKG_CONFIG_PATH": "penstock.pc",
        "LD_LIBRARY_PATH": "libpenstock.so",
        "LIBRARY_PATH": "libpenstock.so",
        "CPATH": "penstock.h",
    }
    for variable, sign in signs.items():
        if variable in result:
            folders = result[variable].split(":")
            result[variable] = ":".join(f for f in folders if not (pathlib.Path(f) / sign).exists())
            if not result[variable]:
                del result[variable]
    return result


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("installed")
    installed = subprocess.run(
        ["cmake", "--install", str(ROOT / BUILD), "--prefix", str(prefix)], capture_output=True, text=True
    )
    assert installed.returncode == 0, installed.stderr
    library = next(prefix.rglob("libpenstock.so")).parent
    result = bare()
    result["PATH"] = f"{prefix / 'bin'}:{pathlib.Path(sys.executable).parent}:{result['PATH']}"
    result["PKG_CONFIG_PATH"] = str(library / "pkgconfig")
    result["LD_LIBRARY_PATH"] = str(library)
    result["CMAKE_PREFIX_PATH"] = str(prefix)
    return result


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_blocks(document, environment, tmp_path):
    text = document.read_text(encoding="utf-8")
    blocks = blocks_of(document, text)
    missing = missing_module(blocks)
    if missing:
        reason = f"{document.name}: not run, Python has no module {missing} (make test TORCH_INDEX=URL)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path / "blocks"
    copied = folder_of(document, text)
    if copied:
        shutil.copytree(copied, folder)
    else:
        folder.mkdir()
    if any(installs(block) for block in blocks):
        environment = bare()
        environment["HOME"] = str(tmp_path / "home")
        (tmp_path / "home").mkdir()
    runner = Runner(folder, dict(environment))
    for block in blocks:
        runner.run(block)


def test_the_runner_can_fail(environment, tmp_path):
    """Each rule, given a block that breaks it."""
    broken = [
        "```\nno language\n```",
        "```ruby\nputs 1\n```",
        "```sh\nfalse\n```",
        "```sh\nfalse | true\n```",
        "```sh make\nrm file\n```",
        "```sh make\nmake no-such-target\n```",
        "```sh make\nmake install PREFIX=/dev/null/none\n```",
        "```sh pip\npip download numpy\n```",
        "```sh pip\npip install '.[torch' x\n```",
        "```sh pip\npython3 -m venv venv\n. venv/bin/activate\npip install no_such_module\n```",
        "```sh pip\npython3 -m venv venv\n. venv/bin/activate\npip install pytest\n```\n```python\nimport pluggy\n```",
        "```sh\none=1\n```\n```sh\necho $one\n```",
        "```sh\nexit 0\n```",
        "```python\nraise SystemExit(1)\n```",
        "```c\nint main(void) { return 1; }\n```",
        "```c\nint unused(void) { int x; return 0; }\n```",
        "```c ../out.c\nint x;\n```",
        "```json\n{\n```",
        "```text output\nno block before\n```",
        "```sh\necho one\n```\n```text output\ntwo\n```",
        "```sh\necho one; echo two\n```\n```text output\none\n```",
        "```sh\nnever closed",
    ]
    for text in broken:
        with pytest.raises((AssertionError, json.JSONDecodeError)):
            runner = Runner(tmp_path, dict(environment))
            for block in blocks_of(pathlib.Path("broken.md"), text):
                runner.run(block)
    runner = Runner(tmp_path, dict(environment))
    sound = "```sh\nexport N=2.5\n```\n```sh\necho one; echo $N us\n```\n\n```text output\none\n... us\n```"
    for block in blocks_of(pathlib.Path("sound.md"), sound):
        runner.run(block)
