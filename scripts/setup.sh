#!/usr/bin/env bash
# Installs what is missing for a job: scripts/setup.sh build|ctest|test|lint. Each tool is looked for first; with nothing
# missing neither apt nor pip is started. Exit 2, before anything is changed, where the user has to type a command.
set -u
cd "$(dirname "$0")/.." || exit 2
job=${1:-build}
python=${PYTHON:-python3}
venv=build/venv

# ---- the system's packages ------------------------------------------------------------------------------------------

compiles() { # compiles COMPILER LANGUAGE [FLAG...]: it is there, with the C library's headers
    command -v "$1" >/dev/null && printf '#include <math.h>\nint main(void) { return 0; }\n' |
        "$1" -x "$2" - -o /dev/null "${@:3}" 2>/dev/null
}
cmake_is_new_enough() {
    local version
    version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p') && [ -n "$version" ] &&
        printf '3.22\n%s\n' "$version" | sort -CV
}
has_module() { pkg-config --exists "$1" 2>/dev/null; }
has_python_headers() {
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}
makes_venvs() { "$python" -c 'import venv, ensurepip' 2>/dev/null; }

look() { # fills apt, dnf, pacman with the packages that are missing for the job
    apt='' dnf='' pacman=''
    need 'compiles "${CC:-cc}" c' 'gcc libc6-dev' 'gcc glibc-devel' 'gcc'
    need 'command -v make' make make make
    need cmake_is_new_enough cmake cmake cmake
    need 'command -v pkg-config' pkg-config pkgconf-pkg-config pkgconf
    need 'has_module jansson' libjansson-dev jansson-devel jansson
    need 'has_module libxxhash' libxxhash-dev xxhash-devel xxhash
    if grep -rqs '<hwloc\.h>' src; then
        need 'has_module hwloc' libhwloc-dev hwloc-devel hwloc
    fi
    case $job in ctest | test | lint)
        need 'has_module cmocka' libcmocka-dev libcmocka-devel cmocka
        ;;
    esac
    case $job in ctest | test)
        need 'compiles "${CC:-cc}" c -fsanitize=address,undefined' gcc 'libasan libubsan' gcc
        need 'compiles "${CC:-cc}" c -fsanitize=thread' gcc libtsan gcc
        need 'command -v setpriv && command -v prlimit' util-linux util-linux util-linux
        if [ "$(uname -m)" != aarch64 ]; then
            need 'compiles aarch64-linux-gnu-gcc c' 'gcc-aarch64-linux-gnu libc6-dev-arm64-cross' \
                gcc-aarch64-linux-gnu 'aarch64-linux-gnu-gcc aarch64-linux-gnu-glibc'
            need 'command -v qemu-aarch64' qemu-user qemu-user qemu-user
        fi
        ;;
    esac
    case $job in test | lint)
        need makes_venvs 'python3 python3-venv' python3 python
        need has_python_headers python3-dev python3-devel python
        ;;
    esac
    if [ "$job" = lint ]; then
        need 'command -v git' git git git
        need 'compiles g++ c++' g++ gcc-c++ gcc
        need 'compiles clang c' clang clang clang
        need 'command -v shellcheck' shellcheck ShellCheck shellcheck
    fi
}
need() { # need CHECK APT DNF PACMAN
    eval "$1" >/dev/null 2>&1 && return
    apt+=" $2" dnf+=" $3" pacman+=" $4"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}
may_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}
tell() {
    echo "$1 The command for it, as root, by system:"
    echo "    Debian, Ubuntu:  apt-get update && apt-get install --no-install-recommends$apt"
    echo "    Fedora:          dnf install$dnf"
    echo "    Arch:            pacman -S --needed$pacman"
    exit 2
} >&2

look
if [ -n "$apt" ]; then
    command -v apt-get >/dev/null || tell "setup: packages are missing, and this system has no apt-get to install them."
    may_be_root || tell "setup: packages are missing, and installing them needs root."
    echo "setup: installing$apt"
    as_root apt-get -qq update || echo "setup: apt-get update failed; trying with the lists that are there" >&2
    # shellcheck disable=SC2086 # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $apt ||
        tell "setup: apt-get failed."
    look
    [ -z "$apt" ] || tell "setup: apt-get has installed them, and still these are missing or too old:$apt."
fi

# ---- Python's, in build/venv ----------------------------------------------------------------------------------------

stamp() { # what build/venv/stamp-NAME holds when requirements/NAME.txt is installed
    cat "requirements/$1.txt" "$venv/pyvenv.cfg" | sha256sum
}
is_installed() { [ "$(cat "$venv/stamp-$1" 2>/dev/null)" = "$(stamp "$1" 2>/dev/null)" ]; }
venv_works() { "$venv/bin/python" -c 'import pip' 2>/dev/null; }
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
has_torch() { "$venv/bin/python" -c 'import torch' 2>/dev/null; }

install_requirements() { # install_requirements NAME: all of requirements/NAME.txt but torch
    is_installed "$1" && return
    if ! venv_works; then
        echo "setup: making $venv"
        rm -rf "$venv"
        "$python" -m venv "$venv" || return
    fi
    echo "setup: pip installs requirements/$1.txt into $venv"
    grep -v '^torch==' "requirements/$1.txt" | pip install -q -r /dev/stdin && stamp "$1" >"$venv/stamp-$1"
}

install_torch() {
    has_torch && return
    # A torch that the system's or the user's Python imports is used where it lies, behind the environment's own packages.
    local folders
    folders=$(cd / && "$python" -c 'import sys, torch
print("\n".join(p for p in sys.path if p.endswith(("site-packages", "dist-packages"))))' 2>/dev/null)
    if [ -n "$folders" ]; then
        echo "$folders" >"$(echo "$venv"/lib/python3*/site-packages)/importable-torch.pth"
        has_torch && return
        rm -f "$venv"/lib/python3*/site-packages/importable-torch.pth
    fi
    local wanted
    wanted=$(grep '^torch==' requirements/test.txt)
    echo "setup: pip installs $wanted into $venv"
    if [ -n "${TORCH_INDEX:-}" ]; then
        # The wheel from the index named; what it needs from wherever pip finds it.
        pip install -q --no-deps --index-url "$TORCH_INDEX" "$wanted" &&
            { pip install -q "$wanted" || pip install -q --index-url "$TORCH_INDEX" "$wanted"; }
    else
        pip install -q --retries 1 "$wanted"
    fi
    has_torch
}

case $job in
lint)
    install_requirements lint || { echo "setup: requirements/lint.txt could not be installed" >&2 && exit 2; }
    ;;
test)
    # Without these the C tests and the goldens still run; tests/run names what it skips, and fails for it where CI=true.
    if install_requirements test; then
        install_torch ||
            echo "setup: no torch to be had; \`make test TORCH_INDEX=URL\` hands pip the index of PyTorch's CPU builds"
        # The package is for Python 3.11 and later.
        if "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            install_requirements package ||
                echo "setup: requirements/package.txt could not be installed: the package's tests will be skipped"
        fi
    else
        echo "setup: requirements/test.txt could not be installed: the Python tests will be skipped"
    fi
    ;;
esac
case $job in ctest | test)
    if [ "$(uname -m)" != aarch64 ]; then
        scripts/arm64-sysroot.sh build/arm64 || echo "setup: $(cat build/arm64/reason 2>/dev/null)"
    fi
    ;;
esac
exit 0
