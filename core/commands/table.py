"""The table of sessions: columns that fit the terminal, worst first, colours beside words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.commands.output import Output
from core.session_files.model import PlanEntry, Verdict
from core.session_files.verdicts import FAILED, LEFT_ALONE, MENDED, MOVED, PRUNED, QUARANTINED, SET_ASIDE

_WIDEST_NAME, _WIDEST_DETAIL = 30, 48
_COLOURS = {
    FAILED: "red",
    Verdict.DAMAGED.value: "red",
    Verdict.UNKNOWN.value: "yellow",
    Verdict.MEND.value: "yellow",
    Verdict.PRUNE.value: "yellow",
    Verdict.ATTENTION.value: "yellow",
    LEFT_ALONE: "cyan",
    SET_ASIDE: "green",
    MENDED: "green",
    PRUNED: "green",
    QUARANTINED: "green",
    MOVED: "green",
    Verdict.SKIPPED.value: "dim",
    "back up": "yellow",
    "backed up": "green",
    "unchanged": "dim",
    Verdict.IN_USE.value: "cyan",
    Verdict.FINE.value: "green",
}


class Row(NamedTuple):
    """One session as the table shows it: a line for each thing found, the step on the first."""

    state: str
    name: str
    found: tuple[tuple[str, str], ...]
    """Code and detail; without a code the detail is longer and stands in the code's place."""
    step: str = ""
    entry: PlanEntry | None = None
    """None for the folder itself."""


def table(rows: Sequence[Row], output: Output) -> list[str]:
    """The rows as lines: in columns that fit the terminal, and in a pipe one line for each finding."""
    found = [finding for row in rows for finding in row.found]
    state = max(len(row.state) for row in rows)
    widest_name = min(_WIDEST_NAME, output.width // 4) if output.width else _WIDEST_NAME
    margin = state + min(widest_name, max(len(row.name) for row in rows)) + 6
    code = max((len(code) + 2 for code, _detail in found if code), default=0)
    texts = [(row.found[0][1], row.step) for row in rows if row.step and row.found]
    widths = _Widths(state, margin, code, _detail_width(texts, output.width and output.width - margin - code - 2))
    return [line for row in rows for line in _row_lines(row, widths, output)]


class _Widths(NamedTuple):
    state: int
    margin: int
    """Up to the first finding."""
    code: int
    detail: int


def _detail_width(texts: Sequence[tuple[str, str]], room: int | None) -> int:
    """The column width with which the fewest details stick out of it, and the fewest steps out of the terminal."""
    choices = sorted({min(_WIDEST_DETAIL, len(detail)) for detail, _step in texts}, reverse=True) or [0]
    if room is None:
        return choices[0]

    def untidy(width: int) -> int:
        return sum((len(detail) > width) + (max(width, len(detail)) + len(step) > room) for detail, step in texts)

    return min(choices, key=untidy)


def _row_lines(row: Row, widths: _Widths, output: Output) -> list[str]:
    painted = output.paint(row.state.ljust(widths.state), _COLOURS[row.state])
    name = row.name.ljust(widths.margin - widths.state - 6)
    start = f"  {painted}  {name}  "
    lines = []
    if output.width is not None and len(name) > widths.margin - widths.state - 6:
        lines, start = [start.rstrip()], " " * widths.margin
    for index, (code, detail) in enumerate(row.found or (("", ""),)):
        coded = f"{code:<{widths.code}}" if code else ""
        step = "" if index else row.step
        whole = f"{detail:<{widths.detail}}  {step}" if step else detail
        if output.width is None or widths.margin + len(coded) + len(whole) <= output.width:
            lines.append((start + coded + whole).rstrip())
        else:
            lines += _pushed_off(start + coded, detail, step, output, indent=widths.margin + len(coded))
        start = " " * widths.margin
    return lines


def _pushed_off(start: str, detail: str, step: str, output: Output, *, indent: int) -> list[str]:
    """A finding that does not fit the terminal: its detail in lines, its step in lines of their own."""
    first, *more = output.wrapped(detail, indent=indent)
    lines = [(start + first).rstrip(), *more]
    if step:
        first, *more = output.wrapped(f"→ {step}", indent=indent + 2)
        lines += [" " * indent + first, *more]
    return lines
