"""Settings of what outlives a run, and of what hosts share."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import NamedTuple

from core.settings import Declaration, Room, parse_duration, parse_path
from utils.leases.model import LeaseLoss
from utils.redact import printable

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that holds the scripts."""
_SHORTEST_LEASE = timedelta(seconds=5)
_SCHEMES = ("redis://", "rediss://", "valkey://", "valkeys://", "unix://")


class StateSettings(NamedTuple):
    """`[state]` of gavat.toml."""

    path: str = os.path.join(ROOT, "state")


STATE_ROOM = Room(
    "state",
    StateSettings,
    {
        "path": Declaration(
            "GAVAT_STATE", parse_path, "the folder for history, copies and locks; default: state/ beside the scripts"
        )
    },
)


class RedisSettings(NamedTuple):
    """`[redis]` of gavat.toml: what the hosts of a fleet share."""

    url: str = ""
    """Redis or Valkey; empty: this machine is alone. It may hold a password."""
    lease_ttl: timedelta = timedelta(seconds=30)
    """How long a login stays leased to a host that says nothing more."""
    lease_loss: LeaseLoss = LeaseLoss.WARN

    def __repr__(self) -> str:
        """All but the address, which may hold a password."""
        url = "set" if self.url else "not set"
        return f"RedisSettings(url={url}, lease_ttl={self.lease_ttl}, lease_loss={self.lease_loss.value})"


def _parse_url(text: str) -> str:
    if not text.startswith(_SCHEMES):  # the text itself is not repeated: it may hold a password
        raise ValueError(f"no address of Redis or Valkey; it begins with one of {', '.join(_SCHEMES)}")
    return text


def _parse_ttl(text: str) -> timedelta:
    ttl = parse_duration(text)
    if ttl < _SHORTEST_LEASE:
        raise ValueError(f"a lease shorter than {_SHORTEST_LEASE.total_seconds():.0f} s could not be kept")
    return ttl


def _parse_loss(text: str) -> LeaseLoss:
    try:
        return LeaseLoss(text)
    except ValueError:
        raise ValueError(f"«{printable(text)}» is neither warn nor require") from None


REDIS_ROOM = Room(
    "redis",
    RedisSettings,
    {
        "url": Declaration("GAVAT_REDIS_URL", _parse_url, "redis://HOST:6379/0, shared by all hosts of a fleet"),
        "lease_ttl": Declaration("GAVAT_LEASE_TTL", _parse_ttl, "how long a silent host keeps its logins"),
        "lease_loss": Declaration("GAVAT_LEASE_LOSS", _parse_loss, "without Redis: warn, or require the lease"),
    },
)
