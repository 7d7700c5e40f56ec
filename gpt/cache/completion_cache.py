"""Replies of this process, for a while: bounded in entries and in bytes, by cachetools."""

from __future__ import annotations

import random
import sys
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
_ENTRY_BYTES = 800
"""What an entry takes beside its text and its marks: measured with tracemalloc."""
_NEW_MARK, _KNOWN_MARK = 115, 75
"""What a mark takes, its place in the index included: one that no other entry has, and one more entry of another."""
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
    size: int
    """Bytes of memory, roughly."""


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
        self._entries = _Evicting(max_bytes, clock, self._counts)
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
            self._entries.expire(now)
            entry = Entry(
                reply=reply,
                marks=marks,
                fresh_until=until,
                ends_at=until + self._stale_for,
                size=self._entries.size_of(reply, marks),
            )
            try:
                self._entries[key] = entry
            except ValueError:  # larger than all of the cache may be
                return False
            while len(self._entries) > self._max_entries:
                self._entries.popitem()
            return True

    def invalidate(self, mark: str) -> int:
        """Drop every entry with this mark, and those still to come of questions asked by now; gives how many."""
        with self._lock, self._entries.timer as now:
            self._entries.expire(now)
            self._generation += 1
            self._invalidated.pop(mark, None)
            self._invalidated[mark] = self._generation
            while len(self._invalidated) > _MARKS_KEPT:
                self._oldest_known = self._invalidated.pop(next(iter(self._invalidated)))
            gone = self._entries.marked(mark)
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
    """Counts what leaves: for want of room, and because its time is over (any look at the length lets it go).

    It knows the keys of each mark: the only one as it is, several as a dict, since most marks are one entry's alone.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float], counts: Counter[str]) -> None:
        super().__init__(max_bytes, ttu=_end, timer=clock, getsizeof=_size)
        self._counts = counts
        self._marked: dict[str, str | dict[str, None]] = {}

    def marked(self, mark: str) -> list[str]:
        """The keys of all entries with this mark."""
        keys = self._marked.get(mark, {})
        return [keys] if isinstance(keys, str) else list(keys)

    def size_of(self, reply: GptReply, marks: tuple[str, ...]) -> int:
        """What one more entry takes."""
        known = sum(mark in self._marked for mark in marks)
        calls = sum(sys.getsizeof(str(call)) for call in reply.tool_calls)
        of_marks = known * _KNOWN_MARK + (len(marks) - known) * _NEW_MARK
        return _ENTRY_BYTES + sys.getsizeof(reply.text) + calls + of_marks

    def __setitem__(self, key: str, entry: Entry) -> None:
        before = self.get(key)
        super().__setitem__(key, entry)
        if before is not None:
            self._unmark(key, before)
        for mark in entry.marks:
            keys = self._marked.setdefault(mark, key)
            if isinstance(keys, dict):
                keys[key] = None
            elif keys != key:
                self._marked[mark] = {keys: None, key: None}

    def __delitem__(self, key: str) -> None:
        entry = self[key]
        super().__delitem__(key)
        self._unmark(key, entry)

    def _unmark(self, key: str, entry: Entry) -> None:
        for mark in entry.marks:
            keys = self._marked.get(mark)
            if isinstance(keys, dict):
                keys.pop(key, None)
            if keys in (key, {}):
                del self._marked[mark]

    def expire(self, time: float | None = None) -> list[tuple[str, Entry]]:
        """Those whose time is over."""
        gone = list(super().expire(time))
        for key, entry in gone:
            self._unmark(key, entry)
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
