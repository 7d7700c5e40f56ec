"""How a client is, from what was seen of it (pure: the moment is an argument)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.client.model import HealthState

OFFLINE_AFTER = timedelta(seconds=10)
"""Without a connection for less than this, it is a reconnection like any other."""
LOCKED_AFTER = timedelta(seconds=10)
"""Saving fails for so long: not the moment in which a backup reads the file."""
WAITING_AFTER = timedelta(seconds=30)
"""Updates that wait for less than this wait for an answer of Telegram's, or for a short flood wait."""
COOL_DOWN = timedelta(hours=24)
"""How long a limit without a time (PEER_FLOOD) is shown; Telegram does not tell when it ends."""
_FINAL = (HealthState.BANNED, HealthState.REVOKED, HealthState.DUPLICATED, HealthState.FROZEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that is wrong, and since when."""

    state: HealthState
    since: datetime
    code: str = ""
    detail: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What was seen of a client."""

    started_at: datetime
    account: Trouble | None = None
    """What Telegram said of the account for good: banned, revoked, duplicated, frozen."""
    disconnected_since: datetime | None = None
    disconnected_by: str = ""
    """Name of the error that ended the connection."""
    unanswered_since: datetime | None = None
    """When the first of the probes was sent that have had no answer."""
    flooded_since: datetime | None = None
    flooded_until: datetime | None = None
    flooded_by: str = ""
    behind_since: datetime | None = None
    """When the account was found to have more updates than came in."""
    updates_wait_since: datetime | None = None
    """When updates were seen to wait that nobody has taken up since."""
    stopped_tasks: str = ""
    """Telethon's background tasks that ended though the client is connected."""
    stopped_since: datetime | None = None
    save_failing_since: datetime | None = None
    save_error: str = ""
    recovered_at: datetime | None = None
    """When the last trouble ended."""


def judge_health(signs: Signs, *, now: datetime) -> Trouble:
    """The worst of what is wrong, or that it is alive; the order is that of what has to be done first."""
    found = [one(signs, now) for one in (_account, _offline, _deaf, _locked_out, _flooded)]
    worst = next((one for one in found if one is not None), None)
    return worst or Trouble(state=HealthState.ALIVE, since=signs.recovered_at or signs.started_at)


def _account(signs: Signs, _now: datetime) -> Trouble | None:
    return signs.account


def _offline(signs: Signs, now: datetime) -> Trouble | None:
    since = signs.disconnected_since
    if since is not None and now - since >= OFFLINE_AFTER:
        return Trouble(state=HealthState.OFFLINE, since=since, code=signs.disconnected_by, detail="no connection")
    if signs.unanswered_since is not None:
        return Trouble(state=HealthState.OFFLINE, since=signs.unanswered_since, detail="connected, but no answer comes")
    return None


def _deaf(signs: Signs, now: datetime) -> Trouble | None:
    if signs.stopped_since is not None:
        return Trouble(state=HealthState.DEAF, since=signs.stopped_since, detail=f"{signs.stopped_tasks} ended")
    since = signs.updates_wait_since
    if since is not None and now - since >= WAITING_AFTER:
        detail = "updates came in and wait: a handler, or a question to Telegram, holds them up"
        return Trouble(state=HealthState.DEAF, since=since, detail=detail)
    if signs.behind_since is not None:
        detail = "the account has updates that were not pushed; they are fetched instead"
        return Trouble(state=HealthState.DEAF, since=signs.behind_since, detail=detail)
    return None


def _locked_out(signs: Signs, now: datetime) -> Trouble | None:
    since = signs.save_failing_since
    if since is None or now - since < LOCKED_AFTER:
        return None
    return Trouble(state=HealthState.LOCKED_OUT, since=since, detail=f"the session cannot be saved: {signs.save_error}")


def _flooded(signs: Signs, now: datetime) -> Trouble | None:
    if signs.flooded_since is None or signs.flooded_until is None or signs.flooded_until <= now:
        return None
    return Trouble(
        state=HealthState.FLOODED, since=signs.flooded_since, code=signs.flooded_by, until=signs.flooded_until
    )


def is_final(state: HealthState) -> bool:
    """Whether only a person can change it."""
    return state in _FINAL
