"""Word to operators, in a thread of its own: whoever is told may mail it, and no reply waits for that."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from gpt.budget.model import BudgetAlert

_log = logging.getLogger("gavatcore.openai")
_IDLE = 5.0
"""Seconds without an alert after which the thread ends; the next one starts another."""


class Herald:
    """Tells one alert after the other, in their order. Its thread is a daemon: it holds no process up."""

    def __init__(self, tell: Callable[[BudgetAlert], None]) -> None:
        self._tell = tell
        self._begin()

    def _begin(self) -> None:
        self._alerts: queue.SimpleQueue[BudgetAlert | threading.Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def send(self, alert: BudgetAlert | threading.Event) -> None:
        """Have it told soon; an event instead is set once all that came before is told."""
        with self._lock:
            self._alerts.put(alert)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="gavat-budget-alerts", daemon=True)
                self._thread.start()

    def finish(self, within: float) -> bool:
        """Wait until all is told, at most so many seconds; gives whether it is. Blocks."""
        if self._thread is None or self._thread is threading.current_thread():
            return True
        told = threading.Event()
        self.send(told)
        return told.wait(within)

    def after_fork(self) -> None:
        """In a child process: what was still to be told is its parent's."""
        self._begin()

    def _work(self) -> None:
        while True:
            try:
                alert = self._alerts.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._alerts.empty():
                        self._thread = None
                        return
                continue
            if isinstance(alert, threading.Event):
                alert.set()
                continue
            try:
                self._tell(alert)
            except Exception:  # noqa: BLE001  # somebody else's code; the alerts after it are not to be lost for it
                _log.exception("whoever is told of the budget failed")
