"""Makes files/: small exports by both of PyTorch's exporters, committed so that the loader is tested without torch.
Paths of the machine are cut out of what the exporter notes. Run by hand; needs torch and onnxscript."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

HERE = Path(__file__).resolve().parent
JOBS = """
TS-stacked-h8-b4-any-o20 TS-states_2-h8-b4-any-o20 TS-learned-h8-b1-dynamic-o20 TS-hidden_squeeze-h8-b1-static-o13
TS-normalised-h8-b1-static-o17 TS-unbatched-h8-b1-static-o20 TS-bidirectional-h8-b1-static-o20
DY-stacked-h8-b1-static-o20 DY-view-h8-b4-any-o20 DY-states_2-h8-b4-any-o20 DY-act_softplus-h8-b1-static-o20
DY-batch_norm-h8-b4-dynamic-o23 DY-plain-h8-b1-dynamic-o28 DY-layer_norm-h8-b1-static-o20 DY-proj_size-h8-b1-static-o20
""".split()
STACK_TRACE = "pkg.torch.onnx.stack_trace"


def cleaned(path: Path) -> None:
    """Leaves of the notes only the stack trace, and of it only the lines of the module."""
    model = onnx.load(path, load_external_data=False)
    model.doc_string = ""
    del model.metadata_props[:]
    for node in model.graph.node:
        traces = [p.value for p in node.metadata_props if p.key == STACK_TRACE]
        del node.metadata_props[:]
        node.doc_string = ""
        lines = re.findall(r'File "[^"]*/(onnx_modules\.py)", (line \d+, in \w+)', traces[0]) if traces else []
        if lines:
            entry = node.metadata_props.add()
            entry.key, entry.value = STACK_TRACE, "\n".join(f'File "{file}", {rest}' for file, rest in lines)
    for info in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del info.metadata_props[:]
    del model.graph.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def main() -> None:
    target = HERE / "files"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, HERE / "onnx_exports.py", folder, *JOBS], check=True)
        for path in sorted(Path(folder).iterdir()):
            if path.suffix == ".onnx":
                cleaned(path)
            shutil.copy(path, target)
    content = b"".join(p.read_bytes() for p in target.iterdir())
    assert str(HERE).encode() not in content and b"site-packages" not in content


if __name__ == "__main__":
    main()
