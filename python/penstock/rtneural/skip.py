"""What a player adds to the network's output: the input. No chain does that, so the caller does, or the file is
refused."""

from __future__ import annotations

from penstock.errors import ArgumentError, Problem
from penstock.importing.jsonfile import Fields


def judge(
    fields: Fields, key: str, skip: int, without_skip: bool, player: str, problems: list[Problem], notes: list[str]
) -> None:
    """skip: how many inputs are added. Leaves a problem, or a note that it was left out.

    ArgumentError where the caller would add what the player does not."""
    if skip == 0:
        if without_skip:
            raise ArgumentError(
                f"{fields.source}: without_skip=True, but {key} is 0: nothing is added to the output",
                item="without_skip",
            )
        return
    why = "" if key in fields else " (which holds where the key is missing)"
    if skip > 1:
        problems.append(Problem(key, f"{player} adds the first {skip} inputs to the output"))
    elif not without_skip:
        what = (
            "to the output, which this version does not run; without_skip=True leaves it out, and you add it yourself"
        )
        problems.append(Problem(key, f"{player} adds input 0 {what}{why}"))
    else:
        notes.append(
            f"{player} adds input 0 to the output{why}, this model does not: add it yourself (without_skip=True)"
        )
