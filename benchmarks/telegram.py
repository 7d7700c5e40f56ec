"""A Telegram on loopback in a process of its own: `python -m benchmarks.telegram FOLDER COUNT`.

Writes the sessions of COUNT accounts that have run once (their update state is known) into the folder, says so with one
line on stdout, and serves until stdin ends.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from telethon import TelegramClient

from tests.telegram import Telegram

_AT_ONCE = 20


async def main(folder: Path, count: int) -> None:
    """Serve until stdin ends."""
    async with Telegram() as telegram:
        sessions = [_session(telegram, folder, number) for number in range(count)]
        turns = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(_run_once(path, turns) for path in sessions))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _session(telegram: Telegram, folder: Path, number: int) -> str:
    path = telegram.add_user(f"bot{number}").session_file(folder / f"bot_{number:05}")
    path.chmod(0o600)
    return str(path)


async def _run_once(path: str, turns: asyncio.Semaphore) -> None:
    async with turns:
        client = TelegramClient(path, 1, "hash")
        try:
            await client.connect()
        finally:
            await client.disconnect()


if __name__ == "__main__":
    fleet = Path(sys.argv[1])
    fleet.mkdir(mode=0o700)
    asyncio.run(main(fleet, int(sys.argv[2])))
