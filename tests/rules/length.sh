#!/usr/bin/env bash
# Lists files over 800 lines: not wrong, but worth a thought.
. "$(dirname "$0")/common.sh"
files '*.c' '*.h' '*.def' '*.py' '*.sh' '*.cmake' '*.md' | xargs -r wc -l | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines" }'
