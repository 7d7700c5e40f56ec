"""What goes wrong while the tool works: no room, a history that cannot be written, sidecars too large to read."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from telethon.sessions import SQLiteSession

from core.errors import CopyFailed, SessionFileError
from core.session_files import sample_fleet
from core.session_files.looking.listing import find_family
from core.session_files.looking.page_source import LARGEST_SIDECAR
from core.session_files.mending import recovery
from core.session_files.mending.copies import CopyStore
from core.state import Change, ChangeStatus, RunHistory, StateFolder
from tests.session_files.test_mending import bytes_of
from tests.tool import BARE, CLEANUP, Tool, states


def test_no_copy_is_made_that_would_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the family twice stays free: SQLite needs some too, and so do the bots on the same disk."""
    sample_fleet.write_healthy(str(tmp_path / "a"))
    family = find_family(str(tmp_path / "a.session"))
    assert family.main is not None
    nearly_full = SimpleNamespace(f_bavail=family.main.size + 1, f_frsize=1)
    monkeypatch.setattr(os, "statvfs", lambda _path: nearly_full)

    with pytest.raises(CopyFailed, match=r"no copy could be made: .* kB free beside .*, .* kB to copy") as refused:
        CopyStore(str(tmp_path / "backups")).write(family, "run")

    assert refused.value.hint == "free some space, or set GAVAT_STATE to another disk"


def test_holes_of_a_file_are_not_written_out(tmp_path: Path) -> None:
    """A sparse file stays sparse in its copy, and equal."""
    sparse = tmp_path / "a.session"
    with sparse.open("wb") as file:
        file.write(b"x" * 5000)
        file.truncate(8_000_000)
        file.seek(6_000_000)
        file.write(b"y")

    copy = CopyStore(str(tmp_path / "backups")).write(find_family(str(sparse)), "run")

    copied = Path(copy) / "a.session"
    assert copied.read_bytes() == sparse.read_bytes()
    assert copied.stat().st_blocks * 512 < 4_000_000


