"""When it makes no sense to ask: the circuit breaker. Every moment is an argument, in seconds that only grow."""

from __future__ import annotations

import threading
from enum import StrEnum

from gpt.errors import (
    AuthenticationFailed,
    BadReply,
    CircuitOpen,
    GptError,
    ProviderFailed,
    QuotaExhausted,
    ReplyTimeout,
)

_AT_ONCE = (QuotaExhausted, AuthenticationFailed)
_AGAIN_AND_AGAIN = (ProviderFailed, ReplyTimeout, BadReply)


class CircuitState(StrEnum):
    """`closed`: requests pass; `open`: none does; `half-open`: one probe is under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """Opens at once on an empty account or a refused key, and after so many failures of the provider in a row."""

    def __init__(self, *, failures: int, rest: float) -> None:
        self._most = failures
        self._rest = rest
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_by: GptError | None = None
        self._probe_at = 0.0
        self._probing_until = 0.0

    def state(self, now: float) -> CircuitState:
        """As of `now`."""
        if self._opened_by is None:
            return CircuitState.CLOSED
        return CircuitState.HALF_OPEN if now < self._probing_until else CircuitState.OPEN

    def admit(self, now: float, *, probe_within: float) -> None:
        """Let a request pass or raise CircuitOpen; of an open circuit the first one after the rest passes, as a probe.

        A probe of which nothing is heard within `probe_within` seconds was lost, and the next one may try.
        """
        with self._lock:
            cause = self._opened_by
            if cause is None:
                return
            wait = max(self._probe_at, self._probing_until) - now
            if wait <= 0:
                self._probing_until = now + probe_within
                return
        refusal = CircuitOpen(
            f"not asked for another {wait:.0f} s: {cause.message}", hint=cause.hint, retry_after=round(wait, 3)
        )
        refusal.opened_by = cause.kind
        raise refusal

    def succeeded(self) -> bool:
        """The provider answered; gives whether that closed the circuit."""
        with self._lock:
            was_open, self._opened_by = self._opened_by is not None, None
            self._failures = 0
            self._probing_until = 0.0
            return was_open

    def failed(self, error: GptError, now: float) -> bool:
        """What a request ended with; gives whether that opened the circuit.

        A provider that refuses a request, or asks to slow down, is well: that counts as an answer.
        """
        if not isinstance(error, _AT_ONCE + _AGAIN_AND_AGAIN):
            self.succeeded()
            return False
        with self._lock:
            self._failures += 1
            probed, self._probing_until = self._probing_until > 0, 0.0
            if not isinstance(error, _AT_ONCE) and self._failures < self._most and not probed:
                return False
            was_closed, self._opened_by = self._opened_by is None, error.again()
            self._probe_at = now + self._rest
            return was_closed

    def abandoned(self) -> None:
        """A request ended without an answer of any kind (cancelled): if it was the probe, the next one may try."""
        with self._lock:
            self._probing_until = 0.0

    def after_fork(self) -> None:
        """In a child process: whoever held the lock, or probed, is not there."""
        self._lock = threading.Lock()
        self._probing_until = 0.0
