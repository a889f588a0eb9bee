#!/usr/bin/env bash
# Every header compiles alone; penstock.h also as C99 and as C++11.
. "$(dirname "$0")/common.sh"

alone() { # alone HEADER
    local flags
    case $1 in
    # Needs the other architecture's compiler; the cross build compiles it.
    src/kernels/neon/*) return ;;
    python/*) [ -n "$python_include" ] || return 0 ;;
    # Under src/kernels a file without an include guard is not a header but a template: text of the kernels, written in the
    # vocabulary and under the macros of a kernel's file, which every level compiles.
    src/kernels/*) grep -q '^#ifndef PSTI_' "$1" || return 0 ;;
    *) grep -qE '^#ifndef [A-Z0-9_]+_H$' "$1" || { echo "no include guard" && return 1; } ;;
    esac
    read -r -a flags <<<"$(flags_for "$1")"
    # -Wno-psabi: a level's vector.h is seen here without the attributes that its kernel files set.
    printf '#include "%s"\n' "$PWD/$1" |
        gcc -fsyntax-only "${warnings[@]}" -Wno-unused-function -Wno-psabi "${flags[@]}" -x c - 2>&1
}
for header in $(files '*.h'); do
    output=$(alone "$header") || violation "$header: does not compile alone"$'\n'"$output"
done
strict=("${warnings[@]}" -pedantic -Iinclude -fsyntax-only)
for compiler in gcc clang; do
    echo '#include "penstock.h"' | "$compiler" "${strict[@]}" -std=c99 -x c - ||
        violation "include/penstock.h: not C99 to $compiler"
done
# -Wstrict-prototypes and -Wmissing-prototypes are C's.
cxx=(-Wall -Wextra -Wshadow -Werror -pedantic -Iinclude -fsyntax-only -std=c++11 -x c++)
echo '#include "penstock.h"' | g++ "${cxx[@]}" - || violation "include/penstock.h: not C++11 to g++"
echo '#include "penstock.h"' | clang "${cxx[@]}" - || violation "include/penstock.h: not C++11 to clang"
finish
