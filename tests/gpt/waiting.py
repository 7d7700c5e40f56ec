"""Waiting for what happens in another task, thread or process."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], bool], *, within: float = 10.0) -> None:
    """Return once it holds; far more time than any of it takes."""
    ends_at = time.monotonic() + within
    while not condition():
        assert time.monotonic() < ends_at, "waited in vain"
        await asyncio.sleep(0.005)
