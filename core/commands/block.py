"""A part of the report: a label, and lines beside it of which the first word may be painted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.commands.output import Output

INDENT = 12
"""Width of the labels."""


class Line(NamedTuple):
    """One line."""

    word: str
    """What is painted; it stands first. May be empty."""
    text: str


def block(label: str, told: Sequence[Line], output: Output, colours: Mapping[str, str]) -> list[str]:
    """The lines as they are shown, wrapped; a word that has no colour of its own is yellow."""
    first, *lines = [line for one in told for line in _shown(one, output, colours)]
    return [f"{label:<{INDENT}}{first.removeprefix(' ' * INDENT)}", *lines]


def _shown(line: Line, output: Output, colours: Mapping[str, str]) -> list[str]:
    word = f"{line.word}  " if line.word else ""
    first, *more = output.wrapped(word + line.text, indent=INDENT)
    painted = output.paint(line.word, colours.get(line.word, "yellow")) if line.word else ""
    return [" " * INDENT + painted + first[len(line.word) :], *more]
