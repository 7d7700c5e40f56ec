"""What a helper does by itself, in one thread: expired replies leave, and invalidations reach every process."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable
from itertools import count

from gpt.cache.completion_cache import CompletionCache
from gpt.cache.shared_cache import SharedCache
from gpt.request_key import selector_mark
from utils.redis_link import RedisUnavailable

logger = logging.getLogger("gavatcore.openai")

NEWS_EVERY = 0.4
"""Seconds: an invalidation is to reach all processes within one."""
_TOLD_AT_ONCE = 500
"""Marks of one call: Redis has a quarter of a second for it, and others wait meanwhile."""


class Upkeep:
    """Started with the first reply that is kept, ended with its helper; a daemon, so it never holds a process up."""

    def __init__(
        self,
        cache: CompletionCache,
        shared: SharedCache | None,
        *,
        ttl: float,
        heard: Callable[[str], None] = lambda _mark: None,
    ) -> None:
        """`heard` is called, in the thread, with each mark that was taken back elsewhere."""
        self._cache = cache
        self._heard = heard
        self._shared = shared
        self._every = NEWS_EVERY if shared is not None else max(ttl / 2, 0.05)
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._work = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._known: str | None = None
        """The generation of invalidations that the local cache has heard of."""
        self._untold: dict[str, int] = {}
        """Marks that Redis does not know yet, with the number of their last taking-back."""
        self._numbers = count()
        self._is_behind = False
        """It was said that there are such marks."""

    def knows_all(self, marks: Iterable[str]) -> bool:
        """Whether Redis knows of every taking-back of these marks here."""
        return not self._untold or not any(mark in self._untold for mark in marks)

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
            self._untold[mark] = next(self._numbers)
        self.start()
        self._work.set()

    def stop(self) -> None:
        """No more."""
        self._ended = True
        self._work.set()

    def tell_now(self) -> None:
        """Tell Redis what it does not know yet, in this thread; without its answer that stays untold, and is said."""
        if self._shared is not None:
            try:
                self._tell_all(self._shared)
            except RedisUnavailable as error:
                self._say_behind(error)

    def tell_last(self) -> None:
        """The same, at the end: what stays untold now is told by nobody."""
        self.tell_now()
        if self._untold:
            logger.warning(
                "closed before Redis knew of %d invalidations: other processes go on answering from what they kept, "
                "each reply until its time is over; invalidate again",
                len(self._untold),
            )

    def turn(self) -> float | None:
        """Do what is due; gives the seconds until the next turn, None when there is none."""
        if self._ended:
            return None
        self._cache.sweep()
        if self._shared is not None:
            try:
                self._tell_all(self._shared)
                self._hear(self._shared)
            except RedisUnavailable as error:
                logger.debug("no news of invalidations", exc_info=True)  # who asks says that Redis is away
                self._say_behind(error)
        return self._every

    def _tell_all(self, shared: SharedCache) -> None:
        with self._telling:
            with self._lock:
                untold = list(self._untold.items())
            for at in range(0, len(untold), _TOLD_AT_ONCE):
                some = untold[at : at + _TOLD_AT_ONCE]
                shared.take_back([mark for mark, _number in some])
                with self._lock:
                    for mark, number in some:
                        if self._untold[mark] == number:  # not taken back once more meanwhile
                            del self._untold[mark]
            if self._is_behind:
                self._is_behind = False
                logger.info("Redis knows all invalidations again")

    def _say_behind(self, error: RedisUnavailable) -> None:
        if self._untold and not self._is_behind:
            self._is_behind = True
            logger.warning(
                "invalidated in this process alone: other processes answer from what they kept until Redis is told "
                "(%d invalidations): %s",
                len(self._untold),
                error,
            )

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
            self._heard(mark)

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
