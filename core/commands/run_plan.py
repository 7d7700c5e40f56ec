"""What `python -m core run` is to do: sessions, settings and handlers, read and judged."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import NamedTuple

from core.commands.pastable import command_line
from core.commands.wiring import (
    Wiring,
    in_session_folders,
    refuse_root_elsewhere,
    refuse_without_application,
    session_targets,
    wire,
)
from core.errors import ConfigError
from core.fleet.controller import BotController
from core.fleet.roster import WantedBot, session_title
from core.session_files.looking.listing import SUFFIX
from core.settings import did_you_mean
from utils.redact import printable


class RunPlan(NamedTuple):
    """A fleet as settings and folders say at one moment."""

    wiring: Wiring
    fleet: BotController
    sessions: tuple[str, ...]
    """Folders and session files."""
    bots: tuple[WantedBot, ...]
    """One for each session, those that are left out included."""

    @property
    def wanted(self) -> list[WantedBot]:
        """Those that are to run."""
        return [bot for bot in self.bots if bot.settings.run]

    @property
    def strays(self) -> list[str]:
        """Names of `[bots.NAME]` that mean no bot, unless they mean one of a folder that is not run.

        One with `run = false` may also wait for its session.
        """
        used = {bot.table for bot in self.bots}
        unused = [(name, own) for name, own in self.wiring.bots.items() if name not in used]
        return [name for name, own in unused if (own.run or self._is_there(name)) and not self._is_elsewhere(name)]

    def why_stray(self, stray: str) -> str:
        """What is wrong with that table."""
        if self._is_there(stray):
            return "is no session of its own, so no bot runs on it"
        return "there is no such session"

    def hint_for(self, stray: str) -> str | None:
        """Which session may be meant."""
        return None if self._is_there(stray) else did_you_mean(stray, _names(self._run | self._around))

    def _is_there(self, name: str) -> bool:
        """Whether a folder that is run as a whole has such a file."""
        if "/" in name:
            path = _file(name)
            return os.path.lexists(path) and os.path.realpath(os.path.dirname(path)) in self._run
        return name.removesuffix(SUFFIX) in _names(self._run)

    def _is_elsewhere(self, name: str) -> bool:
        if "/" in name:
            return os.path.lexists(_file(name)) and not self._is_there(name)
        return name.removesuffix(SUFFIX) in _names(self._around - self._run)

    @property
    def _run(self) -> set[str]:
        """The folders that are run as a whole."""
        return {os.path.realpath(one) for one in self.sessions if os.path.isdir(one)}

    @property
    def _around(self) -> set[str]:
        """Those of single sessions, and those of the settings."""
        beside = {os.path.dirname(one) or "." for one in self.sessions if not os.path.isdir(one)}
        return {os.path.realpath(one) for one in (*beside, *self.wiring.files.sessions) if os.path.isdir(one)}


def read_plan(targets: Sequence[str], first: RunPlan | None = None) -> RunPlan:
    """Read everything; `first`: the plan with which the fleet that runs began. Blocks, imports handlers' modules.

    Raises ConfigError. A session that was named and was there at first may be gone: then it is no bot any more.
    """
    wiring = wire()
    sessions = _sessions(targets, wiring, () if first is None else first.sessions)
    fleet = BotController(*sessions) if first is None else first.fleet
    plan = RunPlan(wiring, fleet, sessions, fleet.wanted(*sessions))
    for bot in plan.wanted:
        _refuse_impossible(bot, wiring)
    return plan


def refuse_unusable(plan: RunPlan) -> None:
    """Raise ConfigError where a fleet should not begin: nothing to run, or settings of a bot that is not there."""
    if not plan.bots:
        login = command_line("python -m core", "login", os.path.join(plan.sessions[0], "NAME"))
        raise ConfigError("there is no session in it", path=plan.sessions[0], hint=f"log in to have one: {login}")
    for name in plan.strays:
        raise ConfigError(f"[bots.{printable(name)}]: {plan.why_stray(name)}", hint=plan.hint_for(name))
    if not plan.wanted:
        raise ConfigError("no bot is to run: every session has run = false", path=plan.sessions[0])


def refuse_root_elsewhere_in(plan: RunPlan) -> None:
    """Raise FolderReadOnly for root where a session lies in the folder of another user; each bot refuses its own."""
    for folder in dict.fromkeys(os.path.dirname(os.path.realpath(bot.path)) for bot in plan.wanted):
        if os.path.isdir(folder):  # a link may lead nowhere: its bot says so
            refuse_root_elsewhere(folder, "belongs to another user: nothing was started", "run as that user")


def _sessions(targets: Sequence[str], wiring: Wiring, first: Sequence[str]) -> tuple[str, ...]:
    """The folders and files that are meant, those single ones of the `first` time that are gone included.

    Raises ConfigError for one that is not there.
    """
    gone = {os.path.abspath(one): one for one in first if not os.path.lexists(one) and one.endswith(SUFFIX)}
    sessions: list[str] = []
    there: list[str] = []
    for name in targets:
        place = in_session_folders(name, wiring)
        former = _former(name, wiring, gone) if gone else None
        if former is None:
            there.append(place)
        else:
            sessions.append(former)
    found, problems = session_targets(wiring, there, recursive=False) if there or not targets else ([], [])
    for problem in problems:
        raise problem
    for target in found:
        files = (os.path.join(target.folder, name) for name in sorted(target.only or ()))
        sessions += [target.folder] if target.only is None else files
    return tuple(sessions)


def _former(name: str, wiring: Wiring, gone: Mapping[str, str]) -> str | None:
    """The session that had that name, where it is gone."""
    folders = () if "/" in name else wiring.files.sessions
    places = (os.path.abspath(_file(one)) for one in (name, *(os.path.join(folder, name) for folder in folders)))
    return next((gone[place] for place in places if place in gone), None)


def _names(folders: Collection[str]) -> set[str]:
    """Names of all session files in these folders."""
    return {session_title(name) for folder in folders for name in os.listdir(folder) if name.endswith(SUFFIX)}


def _file(session: str) -> str:
    return session if session.endswith(SUFFIX) else session + SUFFIX


def _refuse_impossible(bot: WantedBot, wiring: Wiring) -> None:
    own, where = bot.settings, f"[bots.{printable(bot.name)}]"
    if (own.api_id is None) != (own.api_hash is None):
        raise ConfigError(f"{where}: api_id and api_hash belong together", hint="set both, or neither")
    if own.api_id is None:
        refuse_without_application(wiring.client)
    if own.proxy is not None and find_spec("python_socks") is None:
        raise ConfigError(
            f"{where}: a proxy needs the package python-socks, which is not installed",
            hint="pip install 'python-socks[asyncio]'",
        )
