"""The session class: what a foreign lock, a full disk or a late call cost, and what is written when."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession
from telethon.tl import types

from core.client.session import PatientSession, SessionClosed, create_private
from core.client.session.file import LOCK_WAIT_MS
from core.client.session.unsaved import Unsaved
from core.errors import SessionFileBusy, SessionFileError
from utils.clock import utc_now

KEY = bytes(range(256))


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "alice.session"


@pytest.fixture
def session(path: Path) -> Iterator[PatientSession]:
    create_private(str(path))
    session = PatientSession(str(path))
    session.set_dc(2, "127.0.0.1", 443)
    session.auth_key = AuthKey(KEY)
    session.save()
    yield session
    session.close()


def user(number: int = 5, name: str = "joe") -> types.contacts.ResolvedPeer:
    someone = types.User(number, access_hash=7, username=name, phone="4912345", first_name="Joe")
    return types.contacts.ResolvedPeer(None, [someone], [])


def state(pts: int) -> types.updates.State:
    return types.updates.State(pts, 0, utc_now(), 0, unread_count=0)


def held(path: Path, kind: str = "IMMEDIATE") -> sqlite3.Connection:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(f"BEGIN {kind}")
    return writer


def stored(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_a_session_is_born_private_and_telethon_reads_it(session: PatientSession, path: Path) -> None:
    session.close()

    assert path.stat().st_mode & 0o777 == 0o600
    bare = SQLiteSession(str(path))
    assert (bare.auth_key.key, bare.dc_id, bare.server_address, bare.port) == (KEY, 2, "127.0.0.1", 443)
    bare.close()


def test_it_reads_what_telethon_wrote(path: Path) -> None:
    bare = SQLiteSession(str(path))
    bare.set_dc(4, "127.0.0.1", 80)
    bare.auth_key = AuthKey(KEY)
    bare.process_entities(user())
    bare.set_update_state(0, state(9))
    bare.save()
    bare.close()

    session = PatientSession(str(path))

    assert session.auth_key.key == KEY
    assert session.get_input_entity("joe") == types.InputPeerUser(5, 7)
    assert session.get_update_state(0).pts == 9
    session.close()


def test_opening_never_makes_a_file(path: Path) -> None:
    with pytest.raises(SessionFileError):
        PatientSession(str(path))

    assert not path.exists()


def test_a_lock_met_while_opening_is_named_and_leaves_nothing_open(session: PatientSession, path: Path) -> None:
    session.close()
    with closing(held(path, "EXCLUSIVE")), pytest.raises(SessionFileBusy) as caught:
        PatientSession(str(path))

    assert caught.value.retryable
    assert str(path) not in [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]


def test_between_saves_the_file_is_free_and_nothing_lies_beside_it(session: PatientSession, path: Path) -> None:
    session.process_entities(user())
    session.set_update_state(0, state(5))

    with closing(held(path, "EXCLUSIVE")):
        pass
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("lookup", ["joe", "4912345", 5, types.PeerUser(5)])
def test_what_waits_is_found_before_it_is_stored_and_after(session: PatientSession, lookup: object) -> None:
    session.process_entities(user())

    waiting = session.get_input_entity(lookup)
    session.save()

    assert waiting == session.get_input_entity(lookup) == types.InputPeerUser(5, 7)


def test_the_newest_bearer_of_a_username_is_found(session: PatientSession) -> None:
    session.process_entities(user(5))
    session.save()
    session.process_entities(user(6))

    assert session.get_input_entity("joe") == types.InputPeerUser(6, 7)


def test_a_file_that_was_uploaded_is_found_again(session: PatientSession) -> None:
    session.cache_file(b"digest", 10, types.InputDocument(1, 2, b""))
    waiting = session.get_file(b"digest", 10, types.InputDocument)
    session.save()
    again = session.get_file(b"digest", 10, types.InputDocument)

    assert (waiting.id, waiting.access_hash) == (again.id, again.access_hash) == (1, 2)


def test_a_busy_save_keeps_what_it_held_for_the_next(session: PatientSession, path: Path) -> None:
    session.process_entities(user())
    session.set_update_state(0, state(5))
    writer = held(path)

    session.save()

    busy = session.stats
    writer.close()
    session.save()
    well = session.stats

    assert (busy.busy, busy.rows_kept, busy.failing_since is not None) == (1, 2, True)
    assert (well.rows_kept, well.failing_since) == (0, None)
    assert stored(path, "SELECT id, pts FROM update_state") == [(0, 5)]
    assert stored(path, "SELECT id FROM entities") == [(5,)]


def test_one_call_waits_no_longer_than_promised(session: PatientSession, path: Path) -> None:
    session.process_entities(user())
    writer = held(path, "EXCLUSIVE")
    connection = session._connection()

    assert connection.execute("PRAGMA busy_timeout").fetchone() == (LOCK_WAIT_MS,)
    session.save()
    assert session.get_entity_rows_by_id(99) is None
    assert session.stats.reads_missed == 1
    writer.close()


def test_a_changed_login_that_cannot_be_written_raises_and_is_tried_again(session: PatientSession, path: Path) -> None:
    writer = held(path)
    session.auth_key = AuthKey(bytes(256))

    with pytest.raises(SessionFileBusy):
        session.save()

    writer.close()
    session.save()
    assert stored(path, "SELECT auth_key FROM sessions") == [(bytes(256),)]


def test_an_unchanged_login_is_not_rewritten(session: PatientSession, path: Path) -> None:
    commits = session.stats.commits
    writer = held(path)

    session.auth_key = AuthKey(KEY)
    session.set_dc(2, "127.0.0.1", 443)
    session.save()

    assert session.stats.commits == commits
    writer.close()


def test_a_login_is_written_with_more_durability_than_the_rest(session: PatientSession) -> None:
    said: list[str] = []
    session._connection().set_trace_callback(said.append)
    session.process_entities(user())
    session.save()
    entities_only = list(said)
    session.auth_key = AuthKey(bytes(256))
    session.save()

    assert not [one for one in entities_only if "synchronous" in one]
    assert said.index("PRAGMA synchronous=EXTRA") < said.index("DELETE FROM sessions")
    assert said[-1] == "PRAGMA synchronous=FULL"


def test_a_key_that_went_missing_in_memory_does_not_erase_the_stored_one(session: PatientSession, path: Path) -> None:
    session.auth_key = None
    session.save()

    assert stored(path, "SELECT auth_key FROM sessions") == [(KEY,)]


def test_a_move_to_another_data_centre_is_written_in_one_transaction(session: PatientSession, path: Path) -> None:
    session.set_dc(4, "127.0.0.1", 80)
    session.auth_key = None
    assert stored(path, "SELECT dc_id, auth_key FROM sessions") == [(2, KEY)]

    session.save()

    assert stored(path, "SELECT dc_id, auth_key FROM sessions") == [(4, b"")]


def test_a_full_disk_keeps_the_rows_and_the_file(session: PatientSession, path: Path) -> None:
    pages = session._connection().execute("PRAGMA page_count").fetchone()[0]
    session._connection().execute(f"PRAGMA max_page_count={pages}")
    for number in range(1, 2000):
        session.process_entities(user(number, f"name{number}"))

    session.save()

    assert session.stats.failed == 1
    assert session.stats.rows_kept == 1999
    assert stored(path, "SELECT count(*) FROM entities") == [(0,)]
    session._connection().execute("PRAGMA max_page_count=100000")
    session.save()
    assert stored(path, "SELECT count(*) FROM entities") == [(1999,)]


def test_what_is_too_much_to_keep_is_written_at_once(session: PatientSession, path: Path) -> None:
    session._unsaved = Unsaved(entities=10)

    for number in range(1, 12):
        session.process_entities(user(number, f"name{number}"))

    assert stored(path, "SELECT count(*) FROM entities") == [(11,)]


def test_when_that_fails_too_the_oldest_give_way(session: PatientSession, path: Path) -> None:
    session._unsaved = Unsaved(entities=10)
    writer = held(path)

    for number in range(1, 13):
        session.process_entities(user(number, f"name{number}"))

    assert (session.stats.rows_kept, session.stats.rows_dropped) == (10, 2)
    assert session.get_entity_rows_by_id(1) is None
    assert session.get_entity_rows_by_id(12) == (12, 7)
    writer.close()


def test_after_closing_late_calls_do_nothing_and_are_counted(session: PatientSession, path: Path) -> None:
    session.close()

    session.process_entities(user())
    session.set_update_state(0, state(5))
    session.save()

    assert session.stats.late == 2
    assert stored(path, "SELECT count(*) FROM entities") == [(0,)]
    with pytest.raises(SessionClosed):
        session._cursor()
    session.reopen()
    session.process_entities(user())
    session.save()
    assert stored(path, "SELECT count(*) FROM entities") == [(1,)]


def test_closing_under_a_foreign_lock_raises_nothing(session: PatientSession, path: Path) -> None:
    session.process_entities(user())
    writer = held(path, "EXCLUSIVE")

    session.close()

    writer.close()
    assert session.stats.rows_kept == 1


def test_closing_keeps_the_file_of_a_session_that_is_deleted(session: PatientSession, path: Path) -> None:
    assert session.delete() is False
    assert path.exists()


def test_a_clone_is_in_memory(session: PatientSession, path: Path) -> None:
    clone = session.clone()
    clone.set_dc(1, "127.0.0.1", 1)
    clone.auth_key = AuthKey(bytes(256))
    clone.save()

    assert stored(path, "SELECT auth_key FROM sessions") == [(KEY,)]


def test_an_upgrade_that_is_interrupted_leaves_the_old_schema(session: PatientSession, path: Path) -> None:
    session.close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript("ALTER TABLE sessions DROP COLUMN tmp_auth_key; UPDATE version SET version = 7")

    class Interrupted(PatientSession):
        def save(self) -> None:
            self._connection().close()  # as the end of its process would
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted(str(path))

    assert stored(path, "SELECT version FROM version") == [(7,)]
    assert len(stored(path, "PRAGMA table_info(sessions)")) == 5
    upgraded = PatientSession(str(path))
    assert upgraded.auth_key.key == KEY
    upgraded.close()
    assert stored(path, "SELECT version FROM version") == [(8,)]
