"""The right to use something, held by one process at a time.

`os_lock` holds it on this machine through the kernel: it ends with the process, whatever kills it.
"""

from utils.leases.model import LeaseError, LeaseHeld, LeaseLost, LeaseOwner, LeaseProbe, LeaseState
from utils.leases.os_lock import OsLock, open_without_access_time, probe_os_lock
from utils.leases.watch import watch_lease

__all__ = [
    "LeaseError",
    "LeaseHeld",
    "LeaseLost",
    "LeaseOwner",
    "LeaseProbe",
    "LeaseState",
    "OsLock",
    "open_without_access_time",
    "probe_os_lock",
    "watch_lease",
]
