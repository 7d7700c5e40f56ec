"""A process that publishes one bot: STATE EVERY-SECONDS NAME [stuck-after SECONDS]. It runs until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from core.state import BotFigures, StateFolder, publish_status
from utils.clock import utc_now


async def run(state: str, every: str, path: str, stuck: bool) -> None:
    since = utc_now()
    name = Path(path).name.removesuffix(".session")
    figures = BotFigures(name=name, path=path, state="alive", since=since, reconnects=3, handled=1204, failed=2)
    url = os.environ.get("PUBLISH_TO", "")
    turn = timedelta(seconds=float(every))
    async with publish_status(lambda: [figures], state=StateFolder(state), redis_url=url, every=turn):
        while not any(  # noqa: ASYNC110  # a file has no event
            name.endswith(".json") for name in os.listdir(StateFolder(state).path + "/status")
        ):
            await asyncio.sleep(0.005)
        print("published", flush=True)
        if stuck:
            time.sleep(3600)  # noqa: ASYNC251  # the loop is to be stuck
        await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3], "stuck" in sys.argv[4:]))
