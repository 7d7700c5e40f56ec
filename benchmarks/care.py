"""The measurements of rescue, upkeep and backups."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import Run, in_turns, ours, peer, run
from benchmarks.model import Limit, Row, seconds_text
from benchmarks.ratio import ratio_row
from core.session_files.database.salvage import salvage

_LARGE_ROWS = 500_000
_KEPT = 20
_LARGE = "one session of 27 MB"
_MB = 1e6


def pruning(bench: Bench) -> Iterator[Row]:
    """`files prune` on the disk, against copying, DELETE and VACUUM."""
    for name, fleet in _fleets(bench).items():
        done, bare = in_turns(
            bench.sizes.runs,
            partial(_on_copy, bench, fleet, _prune),
            partial(_on_copy, bench, fleet, lambda folder, out: run(peer("prune", folder, out, _KEPT), state=out)),
        )
        yield ratio_row(f"`files prune`, {name} / copy, DELETE, VACUUM", done, bare, Limit(1.5, "×"))


def backing_up(bench: Bench) -> Iterator[Row]:
    """`files backup` on the disk, against SQLite's backup call and an fsync, with and without an integrity check."""
    for name, fleet in _fleets(bench).items():
        done, checked, bare = in_turns(
            bench.sizes.runs,
            partial(_on_copy, bench, fleet, _back_up),
            partial(_on_copy, bench, fleet, lambda folder, out: run(peer("backup", folder, out, "check"), state=out)),
            partial(_on_copy, bench, fleet, lambda folder, out: run(peer("backup", folder, out), state=out)),
        )
        note = f"{done.seconds / bare.seconds:.2f}× without the check ({seconds_text(bare.seconds)})"
        yield ratio_row(f"`files backup`, {name} / backup, check, fsync", done, checked, Limit(1.5, "×"), note)


def salvaging(bench: Bench) -> Iterator[Row]:
    """Reading what a large damaged session still holds, one page of it overwritten."""
    data = bytearray(_large(bench).read_bytes())
    middle = len(data) // 4096 // 2 * 4096
    data[middle : middle + 4096] = Random(1).randbytes(4096)
    times = []
    for _run in range(bench.sizes.runs):
        began = time.perf_counter()
        found = salvage(bytes(data))
        times.append(time.perf_counter() - began)
    seconds, size = median(times), len(data) / _MB
    note = f"{size / min(times):.1f} MB/s in the fastest run; {len(found.entities):,} entities, the login found"
    assert found.logins
    name = f"salvage of {size:.0f} MB, one page overwritten: milliseconds a MB (20 MB/s is 50)"
    yield Row(name, f"{size / seconds:.1f} MB/s", "–", seconds / size * 1000, Limit(50, " ms"), note)


def _prune(folder: Path, state: Path) -> Run:
    return run(ours("files", "prune", "-q", "--keep", _KEPT, folder), state=state)


def _back_up(folder: Path, state: Path) -> Run:
    return run(ours("files", "backup", "-q", folder), state=state)


def _fleets(bench: Bench) -> dict[str, Path]:
    small = bench.sizes.mended
    return {f"{small:,} small sessions": bench.healthy(small), _LARGE: _large(bench).parent}


def _large(bench: Bench) -> Path:
    """A session with many entities, made once."""
    folder = bench.memory / "large"
    path = folder / "bot.session"
    if not folder.exists():
        shutil.copytree(bench.healthy(1), folder)
        next(folder.glob("*.session")).rename(path)
        random = Random(1)
        with closing(sqlite3.connect(path)) as database:
            rows = (
                (number, random.getrandbits(62), f"user{number}", None, f"Some Name {number}", number)
                for number in range(10**9, 10**9 + _LARGE_ROWS)
            )
            database.executemany("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?)", rows)
            database.commit()
    return path


def _on_copy(bench: Bench, fleet: Path, work: Callable[[Path, Path], Run]) -> Run:
    with _copied(bench, fleet) as (folder, out):
        return work(folder, out)


@contextmanager
def _copied(bench: Bench, fleet: Path) -> Iterator[tuple[Path, Path]]:
    scratch = Path(tempfile.mkdtemp(dir=bench.disk))
    try:
        shutil.copytree(fleet, scratch / "fleet")
        os.sync()  # else the first fsync of a measured run pays for the copy
        yield scratch / "fleet", scratch / "out"
    finally:
        shutil.rmtree(scratch)
