"""What comes and goes leaves nothing behind; what the test's own server keeps of it is not counted."""

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import telethon

from core.controller import BotState
from tests.client.town import Town
from tests.crash.proof import FULL, render_table
from tests.fleet.test_controller import bots, fleet_of, until
from tests.killing import REPOSITORY

OURS = [tracemalloc.Filter(True, f"{REPOSITORY}/{room}/*") for room in ("core", "utils")] + [
    tracemalloc.Filter(True, f"{Path(telethon.__file__).parent}/{part}/*") for part in ("client", "network", "sessions")
]
KILOBYTE = 1000
STARTS = 1_000 if FULL else 60
"""Of which each may leave a kilobyte: of a thousand, a megabyte."""


async def growth(work: Callable[[int], Awaitable[None]], *, warm: int, times: int) -> float:
    """Bytes that `work` has left allocated by our code and Telethon's client after so many times."""
    await work(warm)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot().filter_traces(OURS)
        await work(times)
        gc.collect()
        after = tracemalloc.take_snapshot().filter_traces(OURS)
    finally:
        tracemalloc.stop()
    return sum(one.size_diff for one in after.compare_to(before, "filename"))


@pytest.mark.asyncio
async def test_ten_thousand_handlers_come_and_go(town: Town, publish: Callable[[str, str], None]) -> None:
    bots(town, 2)
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)

    async def come_and_go(times: int) -> None:
        for _ in range(times):
            handler = lambda _event: None  # noqa: E731  # a new one each time
            fleet.on_private(handler)
            fleet.remove_event_handler(handler)

    left = await growth(come_and_go, warm=200, times=10_000)

    await fleet.stop()
    publish("Handlers that come and go", render_table(["added and removed", "bytes left"], [[10_000, int(left)]]))
    assert left < 50 * KILOBYTE


@pytest.mark.asyncio
async def test_clients_start_and_stop(town: Town, publish: Callable[[str, str], None]) -> None:
    client = town.client()

    async def start_and_stop(times: int) -> None:
        for _ in range(times):
            assert await client.start(), client.failure
            await client.stop()

    left = await growth(start_and_stop, warm=10, times=STARTS)

    publish("Clients that start and stop", render_table(["starts and stops", "bytes left"], [[STARTS, int(left)]]))
    assert left < STARTS * KILOBYTE
