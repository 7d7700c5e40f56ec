"""How fast requests may go, and how much of that pace is kept as a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from fractions import Fraction

from gpt.errors import GptSettingsError

MICROSECONDS = 1_000_000
_MARGIN = Fraction(104, 100)
"""Requests do not arrive as evenly as they were sent: exact spacing still met 2 to 3 refusals in 50, this much none."""
_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Seconds between sends, margin included; raises GptSettingsError for what cannot be."""

    interval: float
    """From one slot to the next; whole microseconds, rounded up. 0: no spacing."""
    late: float
    """A send may really go this much later than its slot, and what was promised still holds."""
    token_interval: float = 0.0
    """What one token takes; 0: tokens are not limited."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not math.isfinite(value) or value < 0:
                raise GptSettingsError(f"{one.name} is {value!r}", hint="seconds, 0 or more")

    @property
    def is_limit(self) -> bool:
        """Whether anybody ever has to wait, but for pauses."""
        return self.interval > 0 or self.token_interval > 0

    @classmethod
    def of(
        cls,
        *,
        min_request_interval: float,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> Rate:
        """The slower of a least gap between two sends and a number of them a minute; tokens besides.

        Late sends keep the gap itself, and half of the window's margin: the rest of it is for the way to the server.
        """
        gap = Fraction(repr(min_request_interval))
        windowed = Fraction(_MINUTE, requests_per_minute) if requests_per_minute else Fraction(0)
        interval = math.ceil(max(gap, windowed) * _MARGIN * MICROSECONDS)
        spare = []
        if gap:
            spare.append(interval - gap * MICROSECONDS)
        if requests_per_minute:
            spare.append((interval * requests_per_minute - _MINUTE * MICROSECONDS) / Fraction(2))
        return cls(
            interval=interval / MICROSECONDS,
            late=math.floor(min(spare, default=Fraction(0))) / MICROSECONDS,
            token_interval=float(_MINUTE * _MARGIN / tokens_per_minute) if tokens_per_minute else 0.0,
        )

    @classmethod
    def per_window(cls, requests: int, window: float) -> Rate:
        """At most so many sends in any half-open window of so many seconds."""
        if requests < 1 or window <= 0:
            raise GptSettingsError(f"{requests} requests per {window} s", hint="1 or more, in more than 0 s")
        length = Fraction(repr(window)) * MICROSECONDS
        interval = math.ceil(length * _MARGIN / requests)
        return cls(interval=interval / MICROSECONDS, late=math.floor((interval * requests - length) / 2) / MICROSECONDS)
