"""What a helper does by itself, in one thread: expired replies leave, and invalidations reach every process."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress

from gpt.cache.completion_cache import CompletionCache
from gpt.cache.shared_cache import SharedCache
from gpt.request_key import selector_mark
from utils.redis_link import RedisUnavailable

logger = logging.getLogger("gavatcore.openai")

NEWS_EVERY = 0.4
"""Seconds: an invalidation is to reach all processes within one."""


class Upkeep:
    """Started with the first reply that is kept, ended with its helper; a daemon, so it never holds a process up."""

    def __init__(
        self,
        cache: CompletionCache,
        shared: SharedCache | None,
        *,
        ttl: float,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """`heard` is called, in the thread, when something was taken back elsewhere."""
        self._cache = cache
        self._heard = heard
        self._shared = shared
        self._every = NEWS_EVERY if shared is not None else max(ttl / 2, 0.05)
        self._sweep_every = max(ttl / 2, 0.05)
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._work = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._known: str | None = None
        """The generation of invalidations that the local cache has heard of."""
        self._untold: list[str] = []

    @property
    def untold(self) -> frozenset[str]:
        """Marks that Redis does not know yet."""
        return frozenset(self._untold)

    def start(self) -> None:
        """From now on; again it does nothing."""
        with self._lock:
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(
                    target=_run, args=(weakref.ref(self), self._work), name="gavat-gpt-upkeep", daemon=True
                )
                self._thread.start()

    def tell(self, mark: str) -> None:
        """Have this mark taken back in every process, as soon as Redis answers."""
        with self._lock:
            if mark not in self._untold:
                self._untold.append(mark)
        self.start()
        self._work.set()

    def stop(self) -> None:
        """No more."""
        self._ended = True
        self._work.set()

    def tell_now(self) -> None:
        """Tell Redis what it does not know yet, in this thread; without its answer that stays untold."""
        if self._shared is not None:
            with suppress(RedisUnavailable):
                self._tell_all(self._shared)

    def turn(self) -> float | None:
        """Do what is due; gives the seconds until the next turn, None when there is none."""
        if self._ended:
            return None
        self._cache.sweep()
        if self._shared is not None:
            try:
                self._tell_all(self._shared)
                self._hear(self._shared)
            except RedisUnavailable:
                logger.debug("no news of invalidations", exc_info=True)  # who asks says that Redis is away
        return self._every

    def _tell_all(self, shared: SharedCache) -> None:
        with self._telling:
            marks = list(self._untold)
            if marks:
                shared.take_back(marks)
                with self._lock:
                    self._untold = [mark for mark in self._untold if mark not in marks]

    def _hear(self, shared: SharedCache) -> None:
        known = self._known or shared.first_seen
        self._known, marks = shared.news(known or "0")
        if not known and shared.first_seen:  # found meanwhile: what was taken back since counts
            self._known, marks = shared.news(shared.first_seen)
        elif not known:  # what is kept was asked while Redis was away: nobody knows what was taken back meanwhile
            marks = None if len(self._cache) else []
        taken_back = [selector_mark()] if marks is None else marks
        for mark in taken_back:
            self._cache.invalidate(mark)
        if taken_back:
            self._heard()

    def after_fork(self) -> None:
        """In a child process: the thread is its parent's, and another one is needed for what was kept before."""
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._work = threading.Event()
        was_running, self._thread = self._thread is not None, None
        if was_running:
            self.start()


def _run(helper: weakref.ref[Upkeep], work: threading.Event) -> None:
    while (upkeep := helper()) is not None:
        wait = upkeep.turn()
        del upkeep  # held while nothing is due, it would never end
        if wait is None:
            return
        work.wait(wait)
        work.clear()
