"""What an error of a start means to the operator (pure)."""

from __future__ import annotations

from core.client.model import FailureKind, HealthState, StartFailure
from core.client.refusal import Refused
from core.errors import (
    ConfigError,
    CopyFailed,
    FolderReadOnly,
    GavatError,
    SessionFileBusy,
    SessionFileDamaged,
    StateError,
)
from utils.telegram_errors import ErrorFacts, ErrorKind, ErrorScope

SALVAGE = "rescue it: cleanup_sessions.py files salvage, or bring a backup back: cleanup_sessions.py files restore"
_BANNED = {"USER_DEACTIVATED_BAN", "USER_DEACTIVATED", "PHONE_NUMBER_BANNED", "INPUT_USER_DEACTIVATED"}
_DUPLICATED = {"AUTH_KEY_DUPLICATED"}
_FROZEN = {"FROZEN_METHOD_INVALID", "FROZEN_PARTICIPANT_MISSING"}
_UNKNOWN_KEY = "AuthKeyNotFound"
_KINDS = {
    HealthState.BANNED: FailureKind.BANNED,
    HealthState.REVOKED: FailureKind.REVOKED,
    HealthState.DUPLICATED: FailureKind.DUPLICATED,
    HealthState.FROZEN: FailureKind.FROZEN,
    HealthState.FLOODED: FailureKind.FLOODED,
    HealthState.OFFLINE: FailureKind.UNREACHABLE,
}
_OUR_OWN: tuple[tuple[type[GavatError], FailureKind, str], ...] = (
    (SessionFileDamaged, FailureKind.DAMAGED, "GV120"),
    (SessionFileBusy, FailureKind.HELD, "SQLITE_BUSY"),
    (CopyFailed, FailureKind.FILE_SYSTEM, "COPY_FAILED"),
    (FolderReadOnly, FailureKind.FILE_SYSTEM, "READ_ONLY"),
    (StateError, FailureKind.FILE_SYSTEM, "STATE"),
    (ConfigError, FailureKind.CONFIGURATION, "SETTING"),
    (GavatError, FailureKind.FILE_SYSTEM, "SESSION_FILE"),
)


def account_state(facts: ErrorFacts) -> HealthState | None:
    """What an error says of the whole account or login; None when it says nothing of it."""
    if facts.name in _BANNED and facts.kind is ErrorKind.PERMANENT:
        return HealthState.BANNED
    if facts.name in _DUPLICATED:
        return HealthState.DUPLICATED
    if facts.name in _FROZEN:
        return HealthState.FROZEN
    if facts.kind is ErrorKind.PERMANENT:
        return HealthState.REVOKED
    if facts.kind in (ErrorKind.TIMED, ErrorKind.COOL_DOWN) and facts.scope is ErrorScope.ACCOUNT:
        return HealthState.FLOODED
    if facts.scope is ErrorScope.NETWORK:
        return HealthState.OFFLINE
    return None


def failure_of_ours(error: GavatError) -> StartFailure:
    """A failure from one of this toolkit's own errors."""
    if isinstance(error, Refused):
        return error.failure
    kind, code = next((kind, code) for cls, kind, code in _OUR_OWN if isinstance(error, cls))
    hint = error.hint or (SALVAGE if kind is FailureKind.DAMAGED else "")
    return StartFailure(kind=kind, code=code, reason=str(error), retryable=error.retryable, hint=hint)


def failure_of_telegrams(facts: ErrorFacts, reason: str) -> StartFailure:
    """A failure from what Telegram or the network answered."""
    state = account_state(facts)
    kind = _KINDS[state] if state is not None else FailureKind.TELEGRAM
    if facts.name == _UNKNOWN_KEY:
        kind = FailureKind.REVOKED  # -404; it may be temporary, so it is retryable, as a duplicated login (406) is not
    elif state is None and facts.kind is ErrorKind.CONFIGURATION:
        kind = FailureKind.CONFIGURATION
    elif state is None and facts.kind is ErrorKind.NEEDS_PERSON:
        kind = FailureKind.NEEDS_PERSON
    return StartFailure(
        kind=kind,
        code=facts.name,
        reason=reason,
        retryable=facts.retryable,
        retry_after=facts.retry_after,
        hint=facts.hint,
    )
