"""Reading what processes say of their bots, from the state folder and from Redis; nothing of it is trusted.

Silence has a meaning only together with the process: one that lives and says nothing is stuck, one that is gone was
killed, and of one on another host nobody here can tell.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from core.errors import ConfigError
from core.state.folder import StateFolder
from core.state.status_files import StatusFiles, Stored
from utils.processes import Life, boot_id, life_of
from utils.redact import printable

if TYPE_CHECKING:
    from core.state.status_model import ProcessStatus

_ABANDONED = timedelta(days=1)
_REMEMBERED = 20
"""Processes that were killed and are still told of: one that dies again and again leaves a document each time."""


class Condition(Enum):
    """How a process is, as far as its status tells; worst first."""

    STUCK = "stuck"
    """It lives, on this host, and its status is old."""
    ENDED = "ended"
    """It is gone from this host and did not take its status away: killed."""
    SILENT = "silent"
    """Its status is old, and whether it lives cannot be known from here."""
    FRESH = "fresh"


class Source(Enum):
    """Where a status was found."""

    FILE = "file"
    REDIS = "redis"


class SeenStatus(NamedTuple):
    """One process as it was seen."""

    status: ProcessStatus
    age: timedelta
    """Since its document was written."""
    condition: Condition
    here: bool
    """It runs, or ran, on this host: its paths are this host's."""
    sources: tuple[Source, ...]


class UnreadStatus(NamedTuple):
    """A document that says nothing to us."""

    place: str
    why: str


class StatusView(NamedTuple):
    """Every process that publishes, and what could not be seen."""

    processes: tuple[SeenStatus, ...] = ()
    """The worst first."""
    unread: tuple[UnreadStatus, ...] = ()
    shared_problem: str = ""
    """Why other hosts are unknown, where Redis was asked and could not be."""


def read_statuses(state: StateFolder, redis_url: str, now: datetime) -> StatusView:
    """All that can be read; `redis_url` empty: this host's state folder alone. Raises nothing."""
    unread: list[UnreadStatus] = []
    seen = list(_of_files(StatusFiles(state), now, unread))
    shared_problem = ""
    if redis_url:
        shared_problem = _add_shared(redis_url, now, seen, unread)
    processes = sorted(_once(seen), key=_worst_first)
    return StatusView(tuple(processes), tuple(unread), shared_problem)


def sweep_statuses(files: StatusFiles, now: datetime) -> None:
    """Remove what killed processes of this host left behind: files of a day ago, and all but the newest 20."""
    ended = [seen for seen in _of_files(files, now, []) if seen.condition is Condition.ENDED]
    ended.sort(key=lambda seen: seen.age)
    for number, seen in enumerate(ended):
        if number >= _REMEMBERED or seen.age > _ABANDONED:
            with suppress(OSError):
                files.remove(seen.status.process)


def judge_silence(*, age: timedelta, valid_for: timedelta, life: Life, rebooted: bool) -> Condition:
    """How a process is (pure); `rebooted`: it ran on this host before the machine last started.

    A document from the future is as worthless as an old one, else one with a wrong date would be believed for ever.
    """
    if life is Life.ENDED:
        return Condition.ENDED
    if abs(age) <= valid_for:
        return Condition.FRESH
    if life is Life.ALIVE:
        return Condition.STUCK
    return Condition.ENDED if rebooted else Condition.SILENT


def _of_files(files: StatusFiles, now: datetime, unread: list[UnreadStatus]) -> Iterator[SeenStatus]:
    try:
        for stored in files.read():
            seen = _seen(stored, Source.FILE, now, None)
            if isinstance(seen, SeenStatus):
                yield seen
            else:
                unread.append(seen)
    except OSError as error:
        unread.append(UnreadStatus(files.place, error.strerror or str(error)))


def _add_shared(redis_url: str, now: datetime, found: list[SeenStatus], unread: list[UnreadStatus]) -> str:
    """Add what Redis holds, and say why that is not known where it is not."""
    from core.state.status_shared import open_shared
    from utils.redis_link import RedisUnavailable

    try:
        shared = open_shared(redis_url)
        try:
            documents = list(shared.read())
        finally:
            shared.close()
    except (ConfigError, RedisUnavailable) as error:
        return str(error)
    for stored, age in documents:
        seen = _seen(stored, Source.REDIS, now, age)
        if isinstance(seen, SeenStatus):
            found.append(seen)
        else:
            unread.append(seen)
    return ""


def _seen(stored: Stored, source: Source, now: datetime, age: timedelta | None) -> SeenStatus | UnreadStatus:
    """What a document says; `age`: where somebody else than its writer has told it."""
    from core.state.status_document import NotAStatus, decode_status  # dataclasses are loaded only where one is found

    if stored.text is None:
        return UnreadStatus(stored.place, stored.problem)
    try:
        status = decode_status(stored.text, process=stored.process)
    except NotAStatus as error:
        return UnreadStatus(stored.place, str(error))
    age = now - status.at if age is None else age
    same_host = status.host == printable(os.uname().nodename)
    same_boot = status.identity.boot == boot_id()
    rebooted = same_host and not same_boot and source is Source.FILE
    life = life_of(status.identity)
    condition = judge_silence(age=age, valid_for=status.valid_for, life=life, rebooted=rebooted)
    return SeenStatus(status, age, condition, same_host and (same_boot or rebooted), (source,))


def _once(found: Iterable[SeenStatus]) -> list[SeenStatus]:
    """Each process once: as it is best known, with every place it was found in."""
    by_name: dict[str, list[SeenStatus]] = {}
    for seen in found:
        by_name.setdefault(seen.status.process, []).append(seen)
    return [
        min(twins, key=lambda one: (one.condition is not Condition.FRESH, one.sources[0] is not Source.FILE))._replace(
            sources=tuple(one.sources[0] for one in twins)
        )
        for twins in by_name.values()
    ]


def _worst_first(seen: SeenStatus) -> tuple[int, str, int]:
    return list(Condition).index(seen.condition), seen.status.host, seen.status.identity.pid
