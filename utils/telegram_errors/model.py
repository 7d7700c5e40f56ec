"""The words in which an error is explained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class ErrorKind(Enum):
    """What kind of answer an error asks for; the gravest first, which decides when several come at once."""

    PERMANENT = "permanent"
    """The login is gone: log in again, or replace the account or bot token. It is a reason to stop this bot and tell a
    person, never to delete, move or rename its session file: servers have called living keys dead, and the entities
    and update state in the file outlive the login. No kind of error is."""
    NEEDS_PERSON = "needs person"
    """Only a person can go on: a code, a password, an appeal, a disk; or the proof that nobody else uses the login."""
    CONFIGURATION = "configuration"
    """The set-up is wrong and every start would fail alike: api_id, device model, a bot where a user is needed."""
    COOL_DOWN = "cool down"
    """Limited for a time that is not told. Stop, and let the operator resume: repeating makes the limit longer."""
    UNRECOGNISED = "unrecognised"
    """A name that nobody placed: hands off, show it to the operator. Whether the request was executed is unknown too.
    A start may be tried again a few times, with a cap; a message may not."""
    TIMED = "timed"
    """Wait `retry_after`, then go on; there always is one."""
    UNKNOWN_OUTCOME = "unknown outcome"
    """It cannot be known whether the server executed the request. Repeat the same bytes with the same random_id, or
    look whether it was done; a new random_id may post twice."""
    ACCOUNT_LIMIT = "account limit"
    """This account may not do this: full, not premium, not for its sort. Session, chat and arguments are sound and the
    bot goes on with all else; only a person can change it. Not REQUEST, because no other arguments would help; not
    NEEDS_PERSON, because nothing has to stop meanwhile; not COOL_DOWN, because it does not pass."""
    PER_CHAT = "per chat"
    """This chat, topic or peer only: leave it out, and never blame the session."""
    REQUEST = "request"
    """The arguments of this one request are wrong, or it does not fit what it is about; neither session nor chat is to
    blame. The same request will fail again."""
    TRANSIENT = "transient"
    """Not done, and it passes: repeat after a back-off. With scope SESSION only a few times, then a person."""

    @property
    def gravity(self) -> int:
        """Larger is worse."""
        return -tuple(ErrorKind).index(self)


class ErrorScope(Enum):
    """What the trouble reaches, and so what has to pause."""

    SESSION = "session"
    """This login, as it is configured here."""
    ACCOUNT = "account"
    """The account, whichever session it uses."""
    CHAT = "chat"
    REQUEST = "request"
    """This request or this sort of request; all else goes on."""
    NETWORK = "network"
    FILE = "file"
    """A file on this machine, as a rule the session's own."""
    UNKNOWN = "unknown"


_REPEATABLE = (ErrorKind.TIMED, ErrorKind.UNKNOWN_OUTCOME, ErrorKind.TRANSIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a row of the table says of all its names."""

    kind: ErrorKind
    scope: ErrorScope
    hint: str
    """One line: what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Meaning):
    """A row of the table with its names, as Telegram writes them, without numbers, parted by blanks."""

    names: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFacts:
    """What is known of one error."""

    name: str
    """Telegram's own name without its number, made of A-Z, 0-9 and `_`; else the name of the Python class."""
    kind: ErrorKind
    scope: ErrorScope
    hint: str
    """One line: what to do next."""
    retry_after: timedelta | None = None
    """Set when and only when the kind is TIMED."""
    refused: bool = False
    """Telegram itself answered, and so that the request was certainly not executed. False is "not known": a locked
    session file, for one, is met *after* the answer, so the message may well stand in the chat."""

    @property
    def retryable(self) -> bool:
        """Whether a program may repeat the very same request (same random_id) by itself, after `retry_after` or a
        back-off. Never leave to build the request anew.
        """
        return self.kind in _REPEATABLE


def facts_of(meaning: Meaning, *, name: str, retry_after: timedelta | None = None, refused: bool = False) -> ErrorFacts:
    """The facts of an error that has this meaning."""
    return ErrorFacts(
        name=name,
        kind=meaning.kind,
        scope=meaning.scope,
        hint=meaning.hint,
        retry_after=retry_after,
        refused=refused,
    )


UNRECOGNISED = Meaning(
    kind=ErrorKind.UNRECOGNISED,
    scope=ErrorScope.UNKNOWN,
    hint="hands off: show the error to the operator and place its name in the table",
)
