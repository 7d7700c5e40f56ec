"""Taking backups of sessions: what is stored, what is refused, what stays, what is skipped."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from telethon.sessions import SQLiteSession

from core.errors import CopyFailed, GavatError, PlanOutdated
from core.session_files import sample_fleet
from core.session_files.backups.catalog import Backup, Catalog, read_backup
from core.session_files.backups.errors import COMPLETE_FIRST, MEND_FIRST, RESCUE_FIRST, BackupRefused
from core.session_files.backups.fetch import check
from core.session_files.backups.rotation import RotationPolicy
from core.session_files.backups.store import BackupStore, Unchanged
from core.session_files.backups.write import _Hashing
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import inspect_again
from core.session_files.looking.listing import find_family
from core.session_files.model import FileInspection, JournalMode
from tests.tool import ROOT

DEFAULT = RotationPolicy()
NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)


def look(session: Path) -> FileInspection:
    return inspect_again(str(session), file_system=file_system_of(str(session.parent)))


def store_in(tmp_path: Path, *, policy: RotationPolicy = DEFAULT) -> BackupStore:
    return BackupStore(str(tmp_path / "backups"), policy=policy)


def back_up(tmp_path: Path, session: Path, *, now: datetime = NOON) -> Backup:
    store = store_in(tmp_path)
    store.take(look(session), now=now)
    (backup,) = store.settle()
    return backup


def stored(tmp_path: Path) -> list[str]:
    return sorted(path.relative_to(tmp_path / "backups").as_posix() for path in (tmp_path / "backups").glob("**/*"))


def rows(path: str | Path, table: str = "entities") -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        found = database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    database.close()
    return found


def large_session(path: Path, count: int = 520_000) -> None:
    """About 24 MB, as half a million entities make it."""
    session = sample_fleet._logged_in(str(path)[: -len(".session")])
    entities = ((10**7 + n, n * 7919 * 10**9, f"user{n}", None, f"Name {n}", 1_700_000_000) for n in range(count))
    session._cursor().executemany("INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?)", entities)
    session.save()
    session.close()


@pytest.fixture
def session(sessions: Path) -> Path:
    """A healthy session, written an hour before noon."""
    path = sessions / "shop.session"
    sample_fleet.write_healthy(str(sessions / "shop"))
    _date(path)
    return path


def _date(path: Path) -> None:
    written = (NOON - timedelta(hours=1)).timestamp()
    os.utime(path, (written, written))


def test_a_backup_is_a_whole_session_with_its_manifest(tmp_path: Path, session: Path) -> None:
    """Private, in a folder of its own, and equal to what SQLite reads from the session."""
    taken = back_up(tmp_path, session)

    found = Path(taken.path)
    assert read_backup(taken.folder) == taken
    assert taken.folder.endswith("/20270115-120000")
    assert taken.manifest.session == str(session)
    assert taken.manifest.taken_at == NOON
    assert (taken.manifest.schema_version, taken.manifest.logged_in, taken.manifest.encryption) == (8, True, None)
    assert taken.manifest.blake2b == hashlib.blake2b(found.read_bytes()).hexdigest()
    assert rows(found, "sessions") == rows(session, "sessions")
    assert rows(found) == rows(session)
    parts = [found, found.parent / "manifest.json", found.parent, found.parent.parent, found.parent.parent.parent]
    assert [stat.S_IMODE(part.stat().st_mode) for part in parts] == [0o600, 0o600, 0o700, 0o700, 0o700]
    assert os.listdir(session.parent) == ["shop.session"]


def test_telethon_opens_a_backup_as_the_same_login(tmp_path: Path, session: Path) -> None:
    """That is what it is for."""
    taken = back_up(tmp_path, session)

    copy, original = SQLiteSession(taken.path), SQLiteSession(str(session))
    assert copy.auth_key.key == original.auth_key.key
    copy.close()
    original.close()


def test_a_file_that_cannot_be_hashed_is_no_backup(tmp_path: Path) -> None:
    """What goes wrong beside the check reaches who asks for the digest; nothing is stored without one."""
    missing, found = str(tmp_path / "missing"), tmp_path / "found"
    found.write_bytes(b"bytes" * 300_000)

    with _Hashing(missing) as failed, _Hashing(str(found)) as hashed:
        pass
    with pytest.raises(FileNotFoundError):
        failed.digest()
    with pytest.raises(CopyFailed, match="not hashed to the end"):
        _Hashing(str(found)).digest()

    assert hashed.digest() == hashlib.blake2b(b"bytes" * 300_000).hexdigest()


def test_a_large_session_is_backed_up_through_a_file(tmp_path: Path, sessions: Path) -> None:
    """Above a megabyte the copy is no longer made in memory; it is as good."""
    path = sessions / "big.session"
    large_session(path, 60_000)

    taken = back_up(tmp_path, path)

    check(taken)
    assert taken.manifest.bytes > 2_000_000
    assert rows(taken.path) == rows(path)
    assert sorted(os.listdir(taken.folder)) == ["big.session", "manifest.json"]


@pytest.mark.parametrize("count", [0, 60_000])
def test_a_session_in_wal_mode_is_stored_in_delete_mode(tmp_path: Path, sessions: Path, count: int) -> None:
    """With what is only in its WAL, while its bot has it open; small and large."""
    path = sessions / "bot.session"
    large_session(path, count)
    bot = SQLiteSession(str(path))
    bot._cursor().execute("PRAGMA journal_mode=WAL")
    bot.process_entities(sample_fleet._people(500_000, 3))
    bot.save()

    taken = back_up(tmp_path, path)

    assert os.path.getsize(f"{path}-wal") > 0
    assert taken.manifest.source.journal_mode == JournalMode.WAL.value
    assert Path(taken.path).read_bytes()[18:20] == b"\x01\x01"
    assert len(rows(taken.path)) == count + 60 + 3
    assert sorted(os.listdir(taken.folder)) == ["bot.session", "manifest.json"]
    bot.close()


def test_an_old_page_size_is_kept(tmp_path: Path, session: Path) -> None:
    """Sessions made before 2016 have pages of 1024 bytes."""
    with sqlite3.connect(session) as database:
        database.execute("PRAGMA page_size=1024")
        database.execute("VACUUM")
    database.close()

    taken = back_up(tmp_path, session)

    assert rows(taken.path) == rows(session)
    assert int.from_bytes(Path(taken.path).read_bytes()[16:18]) == 1024


def _wal_of_nobody(path: str) -> None:
    sample_fleet.write_healthy(path)
    with sqlite3.connect(path + ".session") as database:
        database.execute("PRAGMA journal_mode=WAL")
    database.close()


def _empty(path: str) -> None:
    Path(path + ".session").touch()


def _garbage(path: str) -> None:
    Path(path + ".session").write_bytes(b"no database " * 1000)


def _damaged_inside(path: str) -> None:
    sample_fleet.write_healthy(path)
    with Path(path + ".session").open("r+b") as file:
        file.seek(4096)
        file.write(bytes(4096))


def _foreign(path: str) -> None:
    with sqlite3.connect(path + ".session") as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()


def _half_created(path: str) -> None:
    sample_fleet.write_healthy(path)
    with sqlite3.connect(path + ".session") as database:
        database.execute("DELETE FROM version")
    database.close()


@pytest.mark.parametrize(
    ("make", "why", "hint"),
    [
        (sample_fleet.crash_in_large_transaction, "a killed writer left it half written", MEND_FIRST),
        (sample_fleet.crash_in_wal_mode, "it is in WAL mode, and nobody has it open", MEND_FIRST),
        (_wal_of_nobody, "it is in WAL mode, and nobody has it open", MEND_FIRST),
        (sample_fleet._damaged, "it is damaged", RESCUE_FIRST),
        (_damaged_inside, "it is damaged", RESCUE_FIRST),
        (_half_created, "it is half-created: the version row is missing", COMPLETE_FIRST),
        (_empty, "it is empty", MEND_FIRST),
        (_garbage, "it is not a database", None),
        (_foreign, "it is not a telethon session", None),
    ],
)
def test_what_is_to_be_mended_first_is_refused_without_a_trace(
    tmp_path: Path, sessions: Path, make: Callable[[str], None], why: str, hint: str | None
) -> None:
    """The reason is named, no backup is made, and not a byte beside the session changes."""
    make(str(sessions / "a"))
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sessions.iterdir()}

    with pytest.raises(BackupRefused, match=why) as refused:
        back_up(tmp_path, sessions / "a.session")

    assert refused.value.path == str(sessions / "a.session")
    assert refused.value.hint == hint
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sessions.iterdir()} == before
    assert not (tmp_path / "backups").exists() or stored(tmp_path) == []


def test_a_cold_journal_is_no_reason_to_refuse(tmp_path: Path, sessions: Path) -> None:
    """Nothing in it is needed, and it stays where it is."""
    sample_fleet.crash_in_small_transaction(str(sessions / "a"))

    taken = back_up(tmp_path, sessions / "a.session")

    assert rows(taken.path, "sessions") == rows(sessions / "a.session", "sessions")
    assert (sessions / "a.session-journal").exists()


def test_a_session_that_was_replaced_since_it_was_looked_at_is_left_for_the_next_run(
    tmp_path: Path, session: Path
) -> None:
    """What was seen says nothing about another file."""
    seen = look(session)
    shutil.copy(session, session.with_suffix(".new"))
    os.rename(session.with_suffix(".new"), session)

    with pytest.raises(PlanOutdated):
        store_in(tmp_path).take(seen, now=NOON)


def test_an_idle_session_is_backed_up_once(tmp_path: Path, session: Path) -> None:
    """Its newest backup is named instead."""
    first = back_up(tmp_path, session)

    store = store_in(tmp_path)
    again = store.take(look(session), now=NOON + timedelta(days=1))

    assert again == Unchanged(first)
    assert store.settle() == ()


def test_a_session_written_since_is_backed_up_again(tmp_path: Path, session: Path) -> None:
    """A commit changes the file's time."""
    back_up(tmp_path, session)
    bot = SQLiteSession(str(session))
    bot.process_entities(sample_fleet._people(500, 1))
    bot.close()

    taken = back_up(tmp_path, session, now=NOON + timedelta(hours=1))

    assert rows(taken.path) == rows(session)


