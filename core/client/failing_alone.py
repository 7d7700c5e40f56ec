"""What a handler or a filter raises is told, and ends nothing but itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def is_cancelled() -> bool:
    """Whether somebody has cancelled this task; a CancelledError may also come from something else that was awaited."""
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())


@contextmanager
def failing_alone(tell: Callable[[BaseException], object], *passing: type[BaseException]) -> Iterator[None]:
    """Call `tell` with whatever goes wrong inside, and go on behind the block.

    A cancellation that somebody asked for passes, and what is named in `passing`; so does GeneratorExit, with which an
    event loop takes down what it no longer runs.
    """
    try:
        yield
    except BaseException as error:  # told; of an odd one that passed, the update would stay under way
        if isinstance(error, (GeneratorExit, *passing)) or (
            isinstance(error, asyncio.CancelledError) and is_cancelled()
        ):
            raise
        tell(error)
