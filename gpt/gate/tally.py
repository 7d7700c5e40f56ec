"""What a gate has counted, over all its event loops."""

from __future__ import annotations

import threading


class Tally:
    """Numbers that only grow; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, float | int] = {
            "entered": 0,
            "waits": 0,
            "waited_seconds": 0.0,
            "refused": 0,
            "late": 0,
        }

    def passed(self, waited: float, *, counts_as_wait: bool) -> None:
        """One has got through."""
        with self._lock:
            self._counts["entered"] += 1
            self._counts["waited_seconds"] += waited
            self._counts["waits"] += counts_as_wait

    def add(self, name: str, count: int = 1) -> None:
        """`refused`: sent away; `late`: a slot came and went before it could be used."""
        with self._lock:
            self._counts[name] += count

    def read(self) -> dict[str, float | int]:
        """All of them, as of one moment."""
        with self._lock:
            return dict(self._counts)

    def after_fork(self) -> None:
        """In a child: a new lock, since the old one may be held by a thread that is not here."""
        self._lock = threading.Lock()
