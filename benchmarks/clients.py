"""The measurements of the client room: many starts at once, beside as many bare `TelegramClient.connect()`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.fleets import ROOT
from benchmarks.measure import Run, Runs, in_turns, run
from benchmarks.model import Limit, Rate, Row, seconds_text
from benchmarks.ratio import ratio_row
from benchmarks.starting import Started

_NEVER, _DAILY = 0, 1
"""Days after which a session wants a new backup."""


def starting_in_memory(bench: Bench) -> Iterator[Row]:
    """Where only the work counts; what a running client and its start cost besides is measured here."""
    ours, bare, backed_up = _started(bench, bench.memory)
    what = f"{bench.sizes.clients} clients"
    bench.rates["start"] = Rate(bench.sizes.clients * len(ours), sum(one.seconds for one in ours))
    yield ratio_row(f"starting {what}, tmpfs / connect", ours, bare, Limit(2.5, "×"), _processor(ours, bare))
    yield ratio_row("the same with the daily backup due, tmpfs / connect", backed_up, bare, None)
    stalls = _median(ours, "stall") * 1000, _median(bare, "stall") * 1000
    turns = f"processor time of the longest turn: {_ms(ours, 'turn')}, {_ms(bare, 'turn')} bare"
    name = f"longest stall of the loop, {what} / connect"
    yield Row(name, f"{stalls[0]:.0f} ms", f"{stalls[1]:.0f} ms", stalls[0], Limit(100, " ms", strict=True), turns)
    memory = _median(ours, "kilobytes"), _median(bare, "kilobytes")
    name = f"memory of a running client (USS), of {what} / connect"
    yield Row(name, f"{memory[0]:.0f} KB", f"{memory[1]:.0f} KB", memory[0] / memory[1], Limit(1.2, "×"))


def starting_on_disk(bench: Bench) -> Iterator[Row]:
    """Where a bare client waits for its disk at every connect."""
    ours, bare, backed_up = _started(bench, bench.disk)
    what = f"{bench.sizes.clients} clients"
    yield ratio_row(f"starting {what}, disk / connect", ours, bare, Limit(2, "×"), _processor(ours, bare))
    yield ratio_row("the same with the daily backup due, disk / connect", backed_up, bare, None)


def _started(bench: Bench, place: Path) -> list[Runs]:
    with tempfile.TemporaryDirectory(dir=place) as name, _telegram(Path(name) / "fleet", bench.sizes.clients) as fleet:
        return in_turns(
            bench.sizes.runs,
            lambda: _start(fleet, "benchmarks.start", _NEVER),
            lambda: _start(fleet, "benchmarks.peers.connect"),
            lambda: _start(fleet, "benchmarks.start", _DAILY),
        )


def _start(fleet: Path, module: str, *arguments: object) -> Run:
    """One process that starts a client on each session of a copy of the fleet; its time is that of the starts."""
    with tempfile.TemporaryDirectory(dir=fleet.parent) as scratch:
        shutil.copytree(fleet, f"{scratch}/fleet")
        os.sync()  # else the first fsync of a measured run pays for the copy
        command = [sys.executable, "-m", module, f"{scratch}/fleet", *map(str, arguments)]
        done = run(command, state=f"{scratch}/state")
    return done._replace(seconds=Started.from_output(done.output).seconds)


@contextmanager
def _telegram(fleet: Path, count: int) -> Iterator[Path]:
    """A Telegram in a process of its own, and the sessions of so many accounts of it."""
    command = [sys.executable, "-m", "benchmarks.telegram", str(fleet), str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        if not server.stdout.readline():
            raise RuntimeError(f"the server ended with {server.wait()}")
        yield fleet


def _median(runs: Runs, field: str) -> float:
    return float(median(getattr(Started.from_output(one.output), field) for one in runs))


def _ms(runs: Runs, field: str) -> str:
    return seconds_text(_median(runs, field))


def _processor(ours: Runs, bare: Runs) -> str:
    used = _median(ours, "cpu"), _median(bare, "cpu")
    return f"processor time {seconds_text(used[0])} / {seconds_text(used[1])} = {used[0] / used[1]:.2f}×"
