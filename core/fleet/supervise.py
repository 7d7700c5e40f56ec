"""One bot of a fleet: start, serve, start again, or give it up by name."""

from __future__ import annotations

import logging
import random
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from core.client.client import GavatClient
from core.errors import GavatError
from core.fleet.handlers import Counts
from core.fleet.judge import judge_end, judge_start
from core.fleet.model import BotState, BotStatus, Judgement, Verdict
from core.fleet.settings import FleetSettings
from core.fleet.wave import Wave
from core.state.status_model import BotFigures
from utils.backoff import BackoffPolicy
from utils.clock import Clock
from utils.units import duration_text

logger = logging.getLogger("gavatcore.fleet")


WAVE = "WAVE"
"""Code of a bot that waits for its turn to start."""
_IN_LINE = Judgement(verdict=Verdict.START_AGAIN, code=WAVE, reason="")
_SETTLED = timedelta(minutes=10)
"""A bot that ran for so long begins anew with the waits between its starts."""


class Supervisor:
    """Keeps one bot running for as long as that makes sense."""

    def __init__(
        self, client: GavatClient, path: str, *, wave: Wave, counts: Counts, settings: FleetSettings, clock: Clock
    ) -> None:
        self.client = client
        self._path = path
        self._wave = wave
        self._counts = counts
        self._backoff = BackoffPolicy(first=settings.restart_first, cap=settings.restart_cap)
        self._clock = clock
        self._ran = 0
        self._failures = 0
        self._state = BotState.WAITING
        self._since = clock()
        self._code, self._reason = WAVE, ""
        self._next_start_at: datetime | None = None
        self._waited_for = ""
        """The code of the last wait, until a start goes well: the same again is told once."""
        self._asked: tuple[Judgement, datetime] | None = None
        """A wait that Telegram asked for, and its end."""
        self._given_up_before = ""
        """The code for which the one before it was given up."""

    def succeed(self, before: Supervisor) -> None:
        """Follow the one before it on the same session: Telegram knows nothing of a reload."""
        self._asked = before._asked
        self._given_up_before = before._code if before._state is BotState.GIVEN_UP else ""

    def settle_at_hand(self) -> None:
        """Count the message as handled whose handler calls this; harmless when the bot has none at hand."""
        with suppress(GavatError):  # it is not started, so no handler of its is at work
            self.client.client.settle_at_hand()

    async def run(self) -> None:
        """Run until the bot is given up; cancelling is the normal end, and stops the bot whole."""
        try:
            await self._wait_as_asked()
            while True:
                judgement = await self._live_once()
                if judgement.verdict is Verdict.GIVE_UP:
                    logger.warning("%s: given up (%s) until a reload or restart", self.client.name, judgement.code)
                    self._become(BotState.GIVEN_UP, judgement)
                    return
                await self._wait(judgement)
        except Exception as error:  # a mistake of ours must not take the other bots along
            logger.exception("%s: its supervision failed", self.client.name)
            failed = Judgement(verdict=Verdict.GIVE_UP, code=type(error).__name__, reason="see the log: a mistake here")
            self._become(BotState.GIVEN_UP, failed)
        finally:
            await self.client.stop()
            self.ended()

    def ended(self) -> None:
        """It runs no more, if it ever did: a task that is cancelled before its first step says nothing itself."""
        if self._state not in (BotState.GIVEN_UP, BotState.STOPPED):
            self._become(BotState.STOPPED)

    def status(self) -> BotStatus:
        """How it is now."""
        reason, until = self._why()
        return BotStatus(
            name=self.client.name,
            path=self._path,
            state=self._state,
            since=self._since,
            code=self._code,
            reason=reason,
            next_start_at=until,
            restarts=max(self._ran - 1, 0),
            handled=self._counts.handled,
            failed=self._counts.failed,
            health=self.client.health if self._state is BotState.RUNNING else None,
        )

    def stats(self) -> BotFigures:
        """What is published of it: of a bot that does not run, why not, and until when."""
        figures = replace(
            self.client.stats(),
            restarts=max(self._ran - 1, 0),
            handled=self._counts.handled,
            failed=self._counts.failed,
        )
        if self._state is BotState.RUNNING:
            return figures
        reason, until = self._why()
        return replace(
            figures,
            state=self._state.value,
            since=self._since,
            code=self._code,
            reason=reason,
            until=until,
        )

    async def _live_once(self) -> Judgement:
        """Start and serve once, and say what the end means."""
        self._become(BotState.WAITING, _IN_LINE)
        async with self._wave.turn():
            self._become(BotState.STARTING)
            started = await self.client.start()
            failure = self.client.failure
        if not started:
            assert failure is not None
            self._failures += 1
            judged = judge_start(failure, failures=self._failures, backoff=self._backoff, chance=random.random())
            if judged.stops_wave and judged.code != self._given_up_before:
                self._wave.refused()
            else:
                self._wave.said_nothing()
            return judged
        self._wave.went_well()
        self._waited_for = ""
        self._asked = None
        self._ran += 1
        self._become(BotState.RUNNING)
        began = self._clock()
        await self.client.run_until_disconnected()
        self._failures = 1 if self._clock() - began >= _SETTLED else self._failures + 1
        return judge_end(self.client.health, failures=self._failures, backoff=self._backoff, chance=random.random())

    async def _wait_as_asked(self) -> None:
        """Wait out what the one before it was asked to."""
        if self._asked is not None:
            judgement, until = self._asked
            left = until - self._clock()
            if left > timedelta(0):
                await self._wait(replace(judgement, after=left, asked=left))

    async def _wait(self, judgement: Judgement) -> None:
        level = logging.DEBUG if judgement.code == self._waited_for else logging.INFO
        self._become(BotState.WAITING, judgement)
        self._waited_for = judgement.code
        now = self._clock()
        self._next_start_at = now + judgement.after
        self._asked = (judgement, now + judgement.asked) if judgement.asked else None
        after = duration_text(judgement.after)
        logger.log(level, "%s: starts again in %s (%s)", self.client.name, after, judgement.code)
        await self.client.wait_until_free(judgement.after)
        self._next_start_at = None

    def _why(self) -> tuple[str, datetime | None]:
        """The reason for its state, and until when; what the wave says changes while a bot waits for its turn."""
        return self._wave.told(self._clock()) if self._code == WAVE else (self._reason, self._next_start_at)

    def _become(self, state: BotState, judgement: Judgement | None = None) -> None:
        self._state, self._since = state, self._clock()
        self._code, self._reason = (judgement.code, judgement.reason) if judgement else ("", "")
