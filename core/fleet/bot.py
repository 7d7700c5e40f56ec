"""One bot of a fleet: what it is to be, what it hears, and the task that keeps it running."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from core.fleet.handlers import Ears
from core.fleet.roster import WantedBot
from core.fleet.supervise import Supervisor


class Bot:
    """A bot that was begun, until it has ended."""

    def __init__(self, wanted: WantedBot, supervisor: Supervisor, ears: Ears, task: asyncio.Task[None]) -> None:
        self.wanted = wanted
        self.supervisor = supervisor
        self.ears = ears
        self.task = task


async def end_bots(bots: Iterable[Bot]) -> None:
    """Stop them at once, and wait for it; one that is being stopped is not disturbed in that."""
    ending = list(bots)
    for bot in ending:
        if not bot.task.cancelling():
            bot.task.cancel()
    if ending:
        await asyncio.wait([bot.task for bot in ending])
    for bot in ending:
        bot.supervisor.ended()


def settle_at_hand(bots: Iterable[Bot]) -> None:
    """Where a handler of theirs wants them stopped, its message counts as handled: it must not come again.

    Only in the handler's own context can be seen which message that is; the tasks of the bots have others.
    """
    for bot in bots:
        bot.supervisor.settle_at_hand()
