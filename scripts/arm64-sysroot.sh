#!/usr/bin/env bash
# scripts/arm64-sysroot.sh FOLDER: puts the arm64 libraries that the cross build links into FOLDER/sysroot, from this
# system's own package archive (or the one that ARM64_ARCHIVE names), with a configuration of apt that lives in FOLDER:
# the system is not changed. On failure FOLDER/reason says why in one line.
set -u
packages='libjansson-dev libjansson4 libxxhash-dev libxxhash0 libcmocka-dev libcmocka0
    libhwloc-dev libhwloc15 libudev1'
mkdir -p "$1" && folder=$(cd "$1" && pwd) || exit 1
stamp=$( (cat /etc/os-release && echo "$packages") 2>/dev/null | sha256sum)
[ "$(cat "$folder/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
rm -rf "$folder/sysroot" "$folder/apt" "$folder/debs" "$folder/stamp"

fail() {
    echo "$1" >"$folder/reason"
    rm -rf "$folder/apt" "$folder/debs"
    exit 1
}
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "no arm64 libraries to link: this system has no apt to fetch them with"

echo "setup: fetching the arm64 libraries for the cross build into $1"
mkdir -p "$folder"/apt/{lists/partial,cache/archives/partial} "$folder/debs" "$folder/sysroot"
: >"$folder/apt/status"
options=(-q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o "Dir::State=$folder/apt"
    -o "Dir::State::status=$folder/apt/status" -o "Dir::Cache=$folder/apt/cache" -o Acquire::Languages=none
    -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=0)
if [ -n "${ARM64_ARCHIVE:-}" ]; then
    # shellcheck disable=SC1091 # the system's own description of itself
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    echo "deb [arch=arm64] $ARM64_ARCHIVE $suite main universe" >"$folder/apt/sources.list"
    options+=(-o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null)
fi
# An archive without arm64, or one that cannot be reached, need not be the one with these packages: only the download
# decides.
apt-get "${options[@]}" update >"$folder/log" 2>&1
# shellcheck disable=SC2086 # a list of names
(cd "$folder/debs" && apt-get "${options[@]}" download $packages) >>"$folder/log" 2>&1 ||
    fail "no arm64 libraries to link: this system's archive could not give them ($1/log); ARM64_ARCHIVE=URL names one that can"
for deb in "$folder"/debs/*.deb; do
    dpkg-deb -x "$deb" "$folder/sysroot" || fail "no arm64 libraries to link: $deb cannot be unpacked"
done
rm -rf "$folder/apt" "$folder/debs" "$folder/reason"
echo "$stamp" >"$folder/stamp"
