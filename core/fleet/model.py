"""What a fleet says of its bots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from core.client.model import Health


class BotState(Enum):
    """Where a bot is in its life."""

    WAITING = "waiting"
    """For its turn in the wave, or for the time of its next start."""
    STARTING = "starting"
    RUNNING = "running"
    """Started; `health` says how it is."""
    GIVEN_UP = "given up"
    """Only a person can change what is wrong; `reason` names it."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStatus:
    """One bot, as of now."""

    name: str
    path: str
    state: BotState
    since: datetime
    code: str = ""
    """Telegram's own name, or the finding, of what is or was wrong; `WAVE` while it waits for its turn to start."""
    reason: str = ""
    next_start_at: datetime | None = None
    """While it waits for a time; in a stopped wave that of the next try of any bot."""
    restarts: int = 0
    """How often it ran again; a start that failed is none."""
    handled: int = 0
    """Calls of handlers for this bot."""
    failed: int = 0
    """Those of them that raised."""
    health: Health | None = None
    """Of a running bot."""


class Verdict(Enum):
    """What a failure means for a bot."""

    START_AGAIN = "start again"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict, with its reason and time."""

    verdict: Verdict
    code: str
    reason: str
    after: timedelta = timedelta(0)
    """How long to wait before the next start."""
    asked: timedelta = timedelta(0)
    """How much of that Telegram asked for: no reload shortens it."""
    stops_wave: bool = False
    """Whether it is of the kind that the next bots would run into as well (406, 420)."""