def test_a_history_that_cannot_be_written_stops_the_run_with_a_report(tool: Tool, sessions: Path) -> None:
    """What is not noted could not be undone: nothing is changed, no copy stays behind, and the report is printed."""
    sample_fleet.crash_in_small_transaction(str(sessions / "bot_000"))
    for number in range(1, 300):
        for suffix in (".session", ".session-journal"):
            shutil.copy(sessions / f"bot_000{suffix}", sessions / f"bot_{number:03}{suffix}")
    before = bytes_of(sessions)

    done = subprocess.run(
        [*BARE, "-B", CLEANUP, "files", "--json", sessions],
        env=tool.env(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_small_files_only,
    )

    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"]) == (1, 1)
    assert set(states(document).values()) == {"mend"}
    assert "the history of runs cannot be used" in document["problems"][0]
    assert bytes_of(sessions) == before
    assert list(tool.state.glob("copies/*")) == []
    assert set(states(tool.files(sessions)).values()) == {"mended"}


def _small_files_only() -> None:
    # Files may grow to 60 kB: a copy of a session fits, the history of 256 changes does not.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def test_a_login_that_is_only_in_a_very_large_wal_is_kept(tool: Tool, sessions: Path) -> None:
    """A log too large to be read beforehand is left to SQLite; its login is in the database afterwards."""
    path = sessions / "a.session"
    SQLiteSession(str(path)).close()
    sample_fleet._killed(_log_in_within_a_large_wal, str(path))
    assert (sessions / "a.session-wal").stat().st_size > LARGEST_SIDECAR

    document = tool.files(sessions)

    assert states(document) == {"a": "mended"}
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT auth_key FROM sessions").fetchall() == [(b"k" * 256,)]
    database.close()


def _log_in_within_a_large_wal(path: str) -> object:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("DELETE FROM sessions")
    database.execute("INSERT INTO sessions VALUES (2, '149.154.167.51', 443, ?, NULL, NULL)", (b"k" * 256,))
    for round_number in range(10):
        rows = ((number, round_number, None, None, "x" * 400, None) for number in range(1, 5000))
        database.executemany("INSERT OR REPLACE INTO entities VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()
    return database


def test_a_verification_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema can make integrity_check evaluate anything; the file is left as it is."""
    monkeypatch.setattr(recovery, "_LONGEST", 0.2)
    monkeypatch.setattr(recovery, "_STEPS", 10)
    path = str(tmp_path / "a.session")
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE version (version integer primary key CHECK (length(hex(randomblob(1000000)))))")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.executemany("INSERT INTO version VALUES (?)", ((number,) for number in range(5000)))
    database.close()

    with pytest.raises(SessionFileError, match="interrupted") as ended:
        recovery.recover(path, None)

    assert "took too long" in (ended.value.hint or "")


def test_a_mending_that_failed_before_it_changed_anything_leaves_no_copy(tool: Tool, crashed: Path) -> None:
    """A copy of bytes that nothing was done to would push out one that is needed."""
    script = (
        "import sqlite3, sys; sys.path.insert(0, sys.argv[1])\n"
        "import core.commands.cleanup as cleanup\n"
        "import core.session_files.mending.act as act\n"
        "from core.errors import SessionFileError\n"
        "def fail(path, before): raise SessionFileError('the disk reported an error', path=path)\n"
        "act.recover = fail\n"
        "sys.exit(cleanup.main(sys.argv[2:]))"
    )

    done = tool.run(sys.executable, "-c", script, os.path.dirname(CLEANUP), "files", "--json", crashed)

    document = json.loads(done.stdout)
    assert states(document) == {"cold": "failed", "healthy": "fine", "hot": "failed", "wal": "failed"}
    assert document["exit_code"] == 3
    assert list(tool.state.glob("copies/*")) == []


def test_an_older_history_is_read_without_being_changed_and_brought_up_to_date_by_the_next_run(
    tool: Tool, crashed: Path
) -> None:
    """Version 1 had no folders; looking shows its runs, the next run adds to them."""
    tool.state.mkdir()
    with sqlite3.connect(tool.state / "runs.sqlite3") as database:
        database.executescript(_HISTORY_OF_VERSION_1)
    database.close()
    (tool.state / "runs.sqlite3").chmod(0o600)
    before = (tool.state / "runs.sqlite3").read_bytes()

    listed = tool.cleanup("undo").stdout
    untouched = (tool.state / "runs.sqlite3").read_bytes() == before
    tool.cleanup(crashed)

    assert "20260101-000000-0001" in listed
    assert untouched
    assert tool.cleanup("undo").stdout.count("\n") == 2


_HISTORY_OF_VERSION_1 = """
CREATE TABLE runs (run_id TEXT PRIMARY KEY, command TEXT NOT NULL, pid INTEGER NOT NULL, started_at TEXT NOT NULL,
    ended_at TEXT, outcome TEXT) STRICT;
CREATE TABLE changes (run_id TEXT NOT NULL REFERENCES runs (run_id), number INTEGER NOT NULL, path ANY NOT NULL,
    codes TEXT NOT NULL, actions TEXT NOT NULL, copy ANY, mode_before INTEGER, set_aside ANY, status TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '', PRIMARY KEY (run_id, number)) STRICT;
CREATE INDEX changes_by_path ON changes (path, run_id);
INSERT INTO runs VALUES ('20260101-000000-0001', 'files', 1, '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z', 'exit 0');
PRAGMA user_version = 1;
"""


def test_an_old_journal_returns_only_for_its_own_session(tool: Tool, sessions: Path) -> None:
    """Two orphans of one run share a folder; where one was replaced by a new session, only the other returns."""
    for name in ("a", "b"):
        sample_fleet.crash_in_large_transaction(str(sessions / name))
        (sessions / f"{name}.session").unlink()
    run_id = tool.files(sessions)["run_id"]
    sample_fleet.write_healthy(str(sessions / "a"))

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 3
    assert not (sessions / "a.session-journal").exists()
    assert (sessions / "set-aside" / run_id / "a.session-journal").exists()
    assert (sessions / "b.session-journal").exists()


def test_undo_knows_what_a_killed_run_was_setting_aside(tool: Tool, sessions: Path) -> None:
    """Killed right after the move: where the sidecar went stood in the history before it moved."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    (sessions / "a.session").unlink()
    journal = (sessions / "a.session-journal").read_bytes()
    run_id = tool.files(sessions)["run_id"]
    state = StateFolder(str(tool.state))
    with RunHistory.open(state) as history:
        (change,) = history.changes_of(run_id)
        history.record([change._replace(status=ChangeStatus.STARTED, detail="")])

    assert tool.cleanup("undo", run_id).returncode == 0

    assert (sessions / "a.session-journal").read_bytes() == journal
    assert isinstance(change, Change)
    assert change.set_aside == str(sessions / "set-aside" / run_id)
