"""One request that waits at the gate, and the word it gets when that is in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gpt.errors import GateBusy
from gpt.gate.hand import Slot
from gpt.gate.rate import MICROSECONDS
from gpt.model import Priority


@dataclass(slots=True, kw_only=True, eq=False)
class Waiter:
    """Times in microseconds of the monotonic clock."""

    priority: Priority
    bot: str
    until: int
    charge: int
    """What its tokens take."""
    turn: asyncio.Future[Slot]
    came: int
    ahead: int = 0
    """How many stood before it when it came."""
    is_announced: bool = False


def busy(wait: int) -> GateBusy:
    """The refusal of one whose turn would come after so many microseconds."""
    seconds = wait / MICROSECONDS
    return GateBusy(
        f"the rate limit would let it go in {seconds:.1f} s, after its deadline",
        hint="ask later or less, or allow a longer deadline",
        retry_after=seconds,
    )
