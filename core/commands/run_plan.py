"""What `python -m core run` is to do: sessions, settings and handlers, read and judged."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
        """Names of `[bots.NAME]` that no session has, neither here nor in the folders of the settings."""
        known = self._names()
        return [
            name
            for name, settings in self.wiring.bots.items()
            if settings.run
            and not (os.path.lexists(_file(name)) if "/" in name else name.removesuffix(SUFFIX) in known)
        ]

    def hint_for(self, stray: str) -> str | None:
        """Which session may be meant."""
        return did_you_mean(stray, self._names())

    def _names(self) -> set[str]:
        around = [one if os.path.isdir(one) else os.path.dirname(one) or "." for one in self.sessions]
        folders = {*around, *(one for one in self.wiring.files.sessions if os.path.isdir(one))}
        return {session_title(name) for folder in folders for name in os.listdir(folder) if name.endswith(SUFFIX)}


def read_plan(targets: Sequence[str], fleet: BotController | None = None) -> RunPlan:
    """Read everything; `fleet`: one that runs already. Blocks, imports handlers' modules, and raises ConfigError."""
    wiring = wire()
    sessions = _sessions(targets, wiring)
    fleet = fleet or BotController(*sessions)
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
        raise ConfigError(f"[bots.{printable(name)}]: there is no such session", hint=plan.hint_for(name))
    if not plan.wanted:
        raise ConfigError("no bot is to run: every session has run = false", path=plan.sessions[0])


def refuse_root_elsewhere_in(plan: RunPlan) -> None:
    """Raise FolderReadOnly for root where a session lies in the folder of another user; each bot refuses its own."""
    for folder in dict.fromkeys(os.path.dirname(os.path.realpath(bot.path)) for bot in plan.wanted):
        if os.path.isdir(folder):  # a link may lead nowhere: its bot says so
            refuse_root_elsewhere(folder, "belongs to another user: nothing was started", "run as that user")


def _sessions(targets: Sequence[str], wiring: Wiring) -> tuple[str, ...]:
    """The folders and files that are meant. Raises ConfigError for one that is not there."""
    found, problems = session_targets(wiring, [in_session_folders(one, wiring) for one in targets], recursive=False)
    for problem in problems:
        raise problem
    sessions: list[str] = []
    for target in found:
        files = (os.path.join(target.folder, name) for name in sorted(target.only or ()))
        sessions += [target.folder] if target.only is None else files
    return tuple(sessions)


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
