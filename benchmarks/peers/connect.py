"""The least that starting clients takes: a bare `TelegramClient` on each session of a folder, connected."""

from __future__ import annotations

import asyncio

from telethon import TelegramClient

from benchmarks.starting import report, sessions


async def start(path: str) -> TelegramClient:
    """One client, connected."""
    client = TelegramClient(path, 1, "hash")
    await client.connect()
    return client


if __name__ == "__main__":
    asyncio.run(report(sessions(), start))
