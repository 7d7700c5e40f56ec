"""A lease held in Redis, as its holder sees it: whether it is still his, and giving it back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from utils.leases.model import LeaseLoss, LeaseLost, LeaseUncertain
from utils.leases.redis_records import Claim, Outcome, Renewal, Renewed
from utils.redis_link import RedisUnavailable

if TYPE_CHECKING:
    from utils.leases.leaser import Leaser

_CERTAIN = 0.75  # of the TTL; the rest is for noticing it, and for stopping
_CHECKS_IN_A_TTL = 15


class RedisLease:
    """A held lease; made by `Leaser.acquire`, renewed by it until it is released or lost."""

    def __init__(self, claim: Claim, generation: int, *, leaser: Leaser, asked_at: float) -> None:
        self.name = claim.name
        self.generation = generation
        """Grows with every grant of that name."""
        self._claim = claim
        self._leaser = leaser
        self._beats = itertools.count(1)
        self._asked_at = asked_at
        self._loss = ""

    @property
    def check_every(self) -> timedelta:
        """Often enough to stop before the TTL ends."""
        return self._leaser.ttl / _CHECKS_IN_A_TTL

    @property
    def renewed_ago(self) -> timedelta:
        """Since the request for the last renewal that succeeded was sent."""
        return timedelta(seconds=self._leaser.monotonic() - self._asked_at)

    def check(self) -> None:
        """Raise LeaseLost unless it is still ours; asks nobody.

        Raises LeaseUncertain when it could not be renewed for three quarters of its TTL and must not be used without
        (LeaseLoss.REQUIRE).
        """
        if self._loss:
            raise LeaseLost(self._loss)
        if self._leaser.is_elsewhere:
            raise LeaseLost(
                "the lease was taken by the process this one was forked from",
                hint="close the session before forking, or start the worker with exec (spawn)",
            )
        if self._leaser.loss is LeaseLoss.REQUIRE and not self._is_certain:
            silent_for = self.renewed_ago.total_seconds()
            raise LeaseUncertain(
                f"the lease could not be renewed for {silent_for:.0f} s: another host may take it soon",
                hint="see whether Redis runs and can be reached from here",
            )

    def release(self) -> None:
        """Give it back, so that another can have it at once; never raises.

        Harmless when done twice, after a loss, and in a forked child. When Redis does not answer within its limit the
        lease runs out by itself.
        """
        self.let_go()()

    def let_go(self) -> Callable[[], None]:
        """Give it up here at once; what is returned tells Redis, may block, and raises nothing."""
        if self._leaser.is_elsewhere or self._loss:
            return lambda: None
        self._end("the lease was given back")
        return self._tell_of_release

    def _tell_of_release(self) -> None:
        with suppress(RedisUnavailable):
            self._leaser.records.release(self._claim)

    def renewal(self) -> Renewal:
        """What to send to keep it. Under REQUIRE, once uncertain, it is not restored: it may have been another's."""
        may_restore = self._leaser.loss is LeaseLoss.WARN or self._is_certain
        return Renewal(self._claim, self.generation, next(self._beats), may_restore)

    def take_note(self, outcome: Outcome, *, asked_at: float) -> None:
        """Of what became of a renewal that was sent at `asked_at`."""
        if outcome.renewed is Renewed.KEPT:
            self._asked_at = asked_at
        elif outcome.renewed is Renewed.LOST and not self._loss:
            has_it = f"{outcome.owner.described()} has it now" if outcome.owner else "Redis no longer knows it"
            self._end(f"the lease was lost: {has_it}")

    def _end(self, loss: str) -> None:
        self._loss = loss
        self._leaser.forget(self)

    @property
    def _is_certain(self) -> bool:
        return self.renewed_ago < self._leaser.ttl * _CERTAIN
