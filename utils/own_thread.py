"""Blocking work beside the event loop, in a thread that nobody else can keep busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


async def in_own_thread(call: Callable[[Unpack[Arguments]], Result], *arguments: *Arguments) -> Result:
    """As `asyncio.to_thread`, whose few threads a program may all have at work for hours.

    Who is cancelled leaves the thread to end by itself. For what is rare: a thread is made each time.
    """
    threads = ThreadPoolExecutor(1, "gavat-own")
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, call, *arguments)
    finally:
        threads.shutdown(wait=False)
