"""What `cleanup_sessions.py files` does to crashed sessions, and what it leaves alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from hashlib import sha256
from pathlib import Path

from core.session_files import sample_fleet
from tests.session_files.conftest import age
from tests.tool import Tool, codes, states


def bytes_of(folder: Path) -> dict[str, str]:
    """A digest of every file below a folder."""
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def stats_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """Mode, inode, size and all three times of everything below a folder, and of the folder."""
    found = {str(path): os.lstat(path) for path in (folder, *folder.rglob("*"))}
    return {
        path: (s.st_mode, s.st_ino, s.st_size, s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns) for path, s in found.items()
    }


def entity_rows(session: Path) -> int:
    with sqlite3.connect(session) as database:
        (rows,) = database.execute("SELECT count(*) FROM entities").fetchone()
    database.close()
    return int(rows)


def test_every_kind_of_crash_is_mended(tool: Tool, crashed: Path) -> None:
    """A hot journal is rolled back, a WAL checkpointed, a cold journal removed; no sidecar is left."""
    document = tool.files(crashed)

    assert states(document) == {"cold": "mended", "healthy": "fine", "hot": "mended", "wal": "mended"}
    assert document["exit_code"] == 0
    assert sorted(path.name for path in crashed.iterdir()) == [
        "cold.session", "healthy.session", "hot.session", "wal.session",
    ]  # fmt: skip
    assert [entity_rows(crashed / f"{name}.session") for name in ("cold", "hot", "wal")] == [60, 60, 460]


def test_a_second_run_finds_nothing(tool: Tool, crashed: Path) -> None:
    """Mending is complete: applying, then planning, gives an empty plan."""
    tool.files(crashed)

    again = tool.files(crashed)

    assert set(states(again).values()) == {"fine"}
    assert again["exit_code"] == 0


def test_a_bot_that_crashed_this_second_is_mended(tool: Tool, sessions: Path) -> None:
    """Age never delays a recovery, not even a long --min-age."""
    sample_fleet.crash_in_large_transaction(str(sessions / "new"))

    document = tool.files("--min-age", "48h", sessions)

    assert states(document) == {"new": "mended"}


def test_a_dry_run_writes_nothing(tool: Tool, crashed: Path) -> None:
    """The whole tree is as before, times of access included, and no state folder appears."""
    (crashed / "orphan.session-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    bytes_before = bytes_of(crashed)
    for path in (crashed, *crashed.iterdir()):
        os.utime(path, (1, path.stat().st_mtime))  # an access time that a careless read renews
    before = stats_of(crashed)

    tool.cleanup("-n", crashed)
    tool.cleanup("-n", "--deep", "--json", crashed)
    tool.monitor("report", "--deep", crashed)
    tool.monitor("locks", crashed)
    tool.monitor("why", crashed / "hot.session")

    assert stats_of(crashed) == before
    assert bytes_of(crashed) == bytes_before
    assert not tool.state.exists()


def test_the_copy_is_made_first_and_private(tool: Tool, crashed: Path) -> None:
    """Each mended family lies, byte for byte and 0600, in the state folder."""
    before = {path.name: path.read_bytes() for path in crashed.iterdir()}

    document = tool.files(crashed)

    for session in document["folders"][0]["sessions"]:
        if session["state"] == "mended":
            copy = Path(session["copy"])
            names = [name for name in before if name.startswith(session["name"] + ".")]
            assert {name: (copy / name).read_bytes() for name in names} == {name: before[name] for name in names}
            assert {stat.S_IMODE((copy / name).stat().st_mode) for name in names} == {0o600}
            assert stat.S_IMODE(copy.stat().st_mode) == 0o700


def test_only_the_newest_copies_are_kept(tool: Tool, sessions: Path) -> None:
    """Five copies of a session stay, whatever number of crashes it had."""
    for _crash in range(7):
        sample_fleet.crash_in_small_transaction(str(sessions / "a"))
        assert states(tool.files(sessions)) == {"a": "mended"}

    (shelf,) = (tool.state / "copies").iterdir()

    assert len(list(shelf.iterdir())) == 5


def test_undo_gives_back_the_very_bytes(tool: Tool, crashed: Path) -> None:
    """Files, sidecars and modes are as the run found them."""
    (crashed / "healthy.session").chmod(0o644)
    before = {path.name: (path.read_bytes(), path.stat().st_mode) for path in crashed.iterdir()}
    run_id = tool.files(crashed)["run_id"]

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 0, undone.stderr
    after = {p.name: (p.read_bytes(), p.stat().st_mode) for p in crashed.iterdir() if p.suffix != ".lock"}
    assert after == before


def test_undo_does_not_overwrite_what_came_after(tool: Tool, sessions: Path) -> None:
    """A session that a bot used since the run keeps what the bot wrote, and undo says so."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    run_id = tool.files(sessions)["run_id"]
    with sqlite3.connect(sessions / "a.session") as database:
        database.execute("UPDATE entities SET name = 'newer' WHERE id = (SELECT min(id) FROM entities)")
    database.close()
    written = (sessions / "a.session").read_bytes()

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 3
    assert "it was used since" in undone.stdout
    assert (sessions / "a.session").read_bytes() == written


