"""A backup killed at any call that changes a file: no half backup looks whole, and the next run finishes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.session_files import sample_fleet
from core.session_files.backups import write
from core.session_files.backups.catalog import PARTIAL, Catalog, at
from core.session_files.backups.fetch import check, fetch
from core.session_files.backups.rotation import RotationPolicy
from core.session_files.backups.store import BackupStore
from tests.killing import Job, WarmParent, build_shim
from tests.session_files.test_backups import NOON, large_session, look, rows, stored

POLICY = RotationPolicy(newest=1, daily=0, weekly=0)


def back_up_all(root: str, folder: str, hours: int) -> int:
    """What the killed process does: every session of the folder, settled together, the ones before rotated away."""
    write._SMALL = 50_000  # so that one goes through memory and one through a file, without thousands of writes
    store = BackupStore(root, policy=POLICY)
    for session in sorted(Path(folder).glob("*.session")):
        store.take(look(session), now=NOON + timedelta(hours=hours))
    return len(store.settle())


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent]:
    """A process that has imported everything, with the shim preloaded that kills its children."""
    shim = build_shim(tmp_path_factory.mktemp("shim"))
    if shim is None:
        pytest.skip("no C compiler is here, and the shim is written in C")
    with WarmParent(shim=shim, warm=("tests.session_files.test_backups_kill",)) as started:
        yield started


def test_a_backup_killed_anywhere_leaves_no_half_one_that_looks_whole(
    parent: WarmParent, tmp_path: Path, sessions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before every write-type call of a run that takes two sessions and drops their backups of before."""
    monkeypatch.setattr(write, "_SMALL", write._SMALL)  # put back in the end
    sample_fleet.write_healthy(str(sessions / "small"))
    large_session(sessions / "large.session", 1_500)
    expected = {path.name: rows(path) for path in sessions.iterdir()}
    before = tmp_path / "before"
    back_up_all(str(before), str(sessions), 0)
    for path in sessions.iterdir():
        os.utime(path)
    root = tmp_path / "backups"

    calls, kill_at = 1, 0
    while kill_at < calls:
        kill_at += 1
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(before, root)
        job = Job(target=f"{__name__}:back_up_all", args=(str(root), str(sessions), 1), watched=root, kill_at=kill_at)
        outcome = parent.run(job)
        calls = max(calls, outcome.calls, kill_at + 1) if outcome.killed else kill_at

        shelves = list(Catalog(str(root)))
        assert [shelf.unusable for shelf in shelves] == [(), ()], f"killed at {kill_at}"
        for shelf in shelves:
            for backup in shelf.backups:
                check(backup)
                assert rows(backup.path) == expected[backup.manifest.file_name]
            assert at(shelf.backups, NOON + timedelta(hours=1)) is not None
        back_up_all(str(root), str(sessions), 2)
        assert [len(shelf.backups) for shelf in Catalog(str(root))] == [1, 1], f"killed at {kill_at}"
        assert [name for name in stored(tmp_path) if PARTIAL in name] == []

    assert kill_at > 20
    assert sorted(os.listdir(sessions)) == ["large.session", "small.session"]


def test_a_fetch_that_was_killed_is_no_hindrance(tmp_path: Path, sessions: Path) -> None:
    """What it left beside the session is replaced by the next one."""
    sample_fleet.write_healthy(str(sessions / "a"))
    store = BackupStore(str(tmp_path / "backups"), policy=POLICY)
    store.take(look(sessions / "a.session"), now=NOON)
    (backup,) = store.settle()
    (sessions / ".a.session.restoring").write_bytes(b"half")

    fetched = fetch(backup, str(sessions / "a.session"))

    assert rows(fetched.path) == rows(sessions / "a.session")
