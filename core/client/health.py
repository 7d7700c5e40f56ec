"""Gathering the signs of one running client, and saying how it is."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from core.client.judge_failure import account_state
from core.client.judge_health import COOL_DOWN, Signs, Trouble, is_final, judge_health
from core.client.model import LEASE_LOST, LEASE_UNCERTAIN, Figures, HealthState
from utils.clock import Clock
from utils.leases import LeaseLost, LeaseUncertain
from utils.telegram_errors import ErrorFacts, classify

logger = logging.getLogger("gavatcore.client")

_LEVELS = {
    HealthState.ALIVE: logging.INFO,
    HealthState.OFFLINE: logging.WARNING,
    HealthState.DEAF: logging.WARNING,
    HealthState.FLOODED: logging.WARNING,
    HealthState.LOCKED_OUT: logging.WARNING,
}


class HealthRecord:
    """What was seen so far; the observer of all requests. One event loop uses it."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._signs = Signs(started_at=clock())
        self._last = HealthState.ALIVE
        self._last_since = clock()
        self._lasted: dict[HealthState, timedelta] = {}
        self._flood = timedelta(0)
        self.probed_at: datetime | None = None

    def judge(self) -> Trouble:
        """How the client is now; a change of state is logged once."""
        trouble = judge_health(self._signs, now=self._clock())
        if trouble.state is not self._last:
            self._changes_to(trouble.state)
            if trouble.state is HealthState.ALIVE:
                self._set(recovered_at=self._clock())
                trouble = judge_health(self._signs, now=self._clock())
            level = _LEVELS.get(trouble.state, logging.ERROR)
            logger.log(level, "%s: %s %s %s", self._name, trouble.state.value, trouble.code, trouble.detail)
        return trouble

    def _changes_to(self, state: HealthState) -> None:
        now = self._clock()
        self._lasted[self._last] = self._in_state(self._last, now)
        self._last, self._last_since = state, now

    def _in_state(self, state: HealthState, now: datetime) -> timedelta:
        """How long it was in that state, all together, until now."""
        before = self._lasted.get(state, timedelta(0))
        return before + max(now - self._last_since, timedelta(0)) if state is self._last else before

    def figures(self, *, connects: int) -> Figures:
        """What it went through so far; `connects`: connections tried."""
        now = self._clock()
        return Figures(
            reconnects=max(connects - 1, 0),
            flood_time=self._flood,
            deaf_time=self._in_state(HealthState.DEAF, now),
            offline_time=self._in_state(HealthState.OFFLINE, now),
        )

    @property
    def is_final(self) -> bool:
        """Whether there is nothing more to serve: only a person can help, or the lease is gone."""
        return self._signs.account is not None

    # What requests tell

    def answered(self) -> None:
        """A request was answered: the connection lives."""
        if self._signs.unanswered_since is not None:
            self._set(unanswered_since=None)

    def refused(self, error: BaseException) -> None:
        """A request ended in an error; most say nothing of the account."""
        facts = classify(error)
        state = account_state(facts)
        now = self._clock()
        if state is not None and is_final(state):
            self._account_said(state, facts, now)
        elif state is HealthState.FLOODED:
            until = now + (facts.retry_after or COOL_DOWN)
            self._flood += facts.retry_after or timedelta(0)
            since = self._signs.flooded_since if self._is_flooded(now) else now
            latest = max(until, self._signs.flooded_until or until) if self._is_flooded(now) else until
            self._set(flooded_since=since, flooded_until=latest, flooded_by=facts.name)
        if facts.refused:
            self.answered()

    def _is_flooded(self, now: datetime) -> bool:
        return self._signs.flooded_until is not None and self._signs.flooded_until > now

    def _account_said(self, state: HealthState, facts: ErrorFacts, now: datetime) -> None:
        if self._signs.account is None:
            self._set(account=Trouble(state=state, since=now, code=facts.name, detail=facts.hint))

    # What the watch sees

    def lease_lost(self, loss: LeaseLost) -> None:
        """The right to run was lost: somebody else runs on this login, or may before long."""
        state, code = HealthState.DUPLICATED, LEASE_LOST
        if isinstance(loss, LeaseUncertain):
            state, code = HealthState.OFFLINE, LEASE_UNCERTAIN
        trouble = Trouble(state=state, since=self._clock(), code=code, detail=str(loss))
        self._set(account=self._signs.account or trouble)

    def logged_out(self) -> None:
        """The program has logged out: this login is over."""
        trouble = Trouble(
            state=HealthState.REVOKED, since=self._clock(), code="LOGGED_OUT", detail="the bot logged out"
        )
        self._set(account=self._signs.account or trouble)

    def unknown_key(self, facts: ErrorFacts) -> None:
        """The server has said several times that it does not know the key (-404)."""
        self._account_said(HealthState.REVOKED, facts, self._clock())

    def connected(self) -> None:
        """The transport is up."""
        if self._signs.disconnected_since is not None:
            self._set(disconnected_since=None, disconnected_by="")

    def disconnected(self, why: str = "") -> None:
        """The transport is down, since the first of these calls."""
        since = self._signs.disconnected_since or self._clock()
        self._set(disconnected_since=since, disconnected_by=why or self._signs.disconnected_by)

    def unanswered(self, sent_at: datetime) -> None:
        """A probe of that moment had no answer in time."""
        self._set(unanswered_since=self._signs.unanswered_since or sent_at)

    def probed(self) -> None:
        """The account's state was asked and answered."""
        self.probed_at = self._clock()
        self.answered()

    def behind(self, since: datetime | None) -> None:
        """The account has updates that were not pushed, found at that moment; None: it has not."""
        self._set(behind_since=None if since is None else self._signs.behind_since or since)

    def waiting(self, is_so: bool) -> None:
        """Whether updates came in that Telethon's loop did not take up since the last of these calls."""
        self._set(updates_wait_since=(self._signs.updates_wait_since or self._clock()) if is_so else None)

    def stopped(self, tasks: str) -> None:
        """Telethon's background tasks of these names have ended; empty: they run."""
        since = (self._signs.stopped_since or self._clock()) if tasks else None
        self._set(stopped_tasks=tasks, stopped_since=since)

    def saving(self, failing_since: datetime | None, error: str) -> None:
        """Since when the session cannot be saved; None: it can."""
        self._set(save_failing_since=failing_since, save_error=error)

    def _set(self, **changes: object) -> None:
        self._signs = replace(self._signs, **changes)  # type: ignore[arg-type]  # the callers above name fields
