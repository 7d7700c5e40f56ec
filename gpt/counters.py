"""What a helper counts of its own work; safe to use from several threads."""

from __future__ import annotations

import threading
from collections import Counter

from gpt.model import GptReply, Source


class Counters:
    """Lookups by how they ended, requests by how they went, and what was saved."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._money = 0.0
        self._money_saved = 0.0

    def add(self, name: str, number: int = 1) -> None:
        """Count something; `name` is one of `figures.COUNTED`."""
        with self._lock:
            self._counts[name] += number

    def answered(self, reply: GptReply) -> None:
        """A lookup ended with this reply, by the way its source says."""
        with self._lock:
            self._counts[_LOOKUP[reply.source]] += 1
            if reply.source in _SAVED:
                self._counts["calls_saved"] += 1
                self._money_saved += reply.cost or 0.0

    def spent(self, cost: float) -> None:
        """A call took so many US dollars."""
        with self._lock:
            self._money += cost

    def failed(self, kind: str) -> None:
        """A caller got an error of this kind, or a fallback because of it."""
        with self._lock:
            self._failures[kind] += 1

    def stats(self) -> dict[str, object]:
        """By name; `failures` by kind, `money` and `money_saved` in US dollars, `hit_ratio` is hits ÷ lookups."""
        with self._lock:
            counts, failures = dict(self._counts), dict(self._failures)
            money, saved = self._money, self._money_saved
        lookups = sum(counts.get(name, 0) for name in ("hits", "joins", "misses"))
        return {
            **{name: counts.get(name, 0) for name in _NAMES},
            "hit_ratio": counts.get("hits", 0) / lookups if lookups else 0.0,
            "money": round(money, 9),
            "money_saved": round(saved, 9),
            "failures": failures,
        }

    def after_fork(self) -> None:
        """In a child process: it has counted nothing yet."""
        self.__init__()  # type: ignore[misc]


_LOOKUP = {Source.CACHE: "hits", Source.JOINED: "joins", Source.MODEL: "misses", Source.STALE: "stale_hits"}
_SAVED = (Source.CACHE, Source.JOINED)
_NAMES = (
    *("hits", "stale_hits", "joins", "misses", "calls_saved"),
    *("calls", "retries", "rate_limited", "fallbacks", "tokens"),
)
