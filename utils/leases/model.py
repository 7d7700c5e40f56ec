"""What a lease is and how taking one can fail."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from utils.clock import utc_now, utc_text
from utils.redact import masked_command, printable


class Lease(Protocol):
    """A right that is held."""

    @property
    def check_every(self) -> timedelta:
        """How often to ask `check` for a loss to be noticed in time."""

    def check(self) -> None:
        """Raise LeaseLost unless it is still ours; costs at most a look at a file."""

    def release(self) -> None:
        """Give it back; harmless when done twice, and in a forked child."""


class LeaseState(Enum):
    """Whether anybody holds a lease; unknown is an answer of its own and means hands off."""

    FREE = "free"
    HELD = "held"
    UNKNOWN = "unknown"


class LeaseLoss(Enum):
    """What the holder of a lease in Redis does when Redis does not answer for so long that its lease runs out."""

    WARN = "warn"
    """It keeps running, and says so."""
    REQUIRE = "require"
    """It stops before the lease ends, and starts again when Redis is back."""


class FleetId(NamedTuple):
    """Which fleet a process belongs to: those of one fleet name the same things alike."""

    check: str
    """Opaque; the same in every process of the fleet, and in no other."""
    where: str
    """For people: where the key that names things lies."""


class LeaseOwner(NamedTuple):
    """What the holder wrote into its lease for people; a hint, never proof."""

    pid: int
    command: str
    host: str
    acquired_at: str
    """RFC 3339, UTC."""

    @classmethod
    def of_this_process(cls) -> LeaseOwner:
        """The process that asks, as one that takes a lease now."""
        return cls(os.getpid(), masked_command(sys.orig_argv), os.uname().nodename, utc_text(utc_now()))

    def described(self) -> str:
        """For people; the fields may be anybody's."""
        return (
            f"pid {self.pid} ({printable(self.command)}) on {printable(self.host)} since {printable(self.acquired_at)}"
        )

    def to_text(self) -> str:
        """One line of JSON."""
        import json

        return json.dumps(self._asdict(), ensure_ascii=True)

    @classmethod
    def from_text(cls, text: str) -> LeaseOwner | None:
        """The owner written in a lease, None when the text is not one (anybody can write there)."""
        import json

        try:
            fields = json.loads(text.strip("\0 \n"))
            return cls(
                int(fields["pid"]), str(fields["command"])[:200], str(fields["host"])[:200], str(fields["acquired_at"])
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None


class LeaseProbe(NamedTuple):
    """The answer to "does anybody hold it?" with what is known of the holder."""

    state: LeaseState
    owner: LeaseOwner | None = None
    reason: str = ""


class LeaseError(Exception):
    """A lease could not be had or kept; `hint` says what to do next."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class LeaseHeld(LeaseError):
    """Another process holds the lease."""

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        owner: LeaseOwner | None,
        expires_in: timedelta | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.owner = owner
        self.expires_in = expires_in
        """When it ends unless it is renewed; None for one that ends with its process."""


class LeaseUnsettled(LeaseError):
    """Who holds what is not known yet: the server has started, or was emptied, just now."""

    retryable = True


class ForeignFleet(LeaseError):
    """The server keeps the leases of another fleet, which names things differently: neither would see the other's."""

    def __init__(self, message: str, *, where: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.where = where


class LeaseLost(LeaseError):
    """The lease was ours and no longer is: stop using what it guards."""


class LeaseUncertain(LeaseLost):
    """The lease could not be renewed and is about to end: stop using what it guards, and take it again later."""

    retryable = True
