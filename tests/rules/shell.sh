#!/usr/bin/env bash
# The shell scripts, those named *.sh and those whose first line says so, pass shellcheck.
. "$(dirname "$0")/common.sh"
{
    files '*.sh'
    files | xargs -r grep -lIE -m1 '^#! ?/(usr/)?bin/(env )?(ba)?sh' 2>/dev/null
} | sort -u | xargs -r shellcheck -S warning -x -P SCRIPTDIR
