"""Waiting for what a publisher does, in a running loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.state import StateFolder

WITHIN = 20.0


async def until(done: Callable[[], bool]) -> None:
    """Return once it is so; raises TimeoutError."""
    async with asyncio.timeout(WITHIN):
        while not done():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.005)


def documents(state: StateFolder) -> list[dict[str, Any]]:
    """What lies in the folder of status files."""
    return [json.loads(path.read_text(encoding="ascii")) for path in sorted(Path(state.status).glob("*.json"))]


def names_of_bots(state: StateFolder) -> list[list[str]]:
    """By document."""
    return [[bot["name"] for bot in one["bots"]] for one in documents(state)]
