#!/usr/bin/env bash
# Every option that `penstock COMMAND --help` prints stands in man/penstock-COMMAND.1, or in man/penstock.1 where the
# command has no page of its own. options.sh PROGRAM
. "$(dirname "$0")/common.sh"

options() { # the long options in a text
    grep -oE '(^|[^-A-Za-z0-9])--[a-z][a-z0-9-]*' | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u
}
# plain PAGE: without roff's escapes, and with mdoc's ".Fl -name" written as it prints
plain() {
    sed -e 's/\\-/-/g; s/\\f[BIRP]//g; s/\\f([A-Z]*//g; s/\\&//g' -e 's/\bFl -\([a-z]\)/--\1/g' "$1"
}
commands=$("$1" --help | grep -oE '^ +(penstock +)?[a-z]+( |$)' | sed 's/penstock//' | tr -d ' ' | sort -u)
[ -n "$commands" ] || violation "$1 --help names no command"
for command in '' $commands; do
    help=$("$1" ${command:+"$command"} --help 2>&1) || { violation "penstock $command --help fails: $help" && continue; }
    page=man/penstock${command:+-$command}.1
    [ -f "$page" ] || page=man/penstock.1
    [ -f "$page" ] || { violation "$page: is not there" && continue; }
    written=$(plain "$page" | options)
    for option in $(echo "$help" | options); do
        grep -qx -- "$option" <<<"$written" || violation "$page: does not have $option, which penstock $command --help prints"
    done
done
finish
