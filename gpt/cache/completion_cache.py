"""Replies of this process, for a while: bounded in entries and in bytes, by cachetools."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cachetools import TLRUCache

from gpt.model import GptReply

_JITTER = 0.1
"""Share by which a time to live is made longer or shorter: what came together shall not go together."""
_ENTRY_BYTES = 600
"""What an entry takes beside its text: measured with tracemalloc, marks included."""
_MARKS_KEPT = 1000
"""Invalidations that are remembered for flights that began before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A kept reply."""

    reply: GptReply
    marks: tuple[str, ...]
    """By which it can be taken back (`request_key.marks_of`)."""
    fresh_until: float
    ends_at: float
    """Until then it may stand in for a failing provider."""

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        calls = sum(len(str(call)) for call in self.reply.tool_calls)
        return _ENTRY_BYTES + len(self.reply.text.encode("utf-8", "surrogatepass")) + calls


class CompletionCache:
    """Entries by request key; safe to use from several threads. Every time is of `clock`: seconds that only grow."""

    def __init__(
        self,
        *,
        ttl: float,
        stale_for: float,
        max_entries: int,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ttl = ttl
        self._stale_for = stale_for
        self._max_entries = max_entries
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._entries: TLRUCache[str, Entry] = _Evicting(max_bytes, clock, self._counts)
        self._generation = 0
        self._invalidated: dict[str, int] = {}
        self._oldest_known = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def generation(self) -> int:
        """Grows with each invalidation; `put` wants the one in which the reply was asked for."""
        return self._generation

    def find(self, key: str) -> GptReply | None:
        """The reply that is still fresh."""
        with self._lock:
            try:
                entry = self._entries[key]
            except KeyError:
                return None
            return entry.reply if self._clock() < entry.fresh_until else None

    def find_stale(self, key: str) -> GptReply | None:
        """The reply, also when it is no longer fresh."""
        with self._lock:
            entry = self._entries.get(key)
        return entry.reply if entry is not None else None

    def lifetime(self) -> float:
        """A time to live for one more reply: the configured one, with jitter."""
        return self._ttl * (1 + _JITTER * (2 * self._chance() - 1))

    def put(self, key: str, reply: GptReply, *, marks: tuple[str, ...], asked_in: int, lifetime: float) -> bool:
        """Keep a reply for so many seconds, unless it was taken back since it was asked for; gives whether it is."""
        if lifetime <= 0:
            return False
        with self._lock, self._entries.timer as now:  # which stands still meanwhile, for the cache too
            if asked_in < self._oldest_known or any(self._invalidated.get(mark, 0) > asked_in for mark in marks):
                return False
            until = now + lifetime
            entry = Entry(reply=reply, marks=marks, fresh_until=until, ends_at=until + self._stale_for)
            self._entries.expire(now)
            try:
                self._entries[key] = entry
            except ValueError:  # larger than all of the cache may be
                return False
            while len(self._entries) > self._max_entries:
                self._entries.popitem()
            return True

    def invalidate(self, mark: str) -> int:
        """Drop every entry with this mark, and those still to come of questions asked by now; gives how many."""
        with self._lock, self._entries.timer:
            self._generation += 1
            self._invalidated.pop(mark, None)
            self._invalidated[mark] = self._generation
            while len(self._invalidated) > _MARKS_KEPT:
                self._oldest_known = self._invalidated.pop(next(iter(self._invalidated)))
            gone = [key for key, entry in self._entries.items() if mark in entry.marks]
            for key in gone:
                del self._entries[key]
            self._counts["invalidated"] += len(gone)
            return len(gone)

    def sweep(self) -> int:
        """Drop what has expired without anybody having read it; gives how many."""
        with self._lock:
            return len(self._entries.expire())

    def stats(self) -> dict[str, int]:
        """`entries`, the fresh of them (`valid_entries`), `bytes`; `evicted`, `expired`, `invalidated` ever."""
        with self._lock, self._entries.timer as now:
            return {
                "entries": len(self._entries),
                "valid_entries": sum(now < entry.fresh_until for entry in self._entries.values()),
                "bytes": int(self._entries.currsize),
                **{name: self._counts[name] for name in ("evicted", "expired", "invalidated")},
            }

    def after_fork(self) -> None:
        """In a child process: whoever held the lock is not there, and what it was at is half done."""
        if self._lock.locked():
            self._entries = _Evicting(int(self._entries.maxsize), self._clock, self._counts)
        self._lock = threading.Lock()


class _Evicting(TLRUCache[str, Entry]):
    """Counts what leaves: for want of room, and because its time is over (any look at the length lets it go)."""

    def __init__(self, max_bytes: int, clock: Callable[[], float], counts: Counter[str]) -> None:
        super().__init__(max_bytes, ttu=_end, timer=clock, getsizeof=_size)
        self._counts = counts

    def expire(self, time: float | None = None) -> list[tuple[str, Entry]]:
        """Those whose time is over."""
        gone = list(super().expire(time))
        self._counts["expired"] += len(gone)
        return gone

    def popitem(self) -> Any:
        """The least recently used one."""
        gone = super().popitem()
        self._counts["evicted"] += 1
        return gone


def _end(_key: str, entry: Entry, _now: float) -> float:
    return entry.ends_at


def _size(entry: Entry) -> int:
    return entry.size
