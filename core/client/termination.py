"""SIGTERM as a normal end: what is registered here is called in the event loop, and the process lives to clean up.

So is SIGHUP for who asks at a terminal. SIGINT needs nothing: asyncio's runner cancels the main task on Ctrl-C.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

_waiting: dict[tuple[asyncio.AbstractEventLoop, signal.Signals], list[Callable[[], object]]] = {}
"""Calls by loop and signal, in the order of their registration; of the main thread only."""


def on_sigterm(call: Callable[[], object]) -> AbstractContextManager[None]:
    """While in the block, SIGTERM calls `call` in the running loop, as `on_signal` does it."""
    return on_signal(signal.SIGTERM, call)


@contextmanager
def on_signal(number: signal.Signals, call: Callable[[], object]) -> Iterator[None]:
    """While in the block, the signal calls `call` in the running loop.

    Many blocks may be open at once: all are called. A program with a handler of its own keeps it, and one that ignores
    the signal (nohup) goes on to; so does a loop that does not run in the main thread: there this does nothing.
    """
    loop = asyncio.get_running_loop()
    calls = _waiting.get((loop, number))
    if calls is None:
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(number) != signal.SIG_DFL:
            yield
            return
        calls = _waiting[loop, number] = []
        loop.add_signal_handler(number, _call_all, loop, number)
    calls.append(call)
    try:
        yield
    finally:
        calls.remove(call)
        if not calls:
            del _waiting[loop, number]
            loop.remove_signal_handler(number)


def _call_all(loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    for call in list(_waiting.get((loop, number), ())):
        call()
