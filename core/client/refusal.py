"""A start that ends early: raised inside the room, told as a `StartFailure` outside of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from core.client.model import FailureKind, StartFailure
from core.errors import GavatError


class Refused(GavatError):
    """The start cannot go on."""

    def __init__(
        self,
        kind: FailureKind,
        code: str,
        reason: str,
        *,
        retryable: bool = False,
        retry_after: timedelta | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(reason, hint=hint)
        self.failure = StartFailure(
            kind=kind, code=code, reason=reason, retryable=retryable, retry_after=retry_after, hint=hint
        )


LOOK_EVERY = timedelta(seconds=5)
"""Between two looks at a lease that somebody else has."""


class Freed(NamedTuple):
    """How to find out that a lease is to be had."""

    ask: Callable[[], bool]
    """A cheap call that may block a moment, and raises nothing."""
    every: timedelta = LOOK_EVERY
    """How often it should be asked."""


class LeaseRefused(Refused):
    """A lease is not to be had now."""

    def __init__(self, kind: FailureKind, code: str, reason: str, *, hint: str, freed: Freed) -> None:
        super().__init__(kind, code, reason, retryable=True, hint=hint)
        self.freed = freed


class ClientNotStarted(GavatError):
    """`async with GavatClient(…)`: the start failed; `failure` says why."""

    def __init__(self, failure: StartFailure) -> None:
        super().__init__(str(failure), hint=failure.hint)
        self.failure = failure
