"""The bots that processes publish, joined to the sessions that are looked at."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from core.session_files.model import SessionFamily
from core.state import StateFolder
from core.state.status_reading import Condition, SeenStatus, StatusView, read_statuses

if TYPE_CHECKING:
    from core.state.status_model import BotFigures

_WORST_FIRST = (
    *("banned", "revoked", "duplicated", "frozen", "given up", "locked out", "deaf", "offline", "flooded"),
    *("starting", "waiting", "stopped", "alive"),
)
"""States that our own programs publish; any other word stands before `starting`: it may mean trouble."""
_ANY_OTHER = _WORST_FIRST.index("starting") - 0.5
WELL = ("alive", "stopped")
"""States of which nobody needs to know more."""
NOT_RUNNING = ("given up", "starting", "waiting", "stopped")
"""States of bots that are not connected; any other one runs."""


class LiveBot(NamedTuple):
    """One bot, with what is known of the process that says so."""

    seen: SeenStatus
    bot: BotFigures
    session: str | None = None
    """The session looked at that it runs on, on this host."""
    namesake: str | None = None
    """The session looked at that only bears its name: the bot runs on another host."""


class LiveView(NamedTuple):
    """All that is published."""

    statuses: StatusView
    bots: tuple[LiveBot, ...]
    """The worst first; those of processes that are not heard of any more come last."""
    by_session: Mapping[str, tuple[LiveBot, ...]]
    """The same bots by the session they run on."""

    @property
    def fresh(self) -> list[LiveBot]:
        """Bots of processes that are heard of."""
        return [one for one in self.bots if one.seen.condition is Condition.FRESH]

    @property
    def joined(self) -> list[LiveBot]:
        """Bots that have anything to do with the sessions looked at."""
        return [one for one in self.bots if one.session is not None or one.namesake is not None]

    def of(self, session: str) -> list[LiveBot]:
        """Bots of that session on this host; where one is heard of, what was said before it does not count."""
        found = list(self.by_session.get(session, ()))
        return [one for one in found if one.seen.condition is Condition.FRESH] or found

    @property
    def namesakes(self) -> list[LiveBot]:
        """Bots of other hosts that have a session of their name here.

        What a silent process said counts only where none that is heard of runs a bot of that session.
        """
        heard_of = {one.namesake for one in self.fresh}
        run_here = {one.session for one in self.fresh if one.bot.state not in NOT_RUNNING}
        return [
            one
            for one in self.bots
            if one.namesake is not None
            and (one.seen.condition is Condition.FRESH or one.namesake not in heard_of | run_here)
        ]


def collect_live(families: Iterable[SessionFamily], state: StateFolder, redis_url: str, *, now: datetime) -> LiveView:
    """All that is published here and, with a `redis_url`, on other hosts, joined to those sessions. Raises nothing."""
    return join_live(read_statuses(state, redis_url, now), families)


def join_live(
    statuses: StatusView, families: Iterable[SessionFamily], *, real: Callable[[str], str] = os.path.realpath
) -> LiveView:
    """Every published bot, with the session that is its own; `real`: a folder without symbolic links.

    On this host the path decides; on another one the same path says nothing, so there the name is told, as a hint.
    """
    folder = cache(real)
    by_path: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for family in families:
        for path in (family.target, family.path):
            by_path.setdefault(_place(path, folder), family.path)
        by_name.setdefault(family.name, family.path)
    found = (_joined(seen, bot, by_path, by_name, folder) for seen in statuses.processes for bot in seen.status.bots)
    bots = tuple(sorted(found, key=_worst_first))
    by_session: dict[str, tuple[LiveBot, ...]] = {}
    for one in bots:
        if one.session is not None:
            by_session[one.session] = (*by_session.get(one.session, ()), one)
    return LiveView(statuses, bots, by_session)


def _joined(
    seen: SeenStatus,
    bot: BotFigures,
    by_path: Mapping[str, str],
    by_name: Mapping[str, str],
    folder: Callable[[str], str],
) -> LiveBot:
    if not seen.here:
        return LiveBot(seen, bot, namesake=by_name.get(bot.name))
    return LiveBot(seen, bot, session=by_path.get(_place(bot.path, folder)) if os.path.isabs(bot.path) else None)


def _place(path: str, folder: Callable[[str], str]) -> str:
    return os.path.join(folder(os.path.dirname(path) or "."), os.path.basename(path))


def _worst_first(one: LiveBot) -> tuple[bool, float, str, str]:
    rank = _WORST_FIRST.index(one.bot.state) if one.bot.state in _WORST_FIRST else _ANY_OTHER
    return one.seen.condition is not Condition.FRESH, rank, one.bot.name, one.seen.status.host


def count_states(bots: Iterable[LiveBot]) -> dict[str, int]:
    """How many are in each state, the worst last."""
    counts: dict[str, int] = {}
    for one in reversed(list(bots)):
        counts[one.bot.state] = counts.get(one.bot.state, 0) + 1
    return counts