def test_a_file_written_right_before_its_backup_is_backed_up_once_more(tmp_path: Path, session: Path) -> None:
    """A second write within the same tick of the clock would not show."""
    just_now = datetime.fromtimestamp(session.stat().st_mtime, UTC) + timedelta(seconds=1)
    back_up(tmp_path, session, now=just_now)

    assert isinstance(store_in(tmp_path).take(look(session), now=just_now + timedelta(seconds=9)), Backup)


def test_a_session_in_wal_mode_is_never_called_unchanged(tmp_path: Path, session: Path) -> None:
    """There a commit does not touch the session file itself."""
    bot = SQLiteSession(str(session))
    bot._cursor().execute("PRAGMA journal_mode=WAL")
    bot.process_entities(sample_fleet._people(500, 1))
    bot.save()
    _date(session)
    back_up(tmp_path, session)
    bot.process_entities(sample_fleet._people(600, 1))
    bot.save()

    taken = back_up(tmp_path, session, now=NOON + timedelta(hours=1))

    assert len(rows(taken.path)) == 62
    bot.close()


def test_a_backup_whose_file_is_gone_does_not_count(tmp_path: Path, session: Path) -> None:
    """Else an unchanged session would have none."""
    first = back_up(tmp_path, session)
    os.unlink(first.path)

    again = back_up(tmp_path, session, now=NOON + timedelta(hours=1))

    check(again)


