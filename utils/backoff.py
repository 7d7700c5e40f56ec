"""How long to wait between tries: exponential, with a cap and jitter (no clock, no chance of its own)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffPolicy:
    """`first`, then `factor` times as long each time, at most `cap`; each shortened by up to `jitter` of itself."""

    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    cap: timedelta = timedelta(minutes=1)
    jitter: float = 0.25
    """0 to 1: the share of a wait that chance may take away, so that a fleet does not come back as one."""

    def delay(self, failures: int, *, chance: float) -> timedelta:
        """The wait after so many failures in a row (0: none); `chance` is a random number of [0, 1)."""
        if failures <= 0:
            return timedelta(0)
        steps = min(failures - 1, 64)  # beyond that any factor has long met the cap
        seconds = min(self.first.total_seconds() * self.factor**steps, self.cap.total_seconds())
        return timedelta(seconds=seconds * (1 - self.jitter * chance))
