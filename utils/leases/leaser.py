"""Leases shared by hosts, kept in Redis or Valkey: nobody gets one while a live owner may still think it is his.

Three things hold that up, and the server's clock is none of them (`redis_scripts` says how they are written down):

- An owner renews each third of its TTL. Another place takes over only after it has itself, by its own clock and in
  several looks, seen the record unchanged for the owner's whole TTL; an owner that is alive would have renewed, and one
  that may not run without its lease (LeaseLoss.REQUIRE) has stopped after three quarters of it.
- What a server has forgotten is not free: after a start or a flush nothing is granted for a TTL, in which live owners
  write theirs again.
- Every message carries who sent it and for which claim, so that one which comes late changes nothing.

What no lease can do: stop a process that is frozen past its TTL from going on when it thaws, before it looks.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from utils.clock import since_boot, utc_now, utc_text
from utils.leases.model import FleetId, ForeignFleet, LeaseError, LeaseHeld, LeaseLoss, LeaseOwner, LeaseUnsettled
from utils.leases.redis_lease import RedisLease
from utils.leases.redis_records import RENEWALS_IN_A_TTL, Answer, Claim, LeaseRecords, Renewed, Verdict
from utils.redact import printable
from utils.redis_link import RedisLink, RedisUnavailable
from utils.units import duration_text

RENEWED_AT_ONCE = 100
RETRY_AFTER = timedelta(seconds=1)
"""Between two tries to renew while Redis does not answer."""
_SHORTEST_WAIT = 0.01

logger = logging.getLogger("gavatcore.leases")


class Leaser:
    """Takes leases for this process and keeps them; one for a process and state folder. Its methods block.

    `ttl` must be the same in all processes that share the server. `monotonic`: seconds that go on while the machine
    sleeps. A thread of its own renews what is held, and ends when nothing is.
    """

    def __init__(
        self,
        link: RedisLink,
        *,
        ttl: timedelta,
        loss: LeaseLoss,
        fleet: FleetId,
        about: LeaseOwner,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self.ttl = ttl
        self.loss = loss
        self.monotonic = monotonic
        self.records = LeaseRecords(link, fleet=fleet, ttl=ttl, monotonic=monotonic)
        self._about = about
        self._owner = os.urandom(16).hex()
        self._claims = itertools.count(1)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._held: dict[str, RedisLease] = {}
        self._asked_for: set[str] = set()
        self._stop: threading.Event | None = None
        self._is_told = False
        self._settling_is_told = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether this is a forked child of the process that it belongs to."""
        return os.getpid() != self._pid

    @property
    def held(self) -> list[RedisLease]:
        """What is neither released nor lost."""
        with self._lock:
            return list(self._held.values())

    def acquire(self, name: str, *, place: str, wait: Callable[[float], bool]) -> RedisLease:
        """Take the lease `name`, or raise.

        `place` names the lock that the caller holds on its machine: whoever had the lease under the same place is
        dead. `wait(seconds)` is called when the answer takes time: an owner that has run out of time is watched for
        its TTL, and a server that has lately started for ours. It returns True to give up.

        Raises LeaseHeld (when another has it, with its owner), LeaseUnsettled (given up while the server settles),
        ForeignFleet, LeaseError (in a forked child), RedisUnavailable (unknown is not free).
        """
        if self.is_elsewhere:
            raise LeaseError(
                "a forked child cannot take leases with its parent's leaser", hint="make a leaser after forking"
            )
        with self._alone(name):
            claim = self._claim(name, place)
            try:
                lease = self._take(claim, wait)
                self._keep(lease)
            except LeaseError:
                raise
            except BaseException:  # it may have been granted without our knowing
                with suppress(RedisUnavailable):
                    self.records.release(claim)
                raise
            return lease

    def looks_free(self, name: str, *, place: str) -> bool:
        """Whether `acquire` would be granted now without waiting; to be asked again and again by those who wait.

        What is seen counts for a later `acquire`. Raises ForeignFleet, RedisUnavailable.
        """
        with self._lock:
            if name in self._held:
                return False
        claim = self._claim(name, place)
        answer = self.records.look(claim)
        if answer.verdict in {Verdict.HELD, Verdict.SETTLING} and not answer.watch_for:
            answer = self.records.look(claim)
        if answer.verdict is Verdict.FOREIGN:
            raise _foreign(answer)
        return answer.verdict is Verdict.FREE

    def renew(self) -> bool:
        """Renew all that is held, once; False when Redis did not answer. The thread does it each third of the TTL."""
        held = self.held
        try:
            for first in range(0, len(held), RENEWED_AT_ONCE):
                self._renew(held[first : first + RENEWED_AT_ONCE])
        except RedisUnavailable as error:
            self._tell_of_silence(held, error)
            return False
        if self._is_told:
            logger.info("leases are renewed again: %d", len(held))
            self._is_told = False
        return True

    def forget(self, lease: RedisLease) -> None:
        """No longer renew it: it was released or lost. Called by the lease."""
        with self._lock:
            if self._held.get(lease.name) is lease:
                del self._held[lease.name]
            if not self._held and self._stop is not None:
                self._stop.set()
                self._stop = None

    def _claim(self, name: str, place: str) -> Claim:
        about = self._about._replace(acquired_at=utc_text(utc_now()))
        return Claim(name, self._owner, next(self._claims), place, about.to_text())

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with self._lock:
            if name in self._held or name in self._asked_for:
                raise LeaseHeld("held by another client in this process", owner=self._about)
            self._asked_for.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._asked_for.discard(name)

    def _take(self, claim: Claim, wait: Callable[[float], bool]) -> RedisLease:
        while True:
            asked_at = self.monotonic()
            answer = self.records.acquire(claim)
            if answer.verdict is Verdict.GRANTED:
                return RedisLease(claim, answer.generation, leaser=self, asked_at=asked_at)
            if answer.verdict is Verdict.FOREIGN:
                raise _foreign(answer)
            if not answer.watch_for:
                continue  # seen for long enough with this look: the next one counts
            self._tell_of_settling(answer)
            is_live = answer.verdict is Verdict.HELD and answer.expires_in > timedelta(0)
            if is_live or wait(max(_SHORTEST_WAIT, min(answer.watch_for, self._renew_every.total_seconds()))):
                raise _refusal(answer)

    def _tell_of_settling(self, answer: Answer) -> None:
        """Once: else a first start looks as if it hung."""
        if answer.verdict is Verdict.SETTLING and not self._settling_is_told:
            self._settling_is_told = True
            logger.info(
                "Redis has lately started, or is new to this fleet: nobody gets a lease for %s",
                duration_text(timedelta(seconds=answer.watch_for)),
            )

    @property
    def _renew_every(self) -> timedelta:
        return self.ttl / RENEWALS_IN_A_TTL

    def _keep(self, lease: RedisLease) -> None:
        with self._lock:
            if self._stop is None:
                stop = threading.Event()
                threading.Thread(target=self._keep_renewing, args=(stop,), name="gavat-leases", daemon=True).start()
                self._stop = stop
            self._held[lease.name] = lease

    def _keep_renewing(self, stop: threading.Event) -> None:
        pause = self._renew_every
        while not stop.wait(pause.total_seconds()):
            pause = self._renew_every if self._renews() else min(RETRY_AFTER, self._renew_every)

    def _renews(self) -> bool:
        """Whatever goes wrong, the thread lives: without it all leases end, and nobody here notices."""
        try:
            return self.renew()
        except Exception:
            logger.exception("leases could not be renewed; tried again")
            return False

    def _renew(self, leases: Sequence[RedisLease]) -> None:
        asked_at = self.monotonic()
        outcomes = self.records.renew(self._owner, [lease.renewal() for lease in leases])
        for lease, outcome in zip(leases, outcomes, strict=True):
            lease.take_note(outcome, asked_at=asked_at)
        unknown = sum(outcome.renewed is Renewed.UNKNOWN for outcome in outcomes)
        if unknown:
            raise RedisUnavailable(f"in the place of {unknown} leases lies something else")

    def _tell_of_silence(self, held: Sequence[RedisLease], error: RedisUnavailable) -> None:
        logger.debug("leases were not renewed: %s", error)
        silent_for = max((lease.renewed_ago for lease in held), default=timedelta(0))
        if self._is_told or self.loss is LeaseLoss.REQUIRE or silent_for < self.ttl:
            return
        self._is_told = True
        logger.warning(
            "%d leases not renewed for %s: their users keep running; another host may take them (%s)",
            len(held),
            f"{silent_for.total_seconds():.0f} s",
            error,
        )


def _refusal(answer: Answer) -> LeaseError:
    if answer.verdict is Verdict.SETTLING:
        return LeaseUnsettled(
            f"Redis has lately started or was emptied: who holds what is known in {answer.watch_for:.0f} s",
            hint="try again then",
        )
    return LeaseHeld(
        f"held by {answer.owner.described() if answer.owner else 'another process'}",
        owner=answer.owner,
        expires_in=max(answer.expires_in, timedelta(0)),
        hint="stop that process, or wait until it ends",
    )


def _foreign(answer: Answer) -> ForeignFleet:
    where = printable(answer.where)
    return ForeignFleet(f"this Redis keeps the leases of the fleet of {where}", where=where)
