"""The right to use something, held by one process at a time.

`os_lock` holds it on this machine through the kernel: it ends with the process, whatever kills it. `leaser` holds it
across machines through Redis or Valkey: it ends when it is not renewed. Both are a `Lease`, and `watch` watches it.

leaser         takes leases, renews them, takes over from the dead
redis_lease    one that is held
redis_records  what can be asked of the server
redis_scripts  how the server does it
sightings      what was seen unchanged for how long
"""

from typing import TYPE_CHECKING

from utils.leases.model import (
    FleetId,
    ForeignFleet,
    Lease,
    LeaseError,
    LeaseHeld,
    LeaseLoss,
    LeaseLost,
    LeaseOwner,
    LeaseProbe,
    LeaseState,
    LeaseUncertain,
    LeaseUnsettled,
)
from utils.leases.os_lock import OsLock, open_without_access_time, probe_os_lock
from utils.leases.watch import watch_lease

if TYPE_CHECKING:
    from utils.leases.leaser import Leaser
    from utils.leases.redis_lease import RedisLease

__all__ = [
    "FleetId",
    "ForeignFleet",
    "Lease",
    "LeaseError",
    "LeaseHeld",
    "LeaseLoss",
    "LeaseLost",
    "LeaseOwner",
    "LeaseProbe",
    "LeaseState",
    "LeaseUncertain",
    "LeaseUnsettled",
    "Leaser",
    "OsLock",
    "RedisLease",
    "open_without_access_time",
    "probe_os_lock",
    "watch_lease",
]

_AT_FIRST_USE = {"Leaser": "leaser", "RedisLease": "redis_lease"}  # threads and logging: not for every --help


def __getattr__(name: str) -> object:
    """What only a fleet of several hosts needs, loaded when it is asked for."""
    from importlib import import_module

    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_AT_FIRST_USE[name]}"), name)
