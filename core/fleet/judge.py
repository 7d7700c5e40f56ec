"""What a failed start, or the end of a running bot, means for it (pure)."""

from __future__ import annotations

from datetime import timedelta

from core.client.model import LEASE_CODES, FailureKind, Health, StartFailure
from core.fleet.model import Judgement, Verdict
from utils.backoff import BackoffPolicy

_FOR_GOOD = {
    FailureKind.MISSING,
    FailureKind.DAMAGED,
    FailureKind.UNUSABLE,
    FailureKind.CONFIGURATION,
    FailureKind.NOT_LOGGED_IN,
    FailureKind.BANNED,
    FailureKind.REVOKED,
    FailureKind.DUPLICATED,
    FailureKind.FROZEN,
    FailureKind.NEEDS_PERSON,
}
_OF_THE_WAVE = {FailureKind.FLOODED, FailureKind.DUPLICATED, FailureKind.FROZEN}
"""What Telegram answers with 406 or 420: the next bots of the same address or api_id run into it too."""


def judge_start(failure: StartFailure, *, failures: int, backoff: BackoffPolicy, chance: float) -> Judgement:
    """What to do after a failed start, the `failures`-th in a row; `chance` is a random number of [0, 1)."""
    stops = failure.kind in _OF_THE_WAVE
    told = failure.reason if not failure.hint else f"{failure.reason}; {failure.hint}"
    if failure.kind in _FOR_GOOD and not failure.retryable:
        return Judgement(verdict=Verdict.GIVE_UP, code=failure.code, reason=told, stops_wave=stops)
    asked = failure.retry_after or timedelta(0)
    after = max(asked, backoff.delay(failures, chance=chance))
    return Judgement(
        verdict=Verdict.START_AGAIN, code=failure.code, reason=told, after=after, asked=asked, stops_wave=stops
    )


def judge_end(health: Health, *, failures: int, backoff: BackoffPolicy, chance: float) -> Judgement:
    """What to do after a running bot ended by itself: with a code of Telegram's, that is for good.

    Without its lease it waits like any other that wants it, and takes over when the one who has it is gone.
    """
    if health.code and health.code not in LEASE_CODES:
        return Judgement(verdict=Verdict.GIVE_UP, code=health.code, reason=health.detail)
    after = backoff.delay(failures, chance=chance)
    reason = health.detail or "it ended by itself"
    return Judgement(verdict=Verdict.START_AGAIN, code=health.code or "ENDED", reason=reason, after=after)
