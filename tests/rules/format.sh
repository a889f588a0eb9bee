#!/usr/bin/env bash
# All C is as clang-format would write it, in the version that requirements/lint.txt pins.
. "$(dirname "$0")/common.sh"
# The tables (*.def) are formatted too: they are included as C.
files '*.c' '*.h' '*.def' | xargs -r -n 20 -P "$(nproc)" build/venv/bin/clang-format --dry-run -Werror
