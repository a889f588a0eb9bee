#!/usr/bin/env bash
# Include edges: within src as src/DEPENDENCIES allows, which has no cycle; lab and cli see penstock.h and their own
# headers; python/native, tests/api and examples see penstock.h only.
. "$(dirname "$0")/common.sh"

declare -A allowed
while IFS=: read -r folder others; do
    case $folder in '' | '#'*) continue ;; esac
    allowed[$folder]=" $folder $others "
done <src/DEPENDENCIES
for folder in "${!allowed[@]}"; do
    for other in ${allowed[$folder]}; do
        [ -n "${allowed[$other]:-}" ] || violation "src/DEPENDENCIES: $folder names $other, which has no line of its own"
    done
done
cycle=$(for folder in "${!allowed[@]}"; do
    for other in ${allowed[$folder]}; do
        [ "$other" = "$folder" ] || echo "$folder $other"
    done
done | tsort 2>&1 >/dev/null)
[ -z "$cycle" ] || violation "src/DEPENDENCIES: a cycle: $(echo "$cycle" | sed -n 's/^tsort: \([a-z]*\)$/\1/p' | xargs)"

# may FILE INCLUDED: whether FILE may #include "INCLUDED"
may() {
    local folder
    case $1 in
    src/*)
        folder=${1#src/}
        folder=${folder%%/*}
        [ "$2" = penstock.h ] && return
        [[ "${allowed[$folder]:-}" == *" ${2%%/*} "* ]] && [ -f "src/$2" ]
        ;;
    lab/*) [ "$2" = penstock.h ] || [ -f "lab/${2#lab/}" ] ;;
    cli/*) [ "$2" = penstock.h ] || [ -f "cli/${2#cli/}" ] || { [[ $2 == lab/* ]] && [ -f "$2" ]; } ;;
    python/native/* | tests/api/* | tests/install/* | examples/*) [ "$2" = penstock.h ] || [ -f "$(dirname "$1")/$2" ] ;;
    *) return 0 ;;
    esac
}
# <X> is looked for in src and here as "X" is, so it counts as the same edge where such a file is ours.
while IFS=: read -r file line quote included; do
    [ "$quote" = '"' ] || { [ "$included" != penstock.h ] && { [ -f "src/$included" ] || [ -f "$included" ]; }; } || continue
    may "$file" "$included" || violation "$file:$line: may not include $included"
done < <(files '*.c' '*.h' '*.def' | xargs -r grep -HnE '^ *# *include +["<]' |
    sed -E 's/^([^:]*):([0-9]+):[^"<]*(["<])([^">]*)[">].*/\1:\2:\3:\4/')
for folder in src/*/; do
    folder=$(basename "$folder")
    [ -n "${allowed[$folder]:-}" ] || violation "src/DEPENDENCIES: no line for src/$folder"
done
finish
