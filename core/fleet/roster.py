"""Which bots are wanted, what each has of its own and hears, and what that changes in a fleet that runs (pure)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

from core.errors import ConfigError
from core.fleet.settings import BotSettings, FleetSettings, HandlerName
from core.session_files.looking.listing import SUFFIX
from utils.redact import printable

Find = Callable[[HandlerName, str], Any]
"""Gives the function that a setting (named second) means; raises ConfigError."""


class Kind(Enum):
    """What a handler is called for; the value is its setting in `[fleet]` and `[bots.NAME]`."""

    ON_PRIVATE = "on_private"
    ON_GROUP = "on_group"
    HANDLERS = "handlers"
    """What it is marked with, or what a program says."""


class Heard(NamedTuple):
    """One function of the settings."""

    kind: Kind
    handler: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBot:
    """One session, and how its bot is to run."""

    name: str
    path: str
    settings: BotSettings
    hears: tuple[Heard, ...]
    """What the settings say; what a program adds comes on top."""
    table: str = ""
    """The name of its `[bots.NAME]`; empty when it has none."""

    def takes(self, kind: Kind) -> bool:
        """Whether it also hears what the fleet has of this kind."""
        return getattr(self.settings, kind.value) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a fleet that runs has to do to be as it is wanted."""

    stop: tuple[str, ...]
    """Paths; those that are also in `start` are started anew."""
    start: tuple[WantedBot, ...]
    hear: tuple[WantedBot, ...]
    """Those that go on, with other handlers."""


def wanted_bots(
    paths: Sequence[str],
    fleet: FleetSettings,
    bots: Mapping[str, BotSettings],
    find: Find,
    *,
    own: Mapping[str, BotSettings] | None = None,
    real: Callable[[str], str] = os.path.realpath,
) -> tuple[WantedBot, ...]:
    """A bot for each session, those that are to be left out included. Raises ConfigError.

    `own`: what a program says of single bots, in place of `bots`; `real`: a path without symbolic links.
    """
    of_the_fleet = {kind: _heard(kind, getattr(fleet, kind.value), f"[fleet] {kind.value}", find) for kind in Kind}
    file_of, wanted = cache(real), []
    for path in paths:
        table, settings = _settings_of(path, paths, (own or {}, bots), file_of)
        heard = {kind: getattr(settings, kind.value) for kind in Kind}
        hears = [
            of_the_fleet[kind] if names is None else _heard(kind, names, f"[bots.{table}] {kind.value}", find)
            for kind, names in heard.items()
        ]
        name, hears_all = session_title(path), sum(hears, ())
        wanted.append(WantedBot(name=name, path=path, settings=settings, hears=hears_all, table=table))
    return tuple(wanted)


def plan_change(running: Mapping[str, WantedBot], wanted: Sequence[WantedBot], over: Collection[str]) -> Change:
    """From what runs, by path, to what is wanted; those that are `over` (given up) begin anew, after the others."""
    by_path = {one.path: one for one in wanted if one.settings.run}
    stop = [
        path
        for path, bot in running.items()
        if path in over or path not in by_path or not _runs_alike(bot, by_path[path])
    ]
    going_on = {path: bot for path, bot in running.items() if path not in stop}
    start = [one for path, one in by_path.items() if path not in going_on]
    return Change(
        stop=tuple(stop),
        start=tuple(sorted(start, key=lambda one: one.path in over)),
        hear=tuple(by_path[path] for path, bot in going_on.items() if not _hear_alike(bot, by_path[path])),
    )


def session_title(path: str) -> str:
    """The name that `[bots.NAME]` means a session by."""
    return os.path.basename(path).removesuffix(SUFFIX)


def _runs_alike(one: WantedBot, other: WantedBot) -> bool:
    """Whether only their handlers differ, if anything."""
    same, others = (bot.settings._replace(on_private=None, on_group=None, handlers=None) for bot in (one, other))
    return same == others


def _hear_alike(one: WantedBot, other: WantedBot) -> bool:
    """Whether neither what the settings say nor what a program adds to it differs."""
    return one.hears == other.hears and all(one.takes(kind) == other.takes(kind) for kind in Kind)


def _settings_of(
    path: str, paths: Sequence[str], said: Sequence[Mapping[str, BotSettings]], real: Callable[[str], str]
) -> tuple[str, BotSettings]:
    """The table of a session and its name: of the first that has one."""
    for bots in said:
        table = _table_of(path, paths, bots, real)
        if table is not None:
            return table, bots[table]
    return "", BotSettings()


def _table_of(
    path: str, paths: Sequence[str], bots: Mapping[str, BotSettings], real: Callable[[str], str]
) -> str | None:
    """The table that means a session: by its path, however that is written, or by a name that only one has."""
    name, file = session_title(path), real(path)
    tables = [table for table in bots if "/" in table and _file_of(table, real) == file]
    by_name = [table for table in bots if table.removesuffix(SUFFIX) == name]
    alike = [one for one in paths if session_title(one) == name]
    if by_name and len(alike) > 1:
        if not tables:
            raise ConfigError(
                f"[bots.{by_name[0]}] may mean {' or '.join(alike)}", hint=f'name it by its path: [bots."{alike[0]}"]'
            )
        by_name = []
    tables += by_name
    if len(tables) > 1:
        both = " and ".join(f'[bots."{printable(table)}"]' for table in tables)
        raise ConfigError(f"{both} mean one session", path=path, hint="put all of it into one of them")
    return tables[0] if tables else None


def _file_of(table: str, real: Callable[[str], str]) -> str:
    return real(os.path.abspath(table).removesuffix(SUFFIX) + SUFFIX)


def _heard(kind: Kind, names: Sequence[HandlerName], where: str, find: Find) -> tuple[Heard, ...]:
    return tuple(Heard(kind, find(name, where)) for name in names)
