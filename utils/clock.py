"""The one place that asks the system what time it is; everything else gets `now` as an argument."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""What tells the present moment: `utc_now`, or a test's own."""


def utc_now() -> datetime:
    """The present moment as an aware UTC datetime."""
    return datetime.now(UTC)


def since_boot() -> float:
    """Seconds that only ever grow, also while the machine sleeps (clock_gettime(2), CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def utc_text(moment: datetime) -> str:
    """RFC 3339 text in UTC with whole seconds, as every JSON document and record here writes a time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_epoch(seconds: float) -> datetime:
    """An aware UTC datetime from seconds since 1970 (a file time, a process start).

    A time that `datetime` cannot hold (file systems store years past 9999) becomes the nearest one it can.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)
