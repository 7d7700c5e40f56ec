"""SIGTERM as a normal end: what is registered here is called in the event loop, and the process lives to clean up.

SIGINT needs nothing: asyncio's runner cancels the main task on Ctrl-C.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_waiting: dict[asyncio.AbstractEventLoop, list[Callable[[], object]]] = {}
"""Calls by loop, in the order of their registration; of the main thread only."""


@contextmanager
def on_sigterm(call: Callable[[], object]) -> Iterator[None]:
    """While in the block, SIGTERM calls `call` in the running loop.

    Many blocks may be open at once: all are called. A program with a SIGTERM handler of its own keeps it, and so does
    a loop that does not run in the main thread: there this does nothing.
    """
    loop = asyncio.get_running_loop()
    calls = _waiting.get(loop)
    if calls is None:
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        ):
            yield
            return
        calls = _waiting[loop] = []
        loop.add_signal_handler(signal.SIGTERM, _call_all, loop)
    calls.append(call)
    try:
        yield
    finally:
        calls.remove(call)
        if not calls:
            del _waiting[loop]
            loop.remove_signal_handler(signal.SIGTERM)


def _call_all(loop: asyncio.AbstractEventLoop) -> None:
    for call in list(_waiting.get(loop, ())):
        call()
