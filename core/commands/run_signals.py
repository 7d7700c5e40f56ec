"""Signals that come before a fleet's event loop hears them, and after it does: neither may cut anything off."""

from __future__ import annotations

import signal
from types import FrameType


class Terminated(BaseException):
    """SIGTERM before anything was started; no error, so that no module of handlers takes it for one."""


class EarlySignals:
    """From the first line of `run` on: SIGTERM raises Terminated, SIGHUP is kept for later.

    By default both would end the process without a word, as if it had failed.
    """

    def __init__(self) -> None:
        self.is_immune = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        """Whether the end of the terminal is nothing to it (nohup)."""
        self.terminated = False
        self.hung_up = False
        signal.signal(signal.SIGHUP, self._hang_up)
        signal.signal(signal.SIGTERM, self._terminate)

    def close(self) -> None:
        """The fleet has stopped: there is nothing left to stop or to reload."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self.hung_up = True

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        self.terminated = True  # where a bare `except:` swallows what is raised
        raise Terminated
