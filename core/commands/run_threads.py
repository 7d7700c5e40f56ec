"""Threads that handlers have at work (`asyncio.to_thread`) must not keep a stopped fleet from ending."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger("gavatcore.fleet")
_END_WITHIN = 3.0
"""Seconds for what else is at work: leases that are told of, a session that is closed."""


class LeftBehind(ThreadPoolExecutor):
    """The event loop's threads; the loop's end does not wait for what they have at work."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  # as its base has it
        """Take no more work."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)


def end_soon(exit_code: int) -> None:
    """End the process with that code in three seconds, unless it has ended by itself: Python waits for all threads.

    The bots are stopped by then, so what is cut off is the operator's own, as a service manager would.
    """

    def end() -> None:
        time.sleep(_END_WITHIN)
        logger.warning("ended while threads of handlers were still at work")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(exit_code)

    threading.Thread(target=end, name="gavat-end", daemon=True).start()
