"""A fleet that runs until it is told to stop: signals, the service manager, the status line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence, Set
from enum import Enum

from core.client.model import HealthState
from core.commands import exit_codes
from core.commands.output import Output
from core.commands.run_plan import RunPlan
from core.commands.run_signals import EarlySignals
from core.commands.run_threads import LeftBehind, cancel_the_rest, end_soon
from core.commands.sessions_text import plural
from core.errors import ConfigError
from core.fleet.model import BotState, BotStatus
from core.fleet.roster import Change, session_title
from utils.own_thread import in_own_thread
from utils.redact import printable
from utils.sd_notify import ServiceManager

logger = logging.getLogger("gavatcore.fleet")
_LOOK_EVERY, _LOOK_FOR_TERMINAL_EVERY = 2.0, 1.0
"""Seconds between two looks at how the bots are."""
_HELPERS_END_WITHIN = 2.0
"""Seconds for the wallet's last words at a stop."""
_RUNNING = "running"
_MOST_NAMES = 5
_ALL_GIVEN_UP = "every bot is given up: put right what their lines say, then reload (SIGHUP) or restart this"
_NO_BOT = "no bot is left to run: put sessions into the folders or take run = false away, then reload (SIGHUP)"
Read = Callable[[], RunPlan]


class Service:
    """One run of a fleet."""

    def __init__(
        self, plan: RunPlan, read: Read, manager: ServiceManager, output: Output, signals: EarlySignals
    ) -> None:
        """`read` gives the plan anew; it may block, and raise ConfigError."""
        self.plan = plan
        self.last: Sequence[BotStatus] = ()
        """How every bot was when the stop began."""
        self._fleet = plan.fleet
        self._read = read
        self._manager = manager
        self._output = output
        self._stop_wanted = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self.exit_code = exit_codes.DONE
        self.left_behind = 0
        """Tasks that did not end when they were cancelled."""
        self._signals = signals
        self._told_of = ""
        self._terminal_matters = sys.stderr.isatty() and not signals.is_immune

    async def run(self) -> None:
        """Start, serve until SIGTERM or SIGINT, stop whole. Raises ConfigError before the start."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(LeftBehind())
        loop.add_signal_handler(signal.SIGTERM, self._stop, exit_codes.DONE)
        loop.add_signal_handler(signal.SIGINT, self._stop, exit_codes.INTERRUPTED)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        if self._signals.terminated:
            return
        if self._signals.hung_up:
            self._hang_up()
        await self._fleet.start()
        _tell_begin(self.plan)
        self._manager.ready()
        async with asyncio.TaskGroup() as group:
            pulse = group.create_task(self._pulse())
            others = [group.create_task(self._watch()), group.create_task(self._reload_when_wanted())]
            try:
                await self._stop_wanted.wait()
            finally:
                self._manager.stopping()
                self.last = self._fleet.statuses()
                for task in others:
                    task.cancel()
                await self._fleet.stop()
                end_soon(self.exit_code if self._stop_wanted.is_set() else exit_codes.FAILED)
                await _close_helpers()
                pulse.cancel()
        self._output.clear_progress()
        logger.info("stopped: %s", plural(len(self.last), "bot"))
        self.left_behind = await cancel_the_rest()

    def _stop(self, exit_code: int) -> None:
        """The first signal counts; a stop takes two seconds at most, whatever comes meanwhile."""
        if not self._stop_wanted.is_set():
            self.exit_code = exit_code
            self._stop_wanted.set()

    def _hang_up(self) -> None:
        """SIGHUP: the terminal was closed, or somebody wants a reload."""
        if self._terminal_matters and not os.isatty(sys.stderr.fileno()):
            self._leave_terminal()
        else:
            self._reload_wanted.set()

    def _leave_terminal(self) -> None:
        """Nobody reads what is written there any more; a fleet that nobody asked to outlive it (nohup) ends."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        if self._terminal_matters:
            self._stop(exit_codes.DONE)

    async def _pulse(self) -> None:
        """Tell the manager that this loop is not stuck; in time, twice in each interval."""
        if self._manager.watchdog_seconds is None:
            return
        while True:
            self._manager.alive()
            await asyncio.sleep(self._manager.watchdog_seconds / 2)

    async def _watch(self) -> None:
        every = _LOOK_FOR_TERMINAL_EVERY if self._output.shows_progress else _LOOK_EVERY
        while True:
            statuses = self._fleet.statuses()
            text = status_text(statuses)
            self._manager.status(text)
            try:
                self._output.progress(text)
            except OSError:
                self._leave_terminal()
            self._say_when_nobody_serves(statuses)
            await asyncio.sleep(every)

    def _say_when_nobody_serves(self, statuses: Sequence[BotStatus]) -> None:
        """Once each time: ending would have a service manager restart it, into the same refusals."""
        if not statuses:
            told, level = _NO_BOT, logging.WARNING
        elif all(status.state is BotState.GIVEN_UP for status in statuses):
            told, level = _ALL_GIVEN_UP, logging.ERROR
        else:
            told, level = "", logging.DEBUG
        if told and told != self._told_of:
            logger.log(level, "%s", told)
        self._told_of = told

    async def _reload_when_wanted(self) -> None:
        while await self._reload_wanted.wait():
            self._reload_wanted.clear()
            self._manager.reloading()
            try:
                await self._reload()
            except ConfigError as error:
                place = f"{error.path}: " if error.path else ""
                hint = f"; {error.hint}" if error.hint else ""
                logger.error("not reloaded, all goes on as before: %s%s%s", place, error, hint)
            except Exception:  # a folder that vanishes just now, a mistake of ours: no bot is stopped for it
                logger.exception("not reloaded, all goes on as before")
            self._manager.ready()

    async def _reload(self) -> None:
        self.plan = await in_own_thread(self._read)
        for name in self.plan.strays:
            hint = self.plan.hint_for(name)
            why = self.plan.why_stray(name)
            logger.warning("[bots.%s]: %s%s", printable(name), why, f"; {hint}" if hint else "")
        change = await self._fleet.reload(*self.plan.sessions)
        _tell_change(change)
        if change.start or change.stop:
            self._told_of = ""