def test_a_damaged_session_stays_where_it_is(tool: Tool, sessions: Path) -> None:
    """Missing pages are named, nothing is moved or rewritten, and the exit code asks for a person."""
    session = sessions / "a.session"
    sample_fleet.write_healthy(str(sessions / "a"))
    os.truncate(session, session.stat().st_size - 2 * 4096)
    age(session)
    bytes_before = session.read_bytes()

    document = tool.files("--deep", sessions)

    assert (states(document), codes(document), document["exit_code"]) == ({"a": "damaged"}, {"a": ["GV120"]}, 3)
    assert session.read_bytes() == bytes_before


def test_damage_beside_a_hot_journal_is_tried_on_a_copy(tool: Tool, sessions: Path) -> None:
    """When the recovery does not help, the journal is still there: the original was never opened."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    session, journal = sessions / "a.session", sessions / "a.session-journal"
    with session.open("r+b") as opened:  # page 3 holds the login; the transaction did not touch it
        opened.seek(2 * 4096)
        opened.write(b"\xee" * 4096)
    before = (session.read_bytes(), journal.read_bytes())

    document = tool.files(sessions)

    assert (states(document), document["exit_code"]) == ({"a": "damaged"}, 3)
    assert (session.read_bytes(), journal.read_bytes()) == before


def test_a_torn_header_is_recovered_from_the_journal(tool: Tool, sessions: Path) -> None:
    """A bad first page is no proof of damage while the hot journal still holds the good one."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    with (sessions / "a.session").open("r+b") as opened:
        opened.write(b"\0" * 512)

    document = tool.files(sessions)

    assert states(document) == {"a": "mended"}
    assert entity_rows(sessions / "a.session") == 60


def test_an_orphan_journal_is_set_aside_under_its_name(tool: Tool, sessions: Path) -> None:
    """It moves to set-aside/RUN-ID/, undo brings it back, and nothing of it changes."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    (sessions / "a.session").unlink()
    journal = (sessions / "a.session-journal").read_bytes()

    document = tool.files(sessions)

    run_id = document["run_id"]
    assert states(document) == {"a": "set aside"}
    assert (sessions / "set-aside" / run_id / "a.session-journal").read_bytes() == journal
    assert tool.cleanup("undo", run_id).returncode == 0
    assert (sessions / "a.session-journal").read_bytes() == journal
    assert not (sessions / "set-aside").exists()


def test_an_old_journal_does_not_return_beside_a_new_session(tool: Tool, sessions: Path) -> None:
    """SQLite would roll it into the new file: undo leaves it where it is and says where."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    (sessions / "a.session").unlink()
    run_id = tool.files(sessions)["run_id"]
    sample_fleet.write_healthy(str(sessions / "a"))
    new = (sessions / "a.session").read_bytes()

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 3
    assert "a session of that name is there now" in undone.stdout
    assert (sessions / "a.session").read_bytes() == new
    assert not (sessions / "a.session-journal").exists()


def test_modes_are_tightened(tool: Tool, sessions: Path) -> None:
    """A session becomes 0600 and a folder that holds only sessions 0700."""
    sample_fleet.write_healthy(str(sessions / "a"))
    (sessions / "a.session").chmod(0o644)
    sessions.chmod(0o755)

    document = tool.files(sessions)

    assert codes(document) == {"a": ["GV111"]}
    assert stat.S_IMODE((sessions / "a.session").stat().st_mode) == 0o600
    assert stat.S_IMODE(sessions.stat().st_mode) == 0o700
    assert tool.cleanup("undo", document["run_id"]).returncode == 0
    assert stat.S_IMODE(sessions.stat().st_mode) == 0o755


def test_a_folder_with_other_things_in_it_keeps_its_mode(tool: Tool, sessions: Path) -> None:
    """Other users may have business in a folder that is not for sessions alone."""
    sample_fleet.write_healthy(str(sessions / "a"))
    (sessions / "bot.py").write_text("")
    sessions.chmod(0o755)

    tool.files(sessions)

    assert stat.S_IMODE(sessions.stat().st_mode) == 0o755


