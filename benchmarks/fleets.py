"""Fleets of any size, copied from a handful of prototypes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from enum import Enum
from itertools import cycle, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_SUFFIX = ".session"


class Crash(Enum):
    """What a killed writer left beside the session."""

    HOT_JOURNAL = "hot journal"
    COLD_JOURNAL = "cold journal"
    WAL = "WAL"


Family = dict[str, bytes]
"""Suffix (`.session`, `.session-wal` …) to bytes."""


class Prototypes:
    """One healthy session, and crashed families of each kind."""

    def __init__(self, folder: Path) -> None:
        """Make them in the folder, with real killed writers."""
        subprocess.run([sys.executable, "-m", "benchmarks.prototypes", str(folder)], cwd=ROOT, check=True)
        self._crashed: dict[Crash, list[Family]] = {kind: [] for kind in Crash}
        healthy: list[Path] = []
        for session in sorted(folder.glob(f"*/*{_SUFFIX}")):
            family = {
                path.name[len(session.stem) :]: path.read_bytes() for path in session.parent.glob(f"{session.stem}.*")
            }
            kind = _kind_of(family)
            if kind is not None:
                self._crashed[kind].append(family)
            elif len(family) == 1 and _is_whole(session):
                healthy.append(session)
        self._healthy = healthy[0].read_bytes()
        self._key = _key_of(healthy[0])

    def write_healthy(self, folder: Path, count: int) -> Path:
        """A private folder of healthy sessions, each with a key of its own."""
        folder.mkdir(mode=0o700)
        for number in range(count):
            _write(f"{folder}/bot_{number:05}{_SUFFIX}", self._healthy.replace(self._key, os.urandom(len(self._key))))
        return folder

    def write_crashed(self, folder: Path, count: int) -> Path:
        """A private folder of crashed families, the kinds in equal shares, on disk at return."""
        folder.mkdir(mode=0o700)
        variants = zip(*(cycle(families) for families in self._crashed.values()), strict=True)
        for number, family in enumerate(islice((family for group in variants for family in group), count)):
            for suffix, content in family.items():
                _write(f"{folder}/bot_{number:05}{suffix}", content)
        os.sync()  # else the first fsync of a measured run pays for these bytes
        return folder


def check_mended(folder: Path) -> None:
    """Raise unless every session can be written at once and nothing lies beside it."""
    left = [name for name in os.listdir(folder) if not name.endswith(_SUFFIX)]
    if left:
        raise RuntimeError(f"a mended fleet still holds {len(left)} other files, {left[0]} among them")
    for session in folder.iterdir():
        with closing(sqlite3.connect(session, timeout=0.0, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("UPDATE sessions SET port = port")
            database.execute("ROLLBACK")


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb", buffering=0) as opened:
        opened.write(content)


def _kind_of(family: Family) -> Crash | None:
    journal = family.get(f"{_SUFFIX}-journal")
    if family.get(f"{_SUFFIX}-wal"):
        return Crash.WAL
    if journal:
        return Crash.HOT_JOURNAL if journal.startswith(_JOURNAL_MAGIC) else Crash.COLD_JOURNAL
    return None


def _is_whole(session: Path) -> bool:
    header = session.read_bytes()[:32]
    pages, page_size = int.from_bytes(header[28:32], "big"), int.from_bytes(header[16:18], "big")
    return session.stat().st_size == pages * page_size


def _key_of(session: Path) -> bytes:
    with closing(sqlite3.connect(session)) as database:
        (key,) = database.execute("SELECT auth_key FROM sessions").fetchone()
    assert isinstance(key, bytes)
    return key
