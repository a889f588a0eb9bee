#!/usr/bin/env bash
# ruff finds nothing in the Python code, its formatting included.
. "$(dirname "$0")/common.sh"
build/venv/bin/ruff check --quiet --no-cache . || violations=1
build/venv/bin/ruff format --check --quiet --no-cache --diff . || violations=1
finish
