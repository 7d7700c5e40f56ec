"""A process of its own that spends from a shared budget: `python -m tests.gpt.budget.spender '{…}'`, see `Job`.

It prints one line of JSON for what it was asked to: `ready`, and in the end what it really took.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import NamedTuple

from gpt.budget import Limits, Wallet
from gpt.errors import BudgetExceeded
from gpt.model import Usage
from tests.gpt.budget.world import PRICES, FakeClock, reserve
from utils.redis_link import RedisLink


class Job(NamedTuple):
    """What to spend, and where."""

    limit: int
    most: int
    """Tokens that a reply is held to take at most; it takes any number below."""
    tasks: int
    state: str | None = None
    redis: str | None = None
    bot: str = "anna"
    bot_limit: int | None = None
    holds: int = 0
    """Reserve so often, and then wait to be killed."""


async def spend_all(wallet: Wallet, job: Job) -> int:
    """Reply after reply until the budget refuses."""
    taken = 0
    try:
        while True:
            held = await reserve(wallet, job.most, bot=job.bot)
            tokens = random.randrange(job.most)
            await asyncio.sleep(0.0005)
            await wallet.settle(held, Usage(tokens, 0))
            taken += tokens
    except BudgetExceeded as refused:
        if refused.retry_after is None:  # not spent, but in trouble
            raise
        return taken


async def main(job: Job) -> None:
    limits = Limits(daily_tokens=job.limit, bot_daily_tokens=job.bot_limit)
    link = RedisLink(job.redis) if job.redis else None
    wallet = Wallet(limits, PRICES, key="k1", state=job.state, redis=link, clock=FakeClock())
    for _reservation in range(job.holds):
        await reserve(wallet, job.most, bot=job.bot)
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()
    taken = await asyncio.gather(*(spend_all(wallet, job) for _task in range(job.tasks)))
    print(json.dumps(sum(taken)), flush=True)
    await wallet.close()


if __name__ == "__main__":
    asyncio.run(main(Job(**json.loads(sys.argv[1]))))