def _write(session: Path, number: int) -> None:
    bot = SQLiteSession(str(session))
    bot.process_entities(sample_fleet._people(1_000 * number, 1))
    bot.close()


def test_rotation_drops_the_oldest_on_disk(tmp_path: Path, session: Path) -> None:
    """Two newest, and one of each of two days."""
    store = store_in(tmp_path, policy=RotationPolicy(newest=2, daily=2, weekly=0))
    for hour in (0, 6, 30, 31, 54, 55):
        _write(session, hour + 1)
        store.take(look(session), now=NOON + timedelta(hours=hour))
        store.settle()

    (shelf,) = Catalog(str(tmp_path / "backups"))

    assert [(one.manifest.taken_at - NOON) / timedelta(hours=1) for one in shelf.backups] == [55, 54, 31]
    assert all(name.startswith("2027") for name in os.listdir(shelf.path))


def test_backups_without_a_login_push_out_none_that_has_one(tmp_path: Path, session: Path) -> None:
    """A session that was lost and made anew, empty, must not cost the old login by and by."""
    store = store_in(tmp_path, policy=RotationPolicy(newest=1, daily=0, weekly=0))
    store.take(look(session), now=NOON)
    (with_login,) = store.settle()
    os.unlink(session)
    for hour in range(1, 5):
        bot = SQLiteSession(str(session))
        bot.set_update_state(0, SimpleNamespace(pts=hour, qts=0, date=NOON, seq=0))
        bot.close()
        store.take(look(session), now=NOON + timedelta(hours=hour))
        store.settle()

    (shelf,) = Catalog(str(tmp_path / "backups"))

    assert [one.manifest.logged_in for one in shelf.backups] == [False, True]
    assert shelf.backups[1] == with_login


