"""What a start of many clients costs the process that starts them, measured from inside: the same for every side."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.heart import BEAT, Heart
from tests.telegram.loopback import stay_on_loopback

_SETTLED = 2.0
"""Seconds after the last start until memory counts as steady: by then missed updates are fetched."""


class Started(NamedTuple):
    """What one run found."""

    seconds: float
    """From making the first client to the last one's start."""
    cpu: float
    """Seconds of processor time that it took in this process."""
    stall: float
    """Seconds; the longest time in which the event loop served nobody."""
    turn: float
    """Seconds of processor time that the loop's thread used in its longest turn: a stall without what others took."""
    kilobytes: float
    """Memory of its own (USS) that a running client costs, of 1,000 bytes."""

    @classmethod
    def from_output(cls, output: str) -> Self:
        """Read what `report` printed."""
        return cls(**json.loads(output.splitlines()[-1]))


async def report(paths: list[str], start: Callable[[str], Awaitable[object]]) -> None:
    """Start a client on every path, all at once, and print what it cost; no client can leave this machine."""
    stay_on_loopback()
    heart = Heart()
    await _beat_for_a_while()
    before = _own_memory()
    beating = asyncio.create_task(heart.beat())
    await asyncio.sleep(0)
    began, cpu_began = time.perf_counter(), time.process_time()
    clients = await asyncio.gather(*map(start, paths))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    beating.cancel()
    with suppress(asyncio.CancelledError):
        await beating
    await asyncio.sleep(_SETTLED)
    kilobytes = (_own_memory() - before) / len(clients) / 1000
    print(json.dumps(Started(seconds, cpu, heart.longest, heart.busiest, kilobytes)._asdict()), flush=True)


async def _beat_for_a_while() -> None:
    """Let the interpreter make what it makes once."""
    for _beat in range(20):
        await asyncio.sleep(BEAT)


def _own_memory() -> int:
    """Bytes that only this process uses (USS)."""
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def sessions() -> list[str]:
    """The session files of the folder that is the first argument."""
    return sorted(map(str, Path(sys.argv[1]).glob("*.session")))
