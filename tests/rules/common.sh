# Shared by the rules: sourced, with the repository's root as the working folder afterwards. A rule prints each violation
# as "file: what is wrong" and exits 1 if there was one.
# shellcheck shell=bash
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
git rev-parse --git-dir >/dev/null || exit 2 # the rules look at what git knows, and at new files that it does not ignore
violations=0
violation() {
    echo "$*"
    violations=$((violations + 1))
}
finish() {
    [ "$violations" = 0 ]
    exit
}
# files GLOB...: the project's own files of these names, committed or about to be
files() {
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
        [ -f "$file" ] && echo "$file"
    done
}
# shellcheck disable=SC2034 # for those who source this
warnings=(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror)
# Where Python.h is, for what is compiled against it; nothing where Python is too old for the package.
python_include=$(build/venv/bin/python -c 'import sys, sysconfig
print(sysconfig.get_path("include") if sys.version_info >= (3, 11) else "")' 2>/dev/null)
# flags_for FILE: what the file is compiled with, beside the warnings
flags_for() {
    case $1 in
    python/*) echo "-std=c11 -D_GNU_SOURCE -DPy_LIMITED_API=0x030B0000 -Iinclude -isystem $python_include" ;;
    examples/* | tests/install/*) echo "-std=c11 -Iinclude" ;;
    tests/api/*) echo "-std=c11 -D_GNU_SOURCE -Iinclude" ;;
    lab/* | cli/*) echo "-std=c11 -D_GNU_SOURCE -Iinclude -I." ;;
    tests/*) echo "-std=c11 -D_GNU_SOURCE -Iinclude -Isrc -Itests -I." ;;
    *) echo "-std=c11 -D_GNU_SOURCE -Iinclude -Isrc" ;;
    esac
}
