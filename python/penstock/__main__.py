"""python -m penstock: what needs Python. The program `penstock` does the rest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from penstock.commands import import_, plot
from penstock.errors import Error

COMMANDS = (import_, plot)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done. 1: the model imported does not answer as its source. 2: anything else, told on standard error."""
    import penstock

    parser = argparse.ArgumentParser(
        prog="python -m penstock",
        description="Imports models of other libraries, and draws pictures of latency.",
        epilog="The program `penstock` compiles, runs, verifies and measures.",
    )
    parser.add_argument("--version", action="version", version=f"penstock {penstock.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except Error as error:
        print(f"penstock: {error}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
