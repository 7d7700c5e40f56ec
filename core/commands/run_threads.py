"""What handlers have at work, threads and tasks that will not end, must not keep a stopped fleet from ending."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger("gavatcore.fleet")
_END_WITHIN = 3.0
"""Seconds for what else is at work: leases that are told of, a session that is closed."""


_CANCELLED_WITHIN = 0.5
"""Seconds in which a task may tidy up; then it is left to the end of the process."""


class LeftBehind(ThreadPoolExecutor):
    """The event loop's threads; the loop's end does not wait for what they have at work."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  # as its base has it
        """Take no more work."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)


async def cancel_the_rest() -> int:
    """Cancel all other tasks as asyncio's runner would, but wait only for a moment; how many did not end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return 0
    _ended, left = await asyncio.wait(others, timeout=_CANCELLED_WITHIN)
    return len(left)


def end_soon(exit_code: int) -> None:
    """End the process with that code in three seconds, unless it has ended by itself.

    Python waits for all threads, and asyncio for all tasks, also for one that swallows its cancellation.

    The bots are stopped by then, so what is cut off is the operator's own, as a service manager would.
    """

    def end() -> None:
        time.sleep(_END_WITHIN)
        logger.warning("ended while handlers were still at work")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(exit_code)

    threading.Thread(target=end, name="gavat-end", daemon=True).start()
