"""Writes the C source of cffi's module from penstock.h, at build time: make_binding.py HEADER OUT.c

The header is the only place where the interface is declared; this program turns it into what cffi's parser takes:
comments, preprocessor lines and PST_API go, a macro that is a number becomes `#define NAME ...`, whose value the C
compiler fills in."""

from __future__ import annotations

import re
import sys
from pathlib import Path

MODULE = "penstock._library"
# The callbacks of a long compile, in Python: see penstock/compiling.py.
CALLBACKS = """
extern "Python" int penstock_progress(void *user, double done, const char *stage);
extern "Python" void penstock_tried(void *user, const pst_frontier *tried);
"""


def declarations(header: str) -> str:
    """The header's declarations as cffi's cdef reads them."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL).replace("\\\n", " ")
    lines: list[str] = []
    only_cxx = False
    for line in text.splitlines():
        if re.match(r"\s*#\s*ifdef\s+__cplusplus", line):
            only_cxx = True
        elif re.match(r"\s*#", line):
            if number := re.match(r"\s*#\s*define\s+(PST_\w+)\s+\d+\s*$", line):
                lines.append(f"#define {number[1]} ...")
            elif re.match(r"\s*#\s*endif", line):
                only_cxx = False
        elif not only_cxx:
            lines.append(re.sub(r"\bPST_API\b", "", line))
    return "\n".join(lines)


def main() -> None:
    from cffi import FFI

    header, out = Path(sys.argv[1]), Path(sys.argv[2])
    ffi = FFI()
    ffi.cdef(declarations(header.read_text(encoding="utf-8")))
    ffi.cdef(CALLBACKS)
    ffi.set_source(MODULE, '#include "penstock.h"\n')
    ffi.emit_c_code(str(out))


if __name__ == "__main__":
    main()
