"""The place where everything is measured: sizes, scratch folders, fleets made once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.fleets import ROOT, Prototypes
from benchmarks.model import Rate

_MEMORY = Path("/dev/shm")
_DISK = ROOT / "build" / "bench"


class Sizes(NamedTuple):
    """How much is measured."""

    looked_at: int = 10_000
    mended: int = 1_000
    few: int = 7
    clients: int = 200
    runs: int = 5
    short_runs: int = 15
    """Of commands that end in milliseconds."""


QUICK = Sizes(looked_at=1_000, mended=100, clients=40, runs=3, short_runs=9)


class Bench:
    """Scratch folders in memory and on the disk, and what is in them."""

    def __init__(self, sizes: Sizes, memory: Path, disk: Path) -> None:
        self.sizes = sizes
        self.memory = memory
        self.disk = disk
        self.rates: dict[str, Rate] = {}
        """Filled by the rows, for the table of older figures."""
        self.said: dict[str, str] = {}
        """The same, in words, by what that table calls it."""
        self.healthy = cache(self._healthy)
        self.prototypes = cache(self._prototypes)

    @property
    def state(self) -> Path:
        """A state folder for runs that only look."""
        return self.memory / "state"

    def _prototypes(self) -> Prototypes:
        return Prototypes(self.memory / "prototypes")

    def _healthy(self, count: int) -> Path:
        return self.prototypes().write_healthy(self.memory / f"healthy-{count}", count)

    @contextmanager
    def crashed(self, place: Path, count: int) -> Iterator[tuple[Path, Path]]:
        """A fresh crashed fleet and a folder, not yet made, for what its run writes; both removed afterwards."""
        scratch = Path(tempfile.mkdtemp(dir=place))
        try:
            yield self.prototypes().write_crashed(scratch / "fleet", count), scratch / "written"
        finally:
            shutil.rmtree(scratch)


@contextmanager
def open_bench(sizes: Sizes) -> Iterator[Bench]:
    """A bench whose folders are removed at the end."""
    _DISK.mkdir(parents=True, exist_ok=True)
    in_memory = _MEMORY if os.access(_MEMORY, os.W_OK) else _DISK
    with ExitStack() as stack:
        stack.callback(_remove_empty, _DISK)
        memory = stack.enter_context(tempfile.TemporaryDirectory(prefix="gavat-bench-", dir=in_memory))
        disk = stack.enter_context(tempfile.TemporaryDirectory(dir=_DISK))
        yield Bench(sizes, Path(memory), Path(disk))


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
