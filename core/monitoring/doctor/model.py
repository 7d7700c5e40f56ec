"""Frozen data of the doctor: what a check looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from core.errors import GavatError
from core.session_files.looking.inspect import FolderInspection
from core.session_files.model import EntryKind, FileInspection
from core.state import StateFolder

CLEANUP, MONITOR = "cleanup_sessions.py", "monitor_system.py"
"""How a `Command` names our scripts; whoever shows it writes the interpreter and the path."""


class Level(Enum):
    """How bad a thing is; the order is that of a report, worst first."""

    CRIT = "crit"
    WARN = "warn"
    UNKNOWN = "unknown"
    """It could not be looked at; never shown as good."""
    OK = "ok"

    @property
    def exit_code(self) -> int:
        """As a plugin of Nagios returns it (Monitoring Plugins guidelines, "plugin return codes")."""
        return {Level.OK: 0, Level.WARN: 1, Level.CRIT: 2, Level.UNKNOWN: 3}[self]


class Command(NamedTuple):
    """What the reader can run next."""

    words: tuple[str, ...] = ()
    """Empty: this very command again."""
    user: str | None = None
    """Whom to run it as; None: as now."""
    append_to: str | None = None
    """A file that its output is appended to."""


class Trouble(NamedTuple):
    """One thing that a check found."""

    code: str
    level: Level
    evidence: str
    """What was seen on this machine; holds names as they are, so it is escaped before it is shown."""
    command: Command


class Answer(NamedTuple):
    """What a check says."""

    summary: str
    """What was looked at and how it is, in a clause; also where all is well."""
    troubles: tuple[Trouble, ...] = ()

    @property
    def level(self) -> Level:
        """The worst of its troubles."""
        return worst(trouble.level for trouble in self.troubles)


class Scene(NamedTuple):
    """What the checks look at, collected once."""

    folders: tuple[FolderInspection, ...]
    state: StateFolder
    now: datetime
    config: str = ""
    """Path of `gavat.toml`, there or not; empty: none is asked about."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The folders of sessions."""
        return tuple(one.folder.path for one in self.folders)

    def sessions(self) -> Iterator[FileInspection]:
        """Each session file once, however many names it has."""
        seen: set[tuple[int, int]] = set()
        for one in (file for folder in self.folders for file in folder.files):
            main = one.family.main
            if one.family.kind is EntryKind.SESSION and main is not None and (main.device, main.inode) not in seen:
                seen.add((main.device, main.inode))
                yield one


class Check(NamedTuple):
    """One question, and how it is answered."""

    name: str
    purpose: str
    look: Callable[[Scene], Answer]
    inside: bool = False
    """It needs what is in the pages of the sessions, not only what lies there."""


class Examination(NamedTuple):
    """The answers of all checks that were asked."""

    answers: tuple[tuple[Check, Answer], ...]
    """Worst first."""
    problems: tuple[GavatError, ...]
    """Folders that could not be looked at."""


def worst(levels: Iterable[Level]) -> Level:
    """The worst of some levels, OK of none."""
    order = list(Level)
    return min(levels, key=order.index, default=Level.OK)


def some(names: Iterable[str], most: int = 3) -> str:
    """The first few names: `a, b, c and 7 more`."""
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def count(number: int, noun: str, nouns: str = "") -> str:
    """`1 session`, `12 sessions`, `no session`; `nouns` where the plural is not made with an s."""
    return f"no {noun}" if number == 0 else f"1 {noun}" if number == 1 else f"{number:,} {nouns or noun + 's'}"
