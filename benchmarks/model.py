"""What one measurement says."""

from __future__ import annotations

from typing import NamedTuple


class Limit(NamedTuple):
    """What a row may show at most."""

    most: float
    unit: str
    strict: bool = False
    """Equal is too much already."""

    def holds(self, measured: float) -> bool:
        """Whether the figure is within the limit."""
        return measured < self.most if self.strict else measured <= self.most

    def __str__(self) -> str:
        return f"{'<' if self.strict else '≤'} {self.most:g}{self.unit}"


class Row(NamedTuple):
    """One figure beside its peer and its limit."""

    name: str
    ours: str
    peer: str
    measured: float
    """What is judged, in the unit of the limit."""
    limit: Limit | None
    """None where the figure is only shown."""
    note: str = ""

    @property
    def ok(self) -> bool:
        """No limit is missed."""
        return self.limit is None or self.limit.holds(self.measured)

    def cells(self) -> tuple[str, ...]:
        """The row as it is shown."""
        unit = self.limit.unit if self.limit else "×"
        figure = f"{self.measured:.2f}{unit}" if unit == "×" else f"{self.measured:.1f}{unit}"
        verdict = "–" if self.limit is None else "ok" if self.ok else "MISSED"
        return (self.name, self.ours, self.peer, figure, str(self.limit or "–"), verdict, self.note)


HEAD = ("row", "ours", "peer", "measured", "limit", "verdict", "beside it")


class Rate(NamedTuple):
    """Sessions and the seconds that a whole run over them took; for the table of older figures."""

    sessions: int
    seconds: float

    @property
    def a_second(self) -> str:
        """Sessions each second."""
        return f"{self.sessions / self.seconds:,.0f} sessions/s"


def seconds_text(seconds: float) -> str:
    """A time with three significant figures."""
    return (
        f"{seconds * 1000:.1f} ms"
        if seconds < 0.1
        else f"{seconds * 1000:.0f} ms"
        if seconds < 1
        else f"{seconds:.2f} s"
    )
