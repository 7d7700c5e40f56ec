"""Help as wide as the terminal: prose is wrapped, a command that is to be pasted never."""

from __future__ import annotations

import argparse
import re

from core.commands.streams import given_columns, terminal_columns

_IN_A_PIPE = 100
_WIDEST = 120
_LEAST_ROOM = 30
"""Columns that a remark needs to stand beside its command; with less it goes below."""
_BELOW = 6
_LISTED = re.compile(r"(?P<command> +\S.*?)(?P<gap> {2,})(?P<remark>\S.*)")
"""An indented line of two columns: a command of a list, or an example, and what it does."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves descriptions and epilogs as they are written, up to the width that there is."""

    def __init__(self, prog: str) -> None:
        # A width of our own: argparse would load shutil, and with it every compression module, to ask the terminal.
        super().__init__(prog, width=min(_WIDEST, given_columns() or terminal_columns() or _IN_A_PIPE))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (_paragraph(one, width - len(indent)) for one in text.split("\n\n"))
        return "\n\n".join("\n".join(indent + line for line in lines) for lines in paragraphs)


def _paragraph(text: str, width: int) -> list[str]:
    lines = text.split("\n")
    if max(map(len, lines)) <= width:
        return lines
    if any(line.startswith(" ") for line in lines):
        return [part for line in lines for part in _example(line, width)]
    return _wrapped(" ".join(lines), width)


def _example(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    if not line.startswith(" "):
        return _wrapped(line, width)
    found = _LISTED.fullmatch(line)
    if found is None:
        return [line]
    remark_at = found.start("remark")
    if width - remark_at >= _LEAST_ROOM:
        first, *more = _wrapped(found["remark"], width - remark_at)
        return [line[:remark_at] + first, *(" " * remark_at + part for part in more)]
    return [found["command"], *(" " * _BELOW + part for part in _wrapped(found["remark"], width - _BELOW))]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(width, _LEAST_ROOM), break_long_words=False, break_on_hyphens=False)
