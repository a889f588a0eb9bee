#!/usr/bin/env bash
# scripts/setup.sh on machines that lack cmake: with and without root, sudo and apt, all of them played by small scripts.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

fake() { # fake NAME LINE...: a program that only these machines have
    printf '#!/bin/bash\n' >"$bin/$1"
    printf '%s\n' "${@:2}" >>"$bin/$1"
    chmod +x "$bin/$1"
}
machine() { # machine USER_ID: a machine where all that the build needs is there, but cmake
    rm -rf "${work:?}"/*
    bin=$work/bin calls=$work/calls
    mkdir -p "$bin" "$work/penstock/src"
    cp -r "$root/scripts" "$root/requirements" "$work/penstock/"
    : >"$calls"
    local tool
    for tool in bash true env dirname grep sed sort uname sha256sum cat mkdir rm cut; do
        ln -s "$(type -P "$tool")" "$bin/$tool"
    done
    fake id "echo $1"
    for tool in cc make pkg-config; do
        fake "$tool" "cat >/dev/null"
    done
}
with_apt() { # its apt-get brings cmake
    fake apt-get "echo \"apt-get \$* (\${DEBIAN_FRONTEND:-})\" >>$calls" \
        "case \"\$*\" in *cmake*) printf '#!/bin/bash\necho cmake version 3.25.1\n' >$bin/cmake; /bin/chmod +x $bin/cmake ;; esac"
}
setup() {
    output=$(cd "$work/penstock" && env -i "PATH=$bin" "$bin/bash" scripts/setup.sh build 2>&1 </dev/null)
    status=$?
}
expect() { # expect WHAT CONDITION...
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '%s: not so. Exit %s, output:\n%s\ncalls:\n%s\n' "$1" "$status" "$output" "$(cat "$calls")"
    fi
}
says() { [[ $output == *"$1"* ]]; }
calls_are() { [ "$(cat "$calls")" = "$1" ]; }
unchanged() { diff -r "$root/scripts" "$work/penstock/scripts" && [ ! -e "$work/penstock/build" ] && calls_are ''; }

machine 0
fake cmake 'echo cmake version 3.22.1'
with_apt
setup
expect "nothing missing: exit 0, in silence" test "$status$output" = 0
expect "nothing missing: apt is not started" calls_are ''

machine 0
with_apt
setup
expect "root: exit 0" test "$status" = 0
expect "root: update, then install what is missing and no more" calls_are \
    'apt-get -qq update ()
apt-get -qq install -y --no-install-recommends cmake (noninteractive)'

machine 0
fake cmake 'echo cmake version 3.18.4'
fake apt-get "echo called >>$calls"
setup
expect "cmake is too old and apt has no other: exit 2" test "$status" = 2
expect "cmake is too old and apt has no other: says so" says 'missing or too old: cmake'

machine 0
setup
expect "no apt: exit 2" test "$status" = 2
expect "no apt: the command with apt's names" says 'apt-get install --no-install-recommends cmake'
expect "no apt: the command with dnf's names" says 'dnf install cmake'
expect "no apt: the command with pacman's names" says 'pacman -S --needed cmake'
expect "no apt: nothing is changed" unchanged

machine 1000
with_apt
setup
expect "neither root nor sudo: exit 2" test "$status" = 2
expect "neither root nor sudo: nothing is changed" unchanged

machine 1000
with_apt
fake sudo "echo \"sudo \$*\" >>$calls" '[ "$1" = -n ] || exit 1' 'shift' 'exec "$@"'
setup
expect "sudo without a terminal: exit 0" test "$status" = 0
expect "sudo without a terminal: sudo -n" calls_are \
    'sudo -n true
sudo -n apt-get -qq update
apt-get -qq update ()
sudo -n env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends cmake
apt-get -qq install -y --no-install-recommends cmake (noninteractive)'

machine 1000
with_apt
fake sudo 'exit 1'
setup
expect "sudo wants a password and there is no terminal: exit 2" test "$status" = 2
expect "sudo wants a password and there is no terminal: nothing is changed" unchanged

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
