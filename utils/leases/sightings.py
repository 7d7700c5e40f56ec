"""How long things have been seen unchanged, by this process's own clock: what no other clock can falsify."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

_REMEMBERED = 10_000


class _Sighting(NamedTuple):
    what: str
    at: float
    watched: float
    enough: float


class Sightings:
    """For each name, what was last seen there and for how long it has stayed the same; safe to share by threads.

    `monotonic` gives seconds. At most 10,000 names are remembered; the ones unseen for longest go first.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[str, _Sighting] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, name: str, what: str, *, enough: float, step: float) -> float:
        """Note that `what` was seen just now; gives the seconds still missing to `enough`, 0 when it is.

        The time between two looks counts for at most `step`: the server may have stood still in between, and then its
        owner could no more renew than we could look. To be called when the answer is there, not when it is asked for.
        """
        now = self._monotonic()
        with self._lock:
            last = self._seen.pop(name, None)
            same = last is not None and last.what == what
            watched = last.watched + min(now - last.at, step) if last is not None and same else 0.0
            self._seen[name] = _Sighting(what, now, watched, enough)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return max(enough - watched, 0.0)

    def long_enough(self, name: str) -> str:
        """What has been seen there for long enough; empty when nothing has."""
        with self._lock:
            seen = self._seen.get(name)
        return seen.what if seen is not None and seen.watched >= seen.enough else ""

    def all_long_enough(self) -> list[str]:
        """What has been seen for long enough, wherever."""
        with self._lock:
            return [seen.what for seen in self._seen.values() if seen.watched >= seen.enough]

    def forget(self, name: str) -> None:
        """No longer of interest."""
        with self._lock:
            self._seen.pop(name, None)
