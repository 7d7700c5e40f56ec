"""What a login finds under its session's name, and what its errors mean (pure)."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

from core.client.judge_failure import failure_of_telegrams
from core.client.judge_file import refusal_of
from core.client.model import FailureKind
from core.client.refusal import Refused
from core.session_files.model import EntryKind, HeaderKind, PlanEntry, RepairAction, Usage
from utils.telegram_errors import ErrorFacts, ErrorKind

_NOT_LOGGED_IN = "GV127"
_SET_ASIDE = "set it aside: cleanup_sessions.py FOLDER; it may be all that is left of a login"
_BY_NAME = {
    "PHONE_NUMBER_BANNED": (
        FailureKind.BANNED,
        "Telegram has banned this phone number",
        "its owner may appeal in an official app; no login is possible until then",
    ),
    "PHONE_NUMBER_UNOCCUPIED": (
        FailureKind.NEEDS_PERSON,
        "nobody is registered with this phone number",
        "accounts are not made here: register it in an official Telegram app, then log in",
    ),
    "PHONE_NUMBER_INVALID": (
        FailureKind.NEEDS_PERSON,
        "Telegram takes this for no phone number",
        "write it with its country code: +44 20 …",
    ),
    "PHONE_CODE_INVALID": (
        FailureKind.NEEDS_PERSON,
        "the code was wrong",
        "begin again; look for the newest code, in a Telegram app of this account first",
    ),
    "PHONE_CODE_EMPTY": (FailureKind.NEEDS_PERSON, "no code was given", "begin again when you can read the code"),
    "PHONE_CODE_EXPIRED": (
        FailureKind.NEEDS_PERSON,
        "the code has expired",
        "begin again; a code that is sent in a Telegram chat, even to oneself, expires at once",
    ),
    "PASSWORD_HASH_INVALID": (
        FailureKind.NEEDS_PERSON,
        "the password of the two-step verification was wrong",
        "begin again; a forgotten one is reset in an official Telegram app",
    ),
    "PASSWORD_EMPTY": (FailureKind.NEEDS_PERSON, "no password was given", "begin again with the password"),
    "ACCESS_TOKEN_INVALID": (
        FailureKind.NEEDS_PERSON,
        "Telegram knows no bot with this token",
        "ask @BotFather for it: /mybots, API Token",
    ),
    "AuthKeyNotFound": (
        FailureKind.REVOKED,
        "Telegram does not know this key, perhaps for now",
        "try again in some minutes; if it stays so, log in anew: the same command with --again",
    ),
    "ACCESS_TOKEN_EXPIRED": (
        FailureKind.NEEDS_PERSON,
        "this token was revoked",
        "ask @BotFather for the new one: /mybots, API Token",
    ),
}


class Ground(Enum):
    """What is there already."""

    NOTHING = "nothing"
    EMPTY = "empty"
    """A file of 0 bytes, as a login leaves that was killed right at its beginning."""
    SESSION = "session"
    """A whole session of Telethon's, with a key or without one."""


class Existing(Enum):
    """What is to become of a session that holds a login."""

    KEPT = "kept"
    REPLACED = "replaced"
    """By the new login, when that has succeeded; the old file is copied and moves to quarantine."""


def ground_of(entry: PlanEntry) -> Ground:
    """What a login may go on from; raises Refused for what it must not touch.

    `entry` is the plan for the session whose lease is held here.
    """
    family = entry.seen.family
    if family.kind is EntryKind.ORPHAN:
        if not family.sidecars:
            return Ground.NOTHING
        note = entry.notes[0]
        raise Refused(FailureKind.UNUSABLE, note.code, note.detail, hint=_SET_ASIDE)
    is_empty = entry.seen.header.kind is HeaderKind.EMPTY and entry.seen.occupancy.usage is Usage.FREE
    if is_empty and RepairAction.SET_ASIDE not in entry.actions:
        return Ground.EMPTY
    refusal = refusal_of(entry)
    if refusal is not None and refusal.failure.code != _NOT_LOGGED_IN:
        raise refusal
    return Ground.SESSION


def replacing(entry: PlanEntry) -> PlanEntry:
    """The entry of a session that a new login replaces; raises Refused where that cannot be done safely."""
    family, usage = entry.seen.family, entry.seen.occupancy.usage
    refusal = refusal_of(entry)
    if usage is Usage.IN_USE and refusal is not None:
        raise refusal
    if usage is not Usage.FREE or family.main is None or family.main.links > 1:
        note = entry.notes[0]
        raise Refused(FailureKind.UNUSABLE, note.code, note.detail, hint=f"monitor_system.py explain {note.code}")
    return entry._replace(actions=(RepairAction.LOGIN,))


def refusal_of_telegrams(facts: ErrorFacts, reason: str) -> Refused:
    """What Telegram, or the network, answered to a login, as it is told to who logs in."""
    failure = failure_of_telegrams(facts, reason)
    kind, said, hint = _BY_NAME.get(facts.name, (failure.kind, "", facts.hint))
    if not said and facts.kind is ErrorKind.TIMED and facts.retry_after is not None:
        said = f"Telegram asks to wait {_wait_text(facts.retry_after)} before the next try"
        hint = "wait that long; each earlier try may make it longer"
    if kind is FailureKind.UNREACHABLE:
        hint = "see to the network, then run it again"
    return Refused(
        kind, facts.name, said or reason, retryable=facts.retryable, retry_after=facts.retry_after, hint=hint
    )


def _wait_text(wait: timedelta) -> str:
    """`45 s`, `15 min`, `23 h 10 min`."""
    minutes, seconds = divmod(round(wait.total_seconds()), 60)
    if not minutes:
        return f"{seconds} s"
    hours, minutes = divmod(minutes + (seconds > 0), 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes))
