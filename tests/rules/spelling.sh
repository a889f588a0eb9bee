#!/usr/bin/env bash
# codespell finds no misspelling (the macros of man pages apart); words that only look like one stand in tests/rules/words.txt.
. "$(dirname "$0")/common.sh"
files | grep -vE '^LICENSE$|\.(npy|npz|safetensors|pstk|csv|json|svg|png)$' |
    xargs -r build/venv/bin/codespell --ignore-words tests/rules/words.txt --ignore-regex '^\.[A-Z][a-z] '
