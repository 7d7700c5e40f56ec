"""Backups beside bots that are at work: what they wait, what is copied, and when a backup gives up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.errors import SessionFileBusy
from core.session_files import sample_fleet
from core.session_files.backups.catalog import Backup
from core.session_files.backups.fetch import check
from core.session_files.backups.rotation import RotationPolicy
from core.session_files.backups.snapshot import Patience, _Watch
from core.session_files.backups.store import BackupStore
from tests.session_files.holding import IDLE, IN_TRANSACTION, holding
from tests.session_files.test_backups import NOON, back_up, large_session, look, rows, stored
from tests.tool import ROOT
from utils.clock import utc_now

SPILLED = (
    IN_TRANSACTION
    + """
session._cursor().execute('PRAGMA cache_size = 4')
from core.session_files.sample_fleet import _people
session.process_entities(_people(5000, 2000))
"""
)
BACKUPS = 8
_WRITER = """
import json, select, sys, time
sys.path.insert(0, sys.argv[1])
from telethon.sessions import SQLiteSession
from core.session_files.sample_fleet import _people
session, pause = SQLiteSession(sys.argv[2]), float(sys.argv[3])
if sys.argv[4] == "wal":
    session._cursor().execute("PRAGMA journal_mode=WAL")
people, waits = _people(900_000_000, 5), []
session.process_entities(people)
session.save()
print("ready", flush=True)
while not select.select([sys.stdin], [], [], pause)[0]:
    begin = time.perf_counter()
    session.process_entities(people)
    session.save()
    waits.append(time.perf_counter() - begin)
print(json.dumps(waits), flush=True)
session.close()
"""


class Writer:
    """A bot in another process that commits again and again; the seconds of each commit are known at the end."""

    waits: list[float]


@contextmanager
def writing(path: Path, *, pause: float, mode: str = "delete") -> Iterator[Writer]:
    writer = Writer()
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(ROOT), str(path), str(pause), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield writer
        finally:
            process.stdin.close()
            writer.waits = json.loads(process.stdout.readline())


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_bot_that_writes_hardly_waits_for_a_backup_of_24_megabytes(tmp_path: Path, sessions: Path, mode: str) -> None:
    """The limit is 50 ms; asserted loosely, because this machine may be busy with other things."""
    path = sessions / "big.session"
    large_session(path)
    store = BackupStore(str(tmp_path / "backups"), policy=RotationPolicy())
    taken: list[Backup] = []

    with writing(path, pause=0.1, mode=mode) as undisturbed:
        time.sleep(1)
    with writing(path, pause=0.1, mode=mode) as writer:
        while len(taken) < BACKUPS:
            if isinstance(store.take(look(path), now=utc_now()), Backup):
                taken += store.settle()

    print(f"{mode}: longest commit {1000 * max(writer.waits):.1f} ms during backups, ", end="")
    print(f"{1000 * max(undisturbed.waits):.1f} ms without; {len(writer.waits)} commits")
    assert max(writer.waits) < 1
    for backup in taken:
        check(backup)
    assert len(rows(taken[-1].path)) == 520_065


def test_a_backup_during_an_open_transaction_is_the_last_committed_state(tmp_path: Path, sessions: Path) -> None:
    """Telethon leaves one open for up to a minute."""
    path = sessions / "bot.session"
    with holding(IN_TRANSACTION, path):
        taken = back_up(tmp_path, path)

        assert len(rows(taken.path)) == 60
        assert rows(taken.path, "sessions") == rows(path, "sessions")
        assert sorted(os.listdir(sessions)) == ["bot.session", "bot.session-journal"]


def test_a_session_that_is_merely_open_is_backed_up(tmp_path: Path, sessions: Path) -> None:
    """As nearly all of a live fleet are."""
    sample_fleet.write_healthy(str(sessions / "bot"))
    with holding(IDLE, sessions / "bot.session"):
        check(back_up(tmp_path, sessions / "bot.session"))


@pytest.mark.parametrize("count", [0, 60_000])
def test_a_spilled_transaction_ends_the_backup_in_time(tmp_path: Path, sessions: Path, count: int) -> None:
    """SQLite's exclusive lock is held until the bot commits; CPython's backup would wait for that without end."""
    path = sessions / "bot.session"
    large_session(path, count)
    store = BackupStore(str(tmp_path / "backups"), policy=RotationPolicy(), patience=Patience(locked_seconds=0.3))

    with holding(SPILLED, path):
        begin = time.monotonic()
        with pytest.raises(SessionFileBusy):
            store.take(look(path), now=NOON)

    assert 0.2 < time.monotonic() - begin < 5
    assert stored(tmp_path) == []


def test_a_lock_that_comes_in_the_middle_ends_the_backup_in_time(
    tmp_path: Path, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step was made, and then a bot spills and stays."""
    path = sessions / "bot.session"
    large_session(path, 100_000)
    monkeypatch.setattr("core.session_files.backups.snapshot._STEP_PAGES", 1)
    store = BackupStore(str(tmp_path / "backups"), policy=RotationPolicy(), patience=Patience(locked_seconds=0.3))
    seen, original = look(path), _Watch.__call__
    holders: list[int] = []

    with ExitStack() as stack:

        def spill_after_first_step(watch: _Watch, status: int, remaining: int, total: int) -> None:
            if not holders:
                holders.append(stack.enter_context(holding(SPILLED, path)))
            original(watch, status, remaining, total)

        monkeypatch.setattr(_Watch, "__call__", spill_after_first_step)
        with pytest.raises(SessionFileBusy, match="somebody keeps it locked"):
            store.take(seen, now=NOON)

    assert holders
    assert stored(tmp_path) == []


def test_a_bot_that_writes_without_pause_ends_the_backup_in_time(
    tmp_path: Path, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit makes SQLite begin the copy anew; it must not begin for ever."""
    path = sessions / "bot.session"
    large_session(path, 100_000)
    monkeypatch.setattr("core.session_files.backups.snapshot._STEP_PAGES", 1)
    patience = Patience(locked_seconds=30, seconds=0.5, bytes_per_second=10**9)
    store = BackupStore(str(tmp_path / "backups"), policy=RotationPolicy(), patience=patience)

    with writing(path, pause=0) as writer, pytest.raises(SessionFileBusy, match="written faster than it can be copied"):
        store.take(look(path), now=NOON)

    assert len(writer.waits) > 1
    assert stored(tmp_path) == []


def test_a_session_open_in_this_very_process_keeps_its_locks(tmp_path: Path, sessions: Path) -> None:
    """A descriptor of our own, once closed, would drop them (DESIGN.md, never 2)."""
    path = sessions / "bot.session"
    bot = sample_fleet.leave_transaction_open(str(path)[: -len(".session")])

    check(back_up(tmp_path, path))

    other = subprocess.run(
        [sys.executable, "-c", _TRY_TO_WRITE, str(path)], capture_output=True, text=True, check=False
    )
    assert "database is locked" in other.stderr
    bot.close()


_TRY_TO_WRITE = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
"""
