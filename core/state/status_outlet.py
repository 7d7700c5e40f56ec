"""One place that takes status documents, with a thread of its own, so that a slow one holds up nothing else.

The loop's default threads may all be busy with starts of bots; a status that waits for them would look like a loop that
is stuck. And in one thread nothing is written after the document was taken away.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from core.errors import StateError
from utils.redact import printable
from utils.redis_link import RedisUnavailable

logger = logging.getLogger("gavatcore.status")

_REFUSALS = (OSError, StateError, RedisUnavailable)


class Store(Protocol):
    """Where documents are kept, by the name of their process; every call may block, and raise one of the refusals."""

    @property
    def place(self) -> str:
        """Where that is, for people."""

    def write(self, process: str, text: str) -> None:
        """Replace the document; called at each turn."""

    def remove(self, process: str) -> None:
        """Take the document away; the last call, at the clean end."""


class Outlet:
    """Hands one process's documents to one store; trouble with it is logged when it begins and when it is over."""

    def __init__(self, store: Store, process: str) -> None:
        self._store = store
        self._process = process
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gavat-status")
        self._at_work: Future[None] | None = None
        self._failing = False

    def hand(self, text: str) -> None:
        """Have the text written, and never wait: while an earlier one is being written, this one is skipped."""
        if self._at_work is None or self._at_work.done():
            self._at_work = self._thread.submit(self._write, text)
            self._at_work.add_done_callback(_tell)

    def close(self) -> Future[None]:
        """Have the document taken away when the write at work is through; nothing may be handed in afterwards."""
        removed = self._thread.submit(self._remove)
        self._thread.shutdown(wait=False)
        return removed

    def _write(self, text: str) -> None:
        try:
            self._store.write(self._process, text)
        except _REFUSALS as error:
            if not self._failing:
                reason = _reason(error).removeprefix(f"{self._store.place}: ")
                logger.warning("%s takes no status: %s; tried again", printable(self._store.place), reason)
            self._failing = True
        else:
            if self._failing:
                logger.info("%s takes status again", printable(self._store.place))
            self._failing = False

    def _remove(self) -> None:
        with suppress(*_REFUSALS):  # it goes stale by itself, and whoever reads it knows that the process is gone
            self._store.remove(self._process)


def _reason(error: BaseException) -> str:
    hint = getattr(error, "hint", None)
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(f"{said} ({hint})" if hint else said)


def _tell(written: Future[None]) -> None:
    error = None if written.cancelled() else written.exception()
    if error is not None:  # none of those that are expected, and nobody waits for this result
        logger.error("status could not be handed on", exc_info=error)