def test_every_run_is_in_the_history(tool: Tool, crashed: Path) -> None:
    """The run, each change with its codes and copy, and how it ended can be read afterwards."""
    run_id = tool.files(crashed)["run_id"]

    with sqlite3.connect(tool.state / "runs.sqlite3") as database:
        (outcome,) = database.execute("SELECT outcome FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        rows = database.execute("SELECT codes, status, copy FROM changes WHERE run_id = ?", (run_id,)).fetchall()
    database.close()
    assert outcome == "exit 0"
    assert {(found, status) for found, status, _copy in rows} == {
        ("GV101", "done"),
        ("GV102", "done"),
        ("GV104", "done"),
    }
    assert all(os.path.isdir(copy) for _codes, _status, copy in rows)


def journal_mode(session: Path) -> str:
    with sqlite3.connect(session) as database:
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    database.close()
    return str(mode)


def test_a_healthy_session_in_wal_mode_is_switched(tool: Tool, sessions: Path) -> None:
    """Nothing waits in a log, and after the run a crash cannot leave commits in one."""
    sample_fleet.write_healthy(str(sessions / "a"))
    with sqlite3.connect(sessions / "a.session") as database:
        database.execute("PRAGMA journal_mode = WAL")
    database.close()

    document = tool.files(sessions)

    assert (states(document), codes(document)) == ({"a": "mended"}, {"a": ["GV103"]})
    assert journal_mode(sessions / "a.session") == "delete"


def test_a_lone_shm_and_an_empty_wal_go(tool: Tool, sessions: Path) -> None:
    """They hold nothing, and nobody has the session open."""
    for name, suffix in (("a", "-shm"), ("b", "-wal")):
        sample_fleet.write_healthy(str(sessions / name))
        (sessions / f"{name}.session{suffix}").write_bytes(bytes(32768) if suffix == "-shm" else b"")

    document = tool.files(sessions)

    assert (states(document), codes(document)) == ({"a": "mended", "b": "mended"}, {"a": ["GV105"], "b": ["GV105"]})
    assert sorted(path.name for path in sessions.iterdir()) == ["a.session", "b.session"]


def test_a_first_login_that_is_only_in_the_wal_is_kept(tool: Tool, sessions: Path) -> None:
    """The key stands in the -wal alone: after the run it is in the database, and Telethon reads it."""
    sample_fleet.crash_in_wal_mode(str(sessions / "a"))
    (key,) = _recovered_key(sessions, "a")

    document = tool.files("--deep", sessions)

    with sqlite3.connect(sessions / "a.session") as database:
        assert database.execute("SELECT auth_key FROM sessions").fetchall() == [(key,)]
    database.close()
    assert document["folders"][0]["sessions"][0]["logged_in"] is True


def _recovered_key(folder: Path, name: str) -> tuple[bytes]:
    """The login as SQLite recovers it, read on a copy of the family."""
    copy = folder.parent / "copy"
    copy.mkdir()
    for path in folder.glob(f"{name}.session*"):
        (copy / path.name).write_bytes(path.read_bytes())
    with sqlite3.connect(copy / f"{name}.session") as database:
        (row,) = database.execute("SELECT auth_key FROM sessions").fetchall()
    database.close()
    return (row[0],)


def test_a_wal_beside_an_emptied_session_is_set_aside(tool: Tool, sessions: Path) -> None:
    """SQLite would delete the WAL of an empty database at the next open; its bytes are kept under its name."""
    sample_fleet.crash_in_wal_mode(str(sessions / "a"))
    wal = (sessions / "a.session-wal").read_bytes()
    os.truncate(sessions / "a.session", 0)

    document = tool.files(sessions)

    assert (states(document), document["exit_code"]) == ({"a": "damaged"}, 3)
    assert (sessions / "set-aside" / document["run_id"] / "a.session-wal").read_bytes() == wal


def test_a_half_created_session_asks_for_a_person(tool: Tool, sessions: Path) -> None:
    """Tables without a version row: no recovery helps, so it is named and the exit code says so."""
    with sqlite3.connect(sessions / "a.session") as database:
        database.execute("CREATE TABLE version (version integer primary key)")
        database.execute(
            "CREATE TABLE sessions (dc_id integer primary key, server_address, port, auth_key, takeout_id)"
        )
    database.close()
    (sessions / "a.session").chmod(0o600)

    document = tool.files("--deep", sessions)

    assert (states(document), codes(document), document["exit_code"]) == ({"a": "look at"}, {"a": ["GV123"]}, 3)


def test_a_pyrogram_session_is_left_alone(tool: Tool, sessions: Path) -> None:
    """Another library's file, even with a journal of its own, is named and not opened."""
    with sqlite3.connect(sessions / "a.session") as database:
        for table in ("sessions (dc_id)", "peers (id)", "version (number)"):
            database.execute(f"CREATE TABLE {table}")
    database.close()
    (sessions / "a.session-journal").write_bytes(bytes(512))

    document = tool.files(sessions)

    assert (states(document), codes(document), document["exit_code"]) == ({"a": "look at"}, {"a": ["GV126"]}, 0)
    assert (sessions / "a.session-journal").exists()
