#!/usr/bin/env bash
# What libpenstock.so exports, what src/penstock.sym lists and what penstock.h declares are the same names. exports.sh LIBRARY
. "$(dirname "$0")/common.sh"

listed=$(cat src/penstock.sym)
[ "$listed" = "$(echo "$listed" | LC_ALL=C sort -u)" ] || violation "src/penstock.sym: not sorted, or a name stands twice"
exported=$(nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort)
[ -n "$exported" ] || violation "$1: exports nothing"
# shellcheck disable=SC2034 # used by its name below
declared=$(gcc -E -P -Iinclude include/penstock.h | tr '\n' ' ' |
    grep -oE '__attribute__\(\(visibility\("default"\)\)\) [^;{]*' | grep -oE '\bpst_[a-z0-9_]+ *\(' | tr -d ' (' | LC_ALL=C sort -u)
difference() { # difference NAMES OTHERS: in the first only
    LC_ALL=C comm -23 <(echo "$1") <(echo "$2") | xargs
}
for pair in exported:listed listed:exported declared:listed listed:declared; do
    first=${pair%:*} second=${pair#*:}
    names=$(difference "${!first}" "${!second}")
    [ -z "$names" ] || violation "$first but not $second (exported: $1; listed: src/penstock.sym; declared: include/penstock.h): $names"
done
finish
