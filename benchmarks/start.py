"""Our clients started on each session of a folder: `python -m benchmarks.start FOLDER DAYS`.

DAYS is the age at which a session wants a new backup; 0 makes none. The state folder is GAVAT_STATE.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from benchmarks.starting import report, sessions
from core.gavat_client import ClientSettings, GavatClient


async def start(path: str) -> GavatClient:
    """One client, started."""
    settings = ClientSettings(backup_every=timedelta(days=float(sys.argv[2])))
    client = GavatClient(path, 1, "hash", settings=settings)
    if not await client.start():
        raise RuntimeError(str(client.failure))
    return client


if __name__ == "__main__":
    asyncio.run(report(sessions(), start))