def status_text(statuses: Sequence[BotStatus]) -> str:
    """`197 of 200 running, 1 deaf, 2 given up`."""
    counts = Counter(_word(status) for status in statuses)
    running = counts.pop(_RUNNING, 0)
    return ", ".join([f"{running} of {len(statuses)} running", *(f"{count} {word}" for word, count in counts.items())])


def _word(status: BotStatus) -> str:
    """A running bot that is not well is told by what it is."""
    state: Enum = status.state
    if status.health is not None and status.health.state is not HealthState.ALIVE:
        state = status.health.state
    return str(state.value)


async def _close_helpers() -> None:
    """Let completions write down what was spent; what else is under way ends with the fleet."""
    from gpt.figures import process_helpers

    closing = [asyncio.create_task(helper.aclose()) for helper in process_helpers()]
    if closing:
        await asyncio.wait(closing, timeout=_HELPERS_END_WITHIN)


def _tell_begin(plan: RunPlan) -> None:
    count = len(plan.wanted)
    logger.info("%s to start, %d at a time", plural(count, "bot"), plan.wiring.fleet.at_once)
    deaf = sum(not bot.hears for bot in plan.wanted)
    if deaf:
        they = ("has", "it stays", "answers") if deaf == 1 else ("have", "they stay", "answer")
        message = "%d of %s %s no handlers: %s connected, and %s nobody"
        logger.warning(message, deaf, plural(count, "bot"), *they)


def _tell_change(change: Change) -> None:
    begun, ended = {bot.path for bot in change.start}, set(change.stop)
    told = (
        (begun - ended, "to start"),
        (begun & ended, "to start anew"),
        (ended - begun, "stopped"),
        ({bot.path for bot in change.hear}, "with other handlers"),
    )
    parts = [f"{len(paths):,} {what} ({_names(paths)})" for paths, what in told if paths]
    logger.info("reloaded: %s", "; ".join(parts) or "nothing has changed")


def _names(paths: Set[str]) -> str:
    names = sorted(printable(session_title(path)) for path in paths)
    return ", ".join(names if len(names) <= _MOST_NAMES else [*names[:_MOST_NAMES], "…"])
