"""A name's facts: its exact place in the table, else a family's, else hands off. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain

from utils.telegram_errors import arguments, chats, logins, outcomes, waits
from utils.telegram_errors.model import UNRECOGNISED, ErrorFacts, ErrorKind, ErrorScope, Group, Meaning, facts_of
from utils.telegram_errors.names import split_name

GROUPS: tuple[Group, ...] = (*logins.GROUPS, *waits.GROUPS, *outcomes.GROUPS, *chats.GROUPS, *arguments.GROUPS)
PLACES: dict[str, Meaning] = dict(
    chain.from_iterable(((name, group) for name in group.names.split()) for group in GROUPS)
)

_OF_A_LOGIN = r"(?!(?:AUTH|SESSION|ACCESS|ACCOUNT|USER|PHONE|PASSWORD|SRP|CODE|EMAIL|API|CONNECTION|FROZEN)_)"
"""What a name may not begin with that is placed by its ending: such a name may speak of the login or the account."""

# Telegram adds names faster than Telethon learns them. A family takes those whose ending leaves no doubt; it is asked
# only after the exact names, and none of them is PERMANENT.
FAMILIES: tuple[tuple[re.Pattern[str], Meaning], ...] = (
    # Each sort of message has its own right in a chat (DOCS, AUDIOS, ROUNDVIDEOS, … are not in Telethon's list).
    (
        re.compile(r"CHAT_SEND_[A-Z]+_FORBIDDEN"),
        Meaning(
            kind=ErrorKind.PER_CHAT,
            scope=ErrorScope.CHAT,
            hint="leave this chat out: it does not allow this sort of message",
        ),
    ),
    # Waiting as long as the server says is never wrong, whatever for. Without a number it is a cool-down.
    (
        re.compile(r"[A-Z0-9_]*_WAIT"),
        Meaning(kind=ErrorKind.TIMED, scope=ErrorScope.ACCOUNT, hint="wait as long as the server says, then go on"),
    ),
    # Every name on _FLOOD says that something was done too often; stopping is never wrong.
    (
        re.compile(r"[A-Z0-9_]*_FLOOD"),
        Meaning(
            kind=ErrorKind.COOL_DOWN, scope=ErrorScope.ACCOUNT, hint="stop, and let the operator resume this account"
        ),
    ),
    # The value that the name begins with is wrong, missing, too long, or already what it is to become.
    (
        re.compile(_OF_A_LOGIN + r"[A-Z0-9_]+_(?:INVALID|EMPTY|TOO_LONG|TOO_SHORT|NOT_MODIFIED)"),
        Meaning(
            kind=ErrorKind.REQUEST,
            scope=ErrorScope.REQUEST,
            hint="correct the argument that the name tells; repeating as it is fails again",
        ),
    ),
)

_UNKNOWABLE = (ErrorKind.UNKNOWN_OUTCOME, ErrorKind.UNRECOGNISED)


def place(name: str) -> Meaning | None:
    """Where a name without a number stands, None when nobody placed it."""
    exact = PLACES.get(name)
    if exact is not None:
        return exact
    return next((meaning for pattern, meaning in FAMILIES if pattern.fullmatch(name)), None)


def classify_name(text: str) -> ErrorFacts:
    """The facts of an error by Telegram's name for it, with or without its number (`FLOOD_WAIT_300`). Never raises.

    PERMANENT is answered to the exact spelling only, so that no near miss calls a login dead.
    """
    name, wait = split_name(text)
    meaning = place(name)
    if meaning is None or (meaning.kind is ErrorKind.PERMANENT and text != name):
        return facts_of(UNRECOGNISED, name=name)
    if meaning.kind is not ErrorKind.TIMED:
        wait = None
    elif wait is None:
        meaning = replace(meaning, kind=ErrorKind.COOL_DOWN)
    return facts_of(meaning, name=name, retry_after=wait, refused=meaning.kind not in _UNKNOWABLE)
