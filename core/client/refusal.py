"""A start that ends early: raised inside the room, told as a `StartFailure` outside of it."""

from __future__ import annotations

from datetime import timedelta

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


class ClientNotStarted(GavatError):
    """`async with GavatClient(…)`: the start failed; `failure` says why."""

    def __init__(self, failure: StartFailure) -> None:
        super().__init__(str(failure), hint=failure.hint)
        self.failure = failure
