"""A figure beside its peer's."""

from __future__ import annotations

from benchmarks.measure import Runs
from benchmarks.model import Limit, Row, seconds_text


def ratio_row(name: str, measured: Runs, beside: Runs, limit: Limit | None, note: str = "") -> Row:
    """A row that is judged by the ratio of two medians."""
    fastest = f"{measured.fastest / beside.fastest:.2f}× of the fastest runs"
    return Row(
        name,
        seconds_text(measured.seconds),
        seconds_text(beside.seconds),
        measured.seconds / beside.seconds,
        limit,
        f"{fastest}; {note}" if note else fastest,
    )
