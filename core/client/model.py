"""What a client says of itself: why it did not start, how the start went, how it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum


class FailureKind(Enum):
    """Why a start failed, by what has to happen next."""

    MISSING = "missing"
    """There is no such session file; none is ever made by starting."""
    HELD = "held"
    """Another process, or another client here, runs on this login."""
    DAMAGED = "damaged"
    """The file is not whole: salvage or restore it."""
    UNUSABLE = "unusable"
    """Whole, but no session that this Telethon could start on: Pyrogram's, a newer schema, empty, half made."""
    FILE_SYSTEM = "file system"
    """Read-only, no permission, no space."""
    CONFIGURATION = "configuration"
    """api_id, api_hash, settings, an address that cannot be."""
    UNREACHABLE = "unreachable"
    """No answer from Telegram in time."""
    NOT_LOGGED_IN = "not logged in"
    BANNED = "banned"
    REVOKED = "revoked"
    """The login is gone for good: log in again."""
    DUPLICATED = "duplicated"
    """The login was used at two places at once."""
    FROZEN = "frozen"
    FLOODED = "flooded"
    """Wait first."""
    NEEDS_PERSON = "needs a person"
    STOPPED = "stopped"
    """`stop()` came before the start was through."""
    TELEGRAM = "Telegram"
    """Telegram refused for a reason of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailure:
    """Why the client did not start."""

    kind: FailureKind
    code: str
    """Telegram's own name (`AUTH_KEY_DUPLICATED`), a finding (`GV120`), or the kind of error."""
    reason: str
    retryable: bool = False
    """Whether starting again, unchanged, may work."""
    retry_after: timedelta | None = None
    """When Telegram said how long to wait."""
    hint: str = ""
    """What to do next."""

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.code}): {self.reason}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStats:
    """Counters since the session was opened; published with the client's health."""

    commits: int = 0
    busy: int = 0
    """Saves that met somebody else's lock; what they held was kept for the next one."""
    failed: int = 0
    """Saves that failed otherwise: disk full, read-only, I/O error."""
    reads_missed: int = 0
    """Look-ups that met a lock and were answered from memory alone."""
    rows_kept: int = 0
    """Rows that wait for the next save."""
    rows_dropped: int = 0
    """Rows given up because too many waited; Telegram gives them again when they are met."""
    late: int = 0
    """Calls of Telethon that came after the session was closed, and were ignored."""
    last_commit: timedelta | None = None
    longest_commit: timedelta = timedelta(0)
    failing_since: datetime | None = None
    """First of the saves that have failed without a good one since."""
    last_error: str = ""


class HealthState(Enum):
    """How a client is."""

    STOPPED = "stopped"
    ALIVE = "alive"
    OFFLINE = "offline"
    """No connection, or no answer."""
    DEAF = "deaf"
    """Requests are answered, but updates do not arrive."""
    FLOODED = "flooded"
    """Telegram asked for a wait that is not over."""
    LOCKED_OUT = "locked out"
    """The session cannot be saved: somebody holds the file, or the disk takes nothing."""
    FROZEN = "frozen"
    DUPLICATED = "duplicated"
    REVOKED = "revoked"
    BANNED = "banned"


LEASE_LOST = "LEASE_LOST"
"""Code of a client that ended because somebody else has, or could have, its lease."""
LEASE_UNCERTAIN = "LEASE_UNCERTAIN"
"""Code of one that ended because nobody could be asked whether the lease is still its own."""
REDIS_AWAY = "REDIS"
"""Code of a start that nobody could be asked for a lease."""
LEASE_CODES = (LEASE_LOST, LEASE_UNCERTAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a client went through, in one run or in all of them."""

    reconnects: int = 0
    """Connections tried again."""
    flood_time: timedelta = timedelta(0)
    """The waits that Telegram asked for, added up."""
    deaf_time: timedelta = timedelta(0)
    offline_time: timedelta = timedelta(0)

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            reconnects=self.reconnects + other.reconnects,
            flood_time=self.flood_time + other.flood_time,
            deaf_time=self.deaf_time + other.deaf_time,
            offline_time=self.offline_time + other.offline_time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state and since when, with what it was judged from."""

    state: HealthState
    since: datetime
    code: str = ""
    """Telegram's own name of the error behind it."""
    detail: str = ""
    until: datetime | None = None
    """End of a flood wait."""
    session: SessionStats = field(default_factory=SessionStats)
    connects: int = 0
    """Connections tried since the start."""
    probed_at: datetime | None = None
    """When the account's state was last asked and answered."""


class PartName(Enum):
    """What a start consists of, in order."""

    LEASE = "lease"
    INSPECT = "inspect"
    MEND = "mend"
    CHECK = "check"
    OPEN = "open"
    LOGIN_LEASE = "login lease"
    CONNECT = "connect"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupPart:
    """One part of a start."""

    name: PartName
    took: timedelta
    found: str = ""
    """What was found or done; empty when there was nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """How the start went, up to where it ended."""

    parts: tuple[StartupPart, ...] = ()

    @property
    def took(self) -> timedelta:
        """All parts together."""
        return sum((part.took for part in self.parts), timedelta(0))

    @property
    def mended(self) -> bool:
        """Whether the session file had to be mended."""
        return any(part.name is PartName.MEND for part in self.parts)
