"""Parts that the tests of the budget share: a clock that stands, a table of one price, wallets and what they say."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gpt.budget import Estimate, Limits, PriceTable, Reservation, Wallet
from gpt.budget.prices import Price
from gpt.model import Usage
from utils.redis_link import RedisLink

MODEL = "gpt-test"
PRICES = PriceTable("2026-11-21", {MODEL: Price(1_000_000, 1_000_000, 1_000_000, 1_000_000, 500, None)})
"""One nano-dollar a token: 1,000 tokens are a millionth of a dollar."""
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FakeClock:
    """Stands until it is told otherwise."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def run(story: Coroutine[Any, Any, Any]) -> Any:
    """In an event loop of its own."""
    return asyncio.run(story)


def soon() -> float:
    """A deadline that a busy machine reaches only when something waits in vain."""
    return time.monotonic() + 20


async def reserve(wallet: Wallet, tokens: int, *, bot: str = "anna", until: float | None = None) -> Reservation:
    """Room for so many tokens."""
    estimate = Estimate(tokens, 0)
    return await wallet.reserve(bot=bot, model=MODEL, estimate=estimate, until=soon() if until is None else until)


async def spend(wallet: Wallet, tokens: int, *, bot: str = "anna") -> None:
    """One reply that takes all that was estimated."""
    await wallet.settle(await reserve(wallet, tokens, bot=bot), Usage(tokens, 0))


async def until_waiting(wallet: Wallet, count: int) -> None:
    """So many wait for room."""
    while wallet.stats()["waiting"] < count:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.001)


def fill(wallet: Wallet) -> sqlite3.Connection:
    """From now on the wallet's file is as on a full disk: SQLite may take no further page."""
    ledger = wallet._desk._ledger
    assert ledger is not None
    connection = ledger.book._connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    return connection


@contextmanager
def wallet_of(
    limits: Limits,
    *,
    state: Path | None = None,
    redis: RedisLink | None = None,
    clock: Callable[[], datetime] | None = None,
    **more: Any,
) -> Iterator[Wallet]:
    """A wallet that is closed in the end, outside of any loop."""
    wallet = Wallet(
        limits, PRICES, key="k1", state=str(state) if state else None, redis=redis, clock=clock or FakeClock(), **more
    )
    try:
        yield wallet
    finally:
        asyncio.run(wallet.close())
