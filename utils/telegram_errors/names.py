"""Telegram's error names, taken apart: FLOOD_WAIT_300 is FLOOD_WAIT and 300 seconds."""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST_WAIT = timedelta(days=366)
"""Longer waits are told as this one: a number may be anything, a timedelta may not."""
_SHORTEST_WAIT = timedelta(seconds=1)
"""FLOOD_WAIT_0 exists; Telethon too waits a second then (client/users.py), or it would be asked again at once."""
_LONGEST_NAME = 64

# A number is a whole part of a name: MD5_CHECKSUM_INVALID and 2FA_CONFIRM_WAIT keep theirs. `X` and `%d` stand for one
# in documentation; minutes are told as in PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT_5MIN.
_NUMBER = re.compile(r"_(?:([0-9]+)(MIN)?|(?:X|%D)(?:MIN)?)(?=_|$)")
_FOREIGN = re.compile(r"[^A-Z0-9_]")


def split_name(text: str) -> tuple[str, timedelta | None]:
    """The name without its numbers, and the first number read as a wait, in seconds unless it says MIN.

    Any text is taken; the name is made of A-Z, 0-9 and `_`, at most 64 of them, so that it may be shown, logged and
    used as a label.
    """
    upper = text[:256].upper().replace(" ", "_")
    found = next((match for match in _NUMBER.finditer(upper) if match[1]), None)
    name = _FOREIGN.sub("_", _NUMBER.sub("", upper))[:_LONGEST_NAME]
    return name or "UNNAMED", _wait(found) if found else None


def _wait(number: re.Match[str]) -> timedelta:
    unit = timedelta(minutes=1) if number[2] else timedelta(seconds=1)
    if len(number[1]) > 12:
        return LONGEST_WAIT
    return max(_SHORTEST_WAIT, min(int(number[1]) * unit, LONGEST_WAIT))
