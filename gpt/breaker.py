"""When it makes no sense to ask: the circuit breaker. Every moment is an argument, in seconds that only grow."""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import NamedTuple

from gpt.errors import (
    AuthenticationFailed,
    BadReply,
    CircuitOpen,
    DeadlineExceeded,
    GptError,
    GptSettingsError,
    HelperClosed,
    ProviderFailed,
    QuotaExhausted,
    ReplyTimeout,
)

_AT_ONCE = (QuotaExhausted, AuthenticationFailed)
_AGAIN_AND_AGAIN = (ProviderFailed, ReplyTimeout, BadReply)
_NOTHING_HEARD = (DeadlineExceeded, HelperClosed, GptSettingsError)
"""Ends that are the asker's own."""


class CircuitState(StrEnum):
    """`closed`: requests pass; `open`: none does; `half-open`: one probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Admission(NamedTuple):
    """A request may pass, for as long as the circuit stays as it was then."""

    epoch: int
    """Each opening, each closing and each probe begins one: of the present one are those whose end says something."""


class CircuitBreaker:
    """Opens at once on an empty account or a refused key, and after so many failures of the provider in a row.

    How a request of an earlier epoch ended is no news: neither does a late answer close what has opened since, nor
    does a late failure put off the probe.
    """

    def __init__(self, *, failures: int, rest: float) -> None:
        self._most = failures
        self._rest = rest
        self._lock = threading.Lock()
        self._epoch = 0
        self._failures = 0
        self._opened_by: GptError | None = None
        self._probe_at = 0.0
        self._probing_until = 0.0

    def state(self, now: float) -> CircuitState:
        """As of `now`."""
        if self._opened_by is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if now < self._probing_until else CircuitState.OPEN

    def admit(self, now: float, *, probe_within: float, held: Admission | None = None) -> Admission:
        """Let a request pass or raise CircuitOpen; of an open circuit the first one after the rest passes, as a probe.

        A probe of which nothing is heard within `probe_within` seconds was lost, and the next one may try. `held`: of
        a request that was admitted before and has waited since; nothing happens while that still holds.
        """
        with self._lock:
            if held is not None and held.epoch == self._epoch:
                return held
            cause = self._opened_by
            if cause is None:
                return Admission(self._epoch)
            wait = max(self._probe_at, self._probing_until) - now
            if wait <= 0:
                self._probing_until = now + probe_within
                return self._begin_epoch()
        refusal = CircuitOpen(
            f"not asked for another {wait:.0f} s: {cause.message}", hint=cause.hint, retry_after=round(wait, 3)
        )
        refusal.opened_by = cause.kind
        raise refusal

    def succeeded(self, admission: Admission) -> bool:
        """The provider answered; gives whether that closed the circuit."""
        with self._lock:
            if admission.epoch != self._epoch:
                return False
            self._failures = 0
            if self._opened_by is None:
                return False
            self._opened_by, self._probing_until = None, 0.0
            self._begin_epoch()
            return True

    def failed(self, error: GptError, now: float, admission: Admission) -> bool:
        """What a request ended with; gives whether that opened the circuit.

        A provider that refuses a request, or asks to slow down, is well: that counts as an answer.
        """
        if isinstance(error, _NOTHING_HEARD):
            self.abandoned(admission)
            return False
        if not isinstance(error, _AT_ONCE + _AGAIN_AND_AGAIN):
            self.succeeded(admission)
            return False
        with self._lock:
            if admission.epoch != self._epoch:
                return False
            self._failures += 1
            was_closed, self._probing_until = self._opened_by is None, 0.0
            if was_closed and self._failures < self._most and not isinstance(error, _AT_ONCE):
                return False
            self._opened_by = error.again()
            self._probe_at = now + self._rest
            self._begin_epoch()
            return was_closed

    def abandoned(self, admission: Admission) -> None:
        """A request ended without an answer of any kind (cancelled): if it was the probe, the next one may try."""
        with self._lock:
            if admission.epoch == self._epoch:
                self._probing_until = 0.0

    def after_fork(self) -> None:
        """In a child process: whoever held the lock, or probed, is not there."""
        self._lock = threading.Lock()
        self._probing_until = 0.0

    def _begin_epoch(self) -> Admission:
        self._epoch += 1
        return Admission(self._epoch)
