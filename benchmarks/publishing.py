"""What telling of COUNT bots costs a process: `python -m benchmarks.publishing COUNT SECONDS ours|peer|leases URL`.

`ours` publishes their status for so long, `peer` only dumps as much JSON and writes it as often, `leases` keeps as many
leases in the Redis at URL; printed is the share of a core that it took, in percent.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from core.state import BotFigures, StateFolder, publish_status
from core.state.settings import RedisSettings
from core.state.status import EVERY
from utils.clock import utc_now
from utils.leases import FleetId, LeaseOwner, Leaser
from utils.redis_link import RedisLink

COUNT, SECONDS = int(sys.argv[1]), float(sys.argv[2])


def bots() -> list[BotFigures]:
    """As a controller gives them."""
    return [
        BotFigures(name=f"bot{number:04}", path=f"/srv/bots/sessions/bot{number:04}.session", state="alive", since=NOW)
        for number in range(COUNT)
    ]


async def ours() -> None:
    """The document of all bots, each five seconds."""
    async with publish_status(bots, state=StateFolder.at(os.environ["GAVAT_STATE"])):
        await asyncio.sleep(SECONDS)


async def peer() -> None:
    """The least that it takes: as many values into a file."""
    path = os.path.join(os.environ["GAVAT_STATE"], "peer.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    values = [[one.name, one.path, one.state, one.since.isoformat(), "", "", None, *[0] * 7] for one in bots()]
    for _turn in range(int(SECONDS / EVERY.total_seconds())):
        with open(path, "w", encoding="ascii") as opened:  # noqa: ASYNC230  # that is what is measured
            json.dump(values, opened)
        await asyncio.sleep(EVERY.total_seconds())


async def leases() -> None:
    """A third of their length passes between two renewals."""
    fleet, me = FleetId(check="bench", where="bench"), LeaseOwner.of_this_process()
    defaults = RedisSettings()
    leaser = Leaser(RedisLink(sys.argv[4]), ttl=defaults.lease_ttl, loss=defaults.lease_loss, fleet=fleet, about=me)
    held = [leaser.acquire(f"{number:032x}", place="bench", wait=_wait) for number in range(COUNT)]
    await _measured(lambda: asyncio.sleep(SECONDS))
    for lease in held:
        lease.release()


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


async def _measured(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    before = time.process_time()
    await work()
    print((time.process_time() - before) / SECONDS * 100)


NOW = utc_now() - timedelta(hours=1)

if __name__ == "__main__":
    kind = sys.argv[3]
    asyncio.run(leases() if kind == "leases" else _measured({"ours": ours, "peer": peer}[kind]))
