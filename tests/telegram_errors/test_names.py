"""Names and their numbers; and whatever text comes, nothing breaks and no login is called dead."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from telethon.errors import RPCError

from tests.telegram_errors.test_table import NAMES, THE_DEAD
from utils.telegram_errors import ErrorFacts, ErrorKind, classify, classify_name, error_name
from utils.telegram_errors.names import LONGEST_WAIT, split_name

MANGLES: tuple[Callable[[str], str], ...] = (
    *(str.lower, str.title, lambda name: name[:-1], lambda name: name * 2),
    *(lambda name: f"{name} ", lambda name: f"{name}\n", lambda name: f"\0{name}", lambda name: f"{name}S"),
    *(lambda name: f"{name}_5", lambda name: f"{name}_X", lambda name: f"5_{name}"),
    *(lambda name: name.replace("_", " "), lambda name: name.replace("_", "-")),
    *(lambda name: name.replace("_", "_9_", 1), lambda name: name.replace("S", "\u017f")),
)
MANGLED = st.builds(lambda mangle, name: mangle(name), st.sampled_from(MANGLES), st.sampled_from(NAMES))
JUNK = st.text(st.characters(exclude_categories=())) | st.from_regex(r"[A-Z0-9_]{0,90}", fullmatch=True) | MANGLED


@pytest.mark.parametrize(
    ("text", "name", "seconds"),
    [
        ("FLOOD_WAIT_300", "FLOOD_WAIT", 300),
        ("FLOOD_WAIT_0", "FLOOD_WAIT", 1),
        ("FLOOD_WAIT_X", "FLOOD_WAIT", None),
        ("FLOOD_WAIT_%d", "FLOOD_WAIT", None),
        ("2FA_CONFIRM_WAIT_60", "2FA_CONFIRM_WAIT", 60),
        ("PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT_5MIN", "PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT", 300),
        ("PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT_XMIN", "PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT", None),
        ("INTERDC_2_CALL_ERROR", "INTERDC_CALL_ERROR", 2),
        ("FILE_PART_0_MISSING", "FILE_PART_MISSING", 1),
        ("MD5_CHECKSUM_INVALID", "MD5_CHECKSUM_INVALID", None),
        ("AUTH_TOKEN_INVALID2", "AUTH_TOKEN_INVALID2", None),
        ("No workers running", "NO_WORKERS_RUNNING", None),
        ("topic_closed", "TOPIC_CLOSED", None),
        ("-503", "_503", None),
        ("", "UNNAMED", None),
    ],
)
def test_a_number_is_taken_out_of_a_name(text: str, name: str, seconds: int | None) -> None:
    assert split_name(text) == (name, None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize("digits", ["9" * 12, "9" * 13, "1" + "0" * 5000])
def test_a_wait_without_end_is_told_as_the_longest(digits: str) -> None:
    """A number that no timedelta, and no int(), would take."""
    assert classify_name(f"FLOOD_WAIT_{digits}").retry_after in (LONGEST_WAIT, None)
    assert classify_name(f"FLOOD_WAIT_{digits[:200]}").retry_after == LONGEST_WAIT


def _is_sound(facts: ErrorFacts) -> bool:
    waits = facts.retry_after is not None and timedelta(seconds=1) <= facts.retry_after <= LONGEST_WAIT
    return waits == (facts.kind is ErrorKind.TIMED) and re.fullmatch(r"[A-Z0-9_]{1,64}", facts.name) is not None


@given(JUNK)
@example("\u017fESSION_REVOKED")
@example("LONG_NAME_" * 9)
@example("SESSION REVOKED")
@example("USER_DEACTIVATED_BAN_3")
def test_no_junk_raises_or_calls_a_login_dead(text: str) -> None:
    """Near misses of the ten names included; and a wait is always there when a wait is asked for."""
    facts = classify_name(text)

    assert (facts.kind is ErrorKind.PERMANENT) == (text in THE_DEAD)
    assert _is_sound(facts)
    assert facts.retryable <= (facts.kind is not ErrorKind.UNRECOGNISED)


@given(JUNK, st.sampled_from([303, 400, 401, 403, 404, 406, 420, 500, -500, -503, 0, None]))
def test_no_junk_from_a_server_raises_or_calls_a_login_dead(text: str, code: int | None) -> None:
    """The same through an exception, whatever code comes with it."""
    error = RPCError(None, text, code)
    facts = classify(error)

    assert (facts.kind is ErrorKind.PERMANENT) == (text in THE_DEAD)
    assert facts.name == error_name(error)
    assert _is_sound(facts) or facts.name == "RPCError"


@given(st.sampled_from(NAMES), st.integers(0, 10**9))
def test_a_number_changes_no_kind_but_a_waits(name: str, number: int) -> None:
    """A bare wait is a cool-down; a dead login carries no number, so one that does is nobody's."""
    bare, numbered = classify_name(name), classify_name(f"{name}_{number}")

    if numbered.kind is ErrorKind.TIMED:
        assert bare.kind is ErrorKind.COOL_DOWN
    elif bare.kind is ErrorKind.PERMANENT:
        assert numbered.kind is ErrorKind.UNRECOGNISED
    else:
        assert numbered == bare
