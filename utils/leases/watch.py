"""Asking again and again whether held leases are still ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from utils.leases.model import Lease, LeaseLost


async def watch_lease(*leases: Lease, sleep: Callable[[float], Awaitable[object]]) -> LeaseLost:
    """Check the leases, each as often as the most impatient of them wants, until one is lost; give its loss.

    Run it as a task beside the bot (`sleep=asyncio.sleep`); what to do on a loss is the caller's. A check is two `stat`
    calls on a lock file, never the session, or none. Cancelling it is the normal end.
    """
    every = min(lease.check_every for lease in leases).total_seconds()
    while True:
        await sleep(every)
        try:
            for lease in leases:
                lease.check()
        except LeaseLost as loss:
            return loss
