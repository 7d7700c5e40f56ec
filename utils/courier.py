"""One thread that does what blocks, in the order it was given."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_IDLE = 30.0
"""Seconds without work after which the thread ends; the next job starts another."""


class Courier:
    """Its thread, of that name, is a daemon: a process that ends does not wait for what does not answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, job: Callable[[], object]) -> None:
        """Have it done soon; a job that raises ends the thread, and the next one gets a new thread."""
        with self._lock:
            self._jobs.put(job)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def finish(self, within: float) -> bool:
        """Wait until all that was sent is done, at most so many seconds; gives whether it is. Blocks."""
        if self._thread is None or self._thread is threading.current_thread():
            return True
        done = threading.Event()
        self.send(done.set)
        return done.wait(within)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._thread = None
                        return
            else:
                job()
                del job  # it may hold a loop that is closed by now
