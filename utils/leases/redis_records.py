"""The leases as Redis keeps them: what can be asked of the server, and what its answers mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, NamedTuple

from utils.leases.model import FleetId, LeaseOwner
from utils.leases.redis_scripts import ACQUIRE, FLEET_KEY, LEASE_KEY, LOOK, RELEASE, RENEW
from utils.leases.sightings import Sightings
from utils.redis_link import RedisLink, RedisUnavailable

RENEWALS_IN_A_TTL = 3
_REMEMBERED_FOR = timedelta(days=30)
_EPOCH = ""  # among the names of leases, none of which is empty


class Claim(NamedTuple):
    """Who asks for which lease."""

    name: str
    owner: str
    """One token for a process."""
    number: int
    """Counts that process's claims: what belongs to an earlier one and arrives late is told apart."""
    place: str
    about: str


class Verdict(Enum):
    """What the server says to a claim."""

    GRANTED = "granted"
    FREE = "free"
    HELD = "held"
    SETTLING = "settling"
    FOREIGN = "foreign"


class Answer(NamedTuple):
    """What the server says to a claim, with what it tells of the reason."""

    verdict: Verdict
    generation: int = 0
    watch_for: float = 0.0
    """Seconds for which this must go on being seen unchanged, until it stands in nobody's way."""
    expires_in: timedelta = timedelta(0)
    owner: LeaseOwner | None = None
    where: str = ""


class Renewal(NamedTuple):
    """A lease to be renewed."""

    claim: Claim
    generation: int
    beat: int
    """Counts its renewals; never the same twice."""
    may_restore: bool
    """Whether it is written again where the server has forgotten it."""


class Renewed(Enum):
    """What became of a lease at its renewal."""

    KEPT = "kept"
    LOST = "lost"
    UNKNOWN = "unknown"
    """Something that is no lease lies in its place."""


class Outcome(NamedTuple):
    """What became of one renewal."""

    renewed: Renewed
    owner: LeaseOwner | None
    """Who has it now, as far as the server tells."""


class LeaseRecords:
    """One process's view of the server; every method may raise RedisUnavailable. Shared by threads."""

    def __init__(self, link: RedisLink, *, fleet: FleetId, ttl: timedelta, monotonic: Callable[[], float]) -> None:
        self._link = link
        self._fleet = fleet
        self._ttl = ttl.total_seconds()
        self._seen = Sightings(monotonic)
        self._owners = Sightings(monotonic)

    def acquire(self, claim: Claim) -> Answer:
        """Take the lease if it can be had; asked again with the same claim, it is granted again."""
        return self._judged(ACQUIRE, claim)

    def look(self, claim: Claim) -> Answer:
        """FREE where `acquire` would now be GRANTED, otherwise the same; takes nothing."""
        return self._judged(LOOK, claim)

    def renew(self, owner: str, renewals: Sequence[Renewal]) -> list[Outcome]:
        """Extend them all in one step, an outcome for each in the same order."""
        args: list[str | int] = []
        for renewal in renewals:
            claim = renewal.claim
            args += [renewal.generation, claim.number, renewal.beat, claim.place, claim.about, int(renewal.may_restore)]
        answer = self._ask(RENEW, [renewal.claim.name for renewal in renewals], owner, args)
        return [
            Outcome(Renewed(verdict), LeaseOwner.from_text(about or ""))
            for verdict, about in zip(answer[2::2], answer[3::2], strict=True)
        ]

    def release(self, claim: Claim) -> None:
        """Give back what that claim holds, if it does; its generation is remembered for 30 days."""
        remembered = int(_REMEMBERED_FOR.total_seconds() * 1000)
        self._link.run(RELEASE, keys=[LEASE_KEY + claim.name], args=[claim.owner, claim.number, remembered])

    def _judged(self, script: str, claim: Claim) -> Answer:
        owners = "".join(f"{owner} " for owner in self._owners.all_long_enough())
        about: list[str | int] = [claim.number, claim.place, claim.about, self._seen.long_enough(claim.name), owners]
        answer = self._ask(script, [claim.name], claim.owner, about)
        verdict = Verdict(answer[0])
        if verdict is Verdict.HELD:
            return self._held(claim.name, answer)
        if verdict is Verdict.SETTLING:
            return Answer(verdict, watch_for=self._watch(_EPOCH, answer[1], self._ttl))
        if verdict is Verdict.FOREIGN:
            return Answer(verdict, where=answer[2])
        if verdict is Verdict.FREE:
            return Answer(verdict)
        self._seen.forget(claim.name)
        return Answer(verdict, generation=int(answer[2]))

    def _held(self, name: str, answer: Sequence[str]) -> Answer:
        try:
            _verdict, _epoch, seen, ttl, expires_in, about, owner = answer
            length = int(ttl) / 1000
            step = length / RENEWALS_IN_A_TTL
            # What one of a process's leases shows holds for all: hundreds that it left behind are not watched in turn
            of_owner = self._owners.note(owner.partition(":")[0], owner, enough=length, step=step)
            watch_for = min(of_owner, self._seen.note(name, seen, enough=length, step=step))
            left = timedelta(milliseconds=int(expires_in))
        except (ValueError, TypeError, OverflowError):
            raise RedisUnavailable("what lies there is no lease of ours", hint="see what else writes to it") from None
        return Answer(Verdict.HELD, watch_for=watch_for, expires_in=left, owner=LeaseOwner.from_text(about or ""))

    def _ask(self, script: str, names: Sequence[str], owner: str, args: Sequence[str | int]) -> Any:
        watched = self._seen.long_enough(_EPOCH)
        common: list[str | int] = [os.urandom(8).hex(), watched, *self._fleet, owner, round(self._ttl * 1000)]
        keys = [FLEET_KEY, *(LEASE_KEY + name for name in names)]
        answer = self._link.run(script, keys=keys, args=[*common, *args])
        if answer[1] and answer[0] != Verdict.SETTLING.value:
            self._watch(_EPOCH, answer[1], self._ttl)
        return answer

    def _watch(self, name: str, what: str, ttl: float) -> float:
        return self._seen.note(name, what, enough=ttl, step=ttl / RENEWALS_IN_A_TTL)
