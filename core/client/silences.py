"""Which questions for what was missed had no answer, and how long none is asked again (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from utils.backoff import BackoffPolicy

_ASK_AGAIN = BackoffPolicy(first=timedelta(seconds=30), cap=timedelta(minutes=5), jitter=0)
"""After the second one in a row."""


@dataclass(slots=True)
class _Silence:
    times: int = 0
    until: datetime | None = None


class Silences:
    """Of one client: of its account (None), and of channels by their id."""

    def __init__(self) -> None:
        self._silences: dict[int | None, _Silence] = {}

    def lasts(self, entry: int | None, *, now: datetime) -> bool:
        """Whether it is too early to ask again."""
        silence = self._silences.get(entry)
        return silence is not None and silence.until is not None and now < silence.until

    def begins(self, entry: int | None, *, now: datetime) -> bool:
        """No answer came in time; gives whether that is the first one in a row, after which may be asked at once."""
        silence = self._silences.setdefault(entry, _Silence())
        silence.times += 1
        if silence.times > 1:
            silence.until = now + _ASK_AGAIN.delay(silence.times - 1, chance=0)
        return silence.times == 1

    def ends(self, entry: int | None) -> None:
        """An answer came."""
        self._silences.pop(entry, None)
