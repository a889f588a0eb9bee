#!/usr/bin/env bash
# A compiler finds nothing to warn of in the C files of some folders. warnings.sh COMPILER FOLDER...
. "$(dirname "$0")/common.sh"

compiler=$1
sources=$(files "${@:2}" | grep '\.c$' | grep -v '^src/kernels/neon/')
[ -n "$python_include" ] || sources=$(grep -v '^python/' <<<"$sources")
while read -r flags; do
    read -r -a flags_list <<<"$flags"
    for source in $sources; do
        [ "$(flags_for "$source")" != "$flags" ] || echo "$source"
    done | xargs -r -P "$(nproc)" -n 8 "$compiler" -fsyntax-only -ffp-contract=off "${warnings[@]}" "${flags_list[@]}" || violations=1
done < <(for source in $sources; do flags_for "$source"; done | sort -u)
finish
