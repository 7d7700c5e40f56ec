"""What an error of a start means: named by Telegram's own word, never by Telethon's base class."""

import pytest
from telethon.errors import AuthKeyNotFound

from core.client.judge_failure import account_state, failure_of_ours, failure_of_telegrams
from core.client.model import FailureKind, HealthState
from core.client.refusal import Refused
from core.errors import (
    ConfigError,
    CopyFailed,
    GavatError,
    SessionFileBusy,
    SessionFileDamaged,
    SessionFileError,
    StateError,
)
from utils.telegram_errors import classify, classify_name


@pytest.mark.parametrize(
    ("name", "state", "kind"),
    [
        ("USER_DEACTIVATED_BAN", HealthState.BANNED, FailureKind.BANNED),
        ("SESSION_REVOKED", HealthState.REVOKED, FailureKind.REVOKED),
        ("AUTH_KEY_DUPLICATED", HealthState.DUPLICATED, FailureKind.DUPLICATED),
        ("FROZEN_METHOD_INVALID", HealthState.FROZEN, FailureKind.FROZEN),
        ("FLOOD_WAIT_30", HealthState.FLOODED, FailureKind.FLOODED),
        ("PEER_FLOOD", HealthState.FLOODED, FailureKind.FLOODED),
        ("API_ID_INVALID", None, FailureKind.CONFIGURATION),
        ("SESSION_PASSWORD_NEEDED", None, FailureKind.NEEDS_PERSON),
        ("TOPIC_CLOSED", None, FailureKind.TELEGRAM),
        ("CHANNEL_PRIVATE", None, FailureKind.TELEGRAM),
        ("A_NAME_NOBODY_KNOWS", None, FailureKind.TELEGRAM),
    ],
)
def test_a_name_of_telegrams_has_one_meaning(name: str, state: HealthState | None, kind: FailureKind) -> None:
    facts = classify_name(name)
    failure = failure_of_telegrams(facts, "said so")

    assert account_state(facts) is state
    assert (failure.kind, failure.code, failure.reason) == (kind, facts.name, "said so")


def test_a_key_that_the_server_does_not_know_may_pass_and_a_duplicated_one_does_not() -> None:
    unknown = failure_of_telegrams(classify(AuthKeyNotFound()), "-404")
    duplicated = failure_of_telegrams(classify_name("AUTH_KEY_DUPLICATED"), "406")

    assert (unknown.kind, unknown.retryable) == (FailureKind.REVOKED, True)
    assert (duplicated.kind, duplicated.retryable) == (FailureKind.DUPLICATED, False)


def test_a_refused_connection_is_the_networks() -> None:
    facts = classify(ConnectionRefusedError(111, "Connection refused"))

    assert account_state(facts) is HealthState.OFFLINE
    assert failure_of_telegrams(facts, "refused").kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SessionFileDamaged("x"), FailureKind.DAMAGED),
        (SessionFileBusy("x"), FailureKind.HELD),
        (SessionFileError("x"), FailureKind.FILE_SYSTEM),
        (CopyFailed("x"), FailureKind.FILE_SYSTEM),
        (StateError("x"), FailureKind.FILE_SYSTEM),
        (ConfigError("x"), FailureKind.CONFIGURATION),
        (Refused(FailureKind.MISSING, "NO_FILE", "x"), FailureKind.MISSING),
    ],
)
def test_an_error_of_ours_keeps_its_retryability(error: GavatError, kind: FailureKind) -> None:
    failure = failure_of_ours(error)

    assert (failure.kind, failure.reason) == (kind, "x")
    assert failure.retryable is error.retryable
    assert failure.kind is not FailureKind.DAMAGED or "salvage" in failure.hint
