"""Several processes at one gate, through a real Valkey: what they sent, and what that cost.

    run = measure_fleet(server.url, processes=4, acquires=1000)

Run as a module it is one of these processes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from gpt.gate import Gate, Rate
from gpt.gate.turnstile import Turnstile
from gpt.gate.waiter import Waiter
from tests.gpt.gate.virtual import worst_window
from tests.killing import REPOSITORY, plain_environment
from utils.redis_link import RedisLink


class FleetRun(NamedTuple):
    """What came of it; a window is half-open and may begin anywhere."""

    worst_scheduled: int
    """Most slots in a window."""
    worst_sent: int
    """Most sends in a window, by the clock that all processes of a machine share."""
    scripts_per_grant: float
    wall: float
    ideal: float
    """Seconds that a perfect limiter without a margin would take."""
    late: int
    """Slots that were over before they could be used."""

    def row(self, name: str) -> str:
        """One line of a table."""
        return (
            f"{name:<32} {self.worst_scheduled:>9} {self.worst_sent:>6} {self.scripts_per_grant:>14.2f}"
            f" {self.wall:>6.2f} s {self.wall / self.ideal:>6.2f} {self.late:>5}"
        )


HEAD = f"{'':<32} {'scheduled':>9} {'sent':>6} {'scripts/grant':>14} {'wall':>8} {'/ideal':>6} {'late':>5}"


def measure_fleet(
    url: str,
    *,
    processes: int = 4,
    workers: int = 10,
    acquires: int = 1000,
    requests: int = 500,
    window: float = 1.0,
    meanwhile: Callable[[], None] | None = None,
) -> FleetRun:
    """Each process takes so many turns with so many tasks, as fast as the rate allows; all begin together.

    `meanwhile` is called when they have begun: to make trouble.
    """
    plan = [url, *map(str, (workers, acquires, requests, window))]
    with ExitStack() as ending:
        running = [ending.enter_context(_start(plan)) for _process in range(processes)]
        for process in running:
            assert _read(process) == "ready"
        began = time.monotonic()
        for process in running:
            print("go", file=process.stdin, flush=True)
        if meanwhile is not None:
            meanwhile()
        reports = [json.loads(_read(process)) for process in running]
    sent = [moment for report in reports for moment in report["sent"]]
    return FleetRun(
        worst_scheduled=worst_window([moment for report in reports for moment in report["scheduled"]], window),
        worst_sent=worst_window(sent, window),
        scripts_per_grant=sum(report["scripts"] for report in reports) / len(sent),
        wall=max(sent) - began,
        ideal=processes * acquires / requests * window,
        late=sum(report["late"] for report in reports),
    )


def _start(plan: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__, *plan],
        cwd=REPOSITORY,
        env=plain_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


class CountingLink(RedisLink):
    """Counts the scripts that it runs."""

    scripts = 0

    def run(self, *script: Any, **more: Any) -> Any:
        self.scripts += 1
        return super().run(*script, **more)


class WatchedTurnstile(Turnstile):
    """Notes the slot of each who passes."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.scheduled: list[int] = []

    def _passed(self, waiter: Waiter, now: int) -> int:
        self.scheduled.append(waiter.turn.result().at)
        return super()._passed(waiter, now)


async def _take_part(url: str, workers: int, acquires: int, rate: Rate) -> dict[str, Any]:
    link = CountingLink(url)
    link.run("return 1")
    link.scripts = 0
    gate = Gate(rate, key="fleet", redis=link, processes=4)
    watched = WatchedTurnstile(rate, gate._shared, gate._tally, gate._now)
    gate._turnstiles[asyncio.get_running_loop()] = watched
    sent: list[float] = []

    async def work(turns: int) -> None:
        for _turn in range(turns):
            await gate.enter(until=time.monotonic() + 60)
            sent.append(time.monotonic())

    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    shares = [acquires // workers + (number < acquires % workers) for number in range(workers)]
    await asyncio.gather(*map(work, shares))
    return {
        "sent": sent,
        "scheduled": [moment / 1e6 for moment in watched.scheduled],
        "scripts": link.scripts,
        "late": gate.stats()["late"],
    }


if __name__ == "__main__":
    its_url, its_workers, its_acquires, its_requests, its_window = sys.argv[1:]
    its_rate = Rate.per_window(int(its_requests), float(its_window))
    print(json.dumps(asyncio.run(_take_part(its_url, int(its_workers), int(its_acquires), its_rate))))
