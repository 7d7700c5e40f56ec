"""Asking again, every minute, whether a held lease is still ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from utils.leases.model import LeaseLost
from utils.leases.os_lock import OsLock

CHECK_EVERY = timedelta(minutes=1)


async def watch_lease(
    lock: OsLock, *, sleep: Callable[[float], Awaitable[object]], every: timedelta = CHECK_EVERY
) -> LeaseLost:
    """Check the lease each `every` until it is lost, and return the loss with its reason.

    Run it as a task beside the bot (`sleep=asyncio.sleep`); what to do on a loss is the caller's. The check is two
    `stat` calls on the lock file, never the session. Cancelling it is the normal end.
    """
    while True:
        await sleep(every.total_seconds())
        try:
            lock.check()
        except LeaseLost as loss:
            return loss
