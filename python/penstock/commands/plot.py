"""python -m penstock plot: latency distributions as a picture."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "plot",
        help="draw the latency distributions of bench's JSON",
        description="Draws the latency of every result that `penstock bench --json FILE` wrote: for each model the "
        "share of steps that took at least so long.",
    )
    parser.add_argument("runs", metavar="RUN.json", nargs="+", help="what `penstock bench --json` wrote")
    parser.add_argument("-o", "--output", metavar="PICTURE", required=True, help=".png, .svg or .pdf")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from penstock import plot

    plot.latency(options.runs, options.output)
    print(f"wrote {options.output}")
    return 0
