"""The measurements of a running fleet: what publishing its status, and keeping its leases, takes of a core."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import Run, in_turns, run
from benchmarks.model import Limit, Row
from tests.valkey import Valkey

_SECONDS = 20


def telling(bench: Bench) -> Iterator[Row]:
    """Both for as many bots as one process may have."""
    count = bench.sizes.clients
    with tempfile.TemporaryDirectory(dir=bench.memory) as folder, Valkey(Path(folder)) as valkey:
        published, written, renewed = in_turns(
            3,
            lambda: _share(bench, count, "ours"),
            lambda: _share(bench, count, "peer"),
            lambda: _share(bench, count, "leases", valkey.url),
        )
    ours, peer, leases = (median(float(one.output) for one in runs) for runs in (published, written, renewed))
    name = f"status of {count} bots each 5 s, share of a core / JSON into a file"
    yield Row(name, f"{ours:.2f} %", f"{peer:.2f} %", ours, Limit(1, " %"))
    yield Row(f"leases of {count} bots in Redis, share of a core", f"{leases:.2f} %", "–", leases, Limit(1, " %"))


def _share(bench: Bench, count: int, *kind: str) -> Run:
    command = [sys.executable, "-m", "benchmarks.publishing", str(count), str(_SECONDS), *kind]
    return run(command, state=bench.memory / "publishing")