def test_the_one_just_taken_stays_when_the_clock_was_set_back(tmp_path: Path, session: Path) -> None:
    """Its time says it is the oldest, and it is the newest."""
    store = store_in(tmp_path, policy=RotationPolicy(newest=1, daily=0, weekly=0))
    store.take(look(session), now=NOON)
    store.settle()
    _write(session, 7)
    store.take(look(session), now=NOON - timedelta(days=300))
    (taken,) = store.settle()

    check(taken)
    assert rows(taken.path) == rows(session)


def test_two_backups_within_one_second_are_two(tmp_path: Path, session: Path) -> None:
    """The second gets a name of its own and is the newer."""
    back_up(tmp_path, session)
    _write(session, 7)
    second = back_up(tmp_path, session)

    (shelf,) = Catalog(str(tmp_path / "backups"))

    assert second.folder.endswith("/20270115-120000+")
    assert shelf.backups[0] == second


def test_no_backup_is_made_that_would_fill_the_disk(
    tmp_path: Path, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bots on the same disk need room too."""
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=30_000, f_frsize=1))

    with pytest.raises(CopyFailed, match=r"no backup could be made: .* free, .* to copy") as refused:
        back_up(tmp_path, session)

    assert refused.value.hint == "free some space, or set GAVAT_STATE to another disk"
    assert stored(tmp_path) == []


_TAKE = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.session_files.test_backups import back_up
from core.errors import CopyFailed
try:
    back_up(Path(sys.argv[2]), Path(sys.argv[3]))
except CopyFailed as error:
    print("CopyFailed", error)
"""


@pytest.mark.parametrize("count", [0, 60_000])
def test_a_full_disk_leaves_nothing_of_a_backup(tmp_path: Path, sessions: Path, count: int) -> None:
    """Neither of a small session, nor of one that is written by SQLite."""
    path = sessions / "a.session"
    large_session(path, count)
    limit = 20_000 if count == 0 else 1_500_000

    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-B", "-c", _TAKE, ROOT, tmp_path, path],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files_only,
    )

    assert done.stdout.startswith("CopyFailed no backup could be made"), done.stderr
    assert stored(tmp_path) == []
    check(back_up(tmp_path, path))


def test_a_disk_that_fails_at_the_end_leaves_nothing_unnamed(
    tmp_path: Path, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that is not on disk is none."""

    def fails(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    store = store_in(tmp_path)
    store.take(look(session), now=NOON)
    monkeypatch.setattr(os, "fsync", fails)

    with pytest.raises(CopyFailed):
        store.settle()

    assert [name for name in stored(tmp_path) if "/" in name] == []
    assert store.settle() == ()


def test_many_sessions_settle_together(tmp_path: Path, sessions: Path) -> None:
    """Nothing has its name before; then everything does."""
    store = store_in(tmp_path)
    for name in ("a", "b", "c"):
        sample_fleet.write_healthy(str(sessions / name))
        store.take(look(sessions / f"{name}.session"), now=NOON)
    catalog = Catalog(str(tmp_path / "backups"))
    assert list(catalog) == []

    settled = store.settle()

    assert [shelf.backups for shelf in catalog] == [(one,) for one in settled]


def test_a_link_is_backed_up_as_the_file_it_leads_to(tmp_path: Path, session: Path) -> None:
    """Restoring puts back that file, not the link."""
    link = tmp_path / "linked" / "other.session"
    link.parent.mkdir()
    link.symlink_to(session)

    taken = back_up(tmp_path, link)

    assert (taken.manifest.session, taken.manifest.name) == (str(session), "shop")
    assert Catalog(str(tmp_path / "backups")).find(str(link))[0].backups == (taken,)


def test_a_name_that_is_no_text_is_backed_up_too(tmp_path: Path, sessions: Path) -> None:
    """File names are bytes."""
    path = sessions / os.fsdecode(b"sh\xffop #1?%41.session")
    sample_fleet.write_healthy(str(path)[: -len(".session")])

    taken = back_up(tmp_path, path)

    assert read_backup(taken.folder) == taken
    assert Catalog(str(tmp_path / "backups")).shelf_of(find_family(str(path))).backups == (taken,)


def test_errors_are_of_the_one_tree() -> None:
    """Whoever catches GavatError catches these."""
    assert issubclass(BackupRefused, GavatError)
