"""A start succeeds, or fails with a typed failure, a hint, and nothing left open, leased or made."""

import asyncio
import os
import resource
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from telethon.sessions import SQLiteSession, StringSession

from core.client.client import GavatClient
from core.client.model import FailureKind, HealthState, PartName
from core.client.refusal import ClientNotStarted
from core.client.settings import ClientSettings
from core.errors import GavatError
from core.session_files.backups.store import BackupStore
from tests.client.town import Town
from tests.telegram import Fault
from utils.leases import LeaseState, probe_os_lock

pytestmark = pytest.mark.asyncio
SOON = ClientSettings(connect_within=timedelta(seconds=0.5), backup_every=timedelta(0))


def lock_of(session: Path) -> LeaseState:
    return probe_os_lock(f"{session}.lock").state


async def test_a_good_start_tells_each_part_and_leaves_no_sidecar(town: Town) -> None:
    client = await town.started()

    names = [part.name for part in client.startup.parts]
    assert names == [
        PartName.LEASE,
        PartName.INSPECT,
        PartName.CHECK,
        PartName.OPEN,
        PartName.LOGIN_LEASE,
        PartName.CONNECT,
        PartName.ACCOUNT,
    ]
    assert client.failure is None
    assert client.health.state is HealthState.ALIVE
    await client.client.send_message(town.group.marked_id, "hello")
    assert [one.text for one in town.telegram.messages(town.group)] == ["hello"]
    assert sorted(os.listdir(town.folder)) == ["alice.session", "alice.session.lock", "state"]


async def test_starting_twice_is_starting_once(town: Town) -> None:
    client = await town.started()

    assert await client.start()
    assert town.telegram.live(town.alice) == 1


async def test_a_missing_file_is_a_failure_and_is_not_made(town: Town) -> None:
    client = town.client(town.folder / "nobody")

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.MISSING
    assert "python -m core login" in client.failure.hint
    assert not list(town.folder.glob("nobody*"))


async def test_a_missing_folder_is_a_missing_file(town: Town) -> None:
    client = town.client(town.folder / "none" / "nobody")

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.MISSING


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def _truncated(path: Path) -> None:
    os.truncate(path, 4096 * 2)


def _sql(statement: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(statement)

    return change


def _pyrogram(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE sessions (dc_id INTEGER, api_id INTEGER, test_mode INTEGER, auth_key BLOB, date INTEGER,"
            " user_id INTEGER, is_bot INTEGER); CREATE TABLE peers (id INTEGER PRIMARY KEY);"
            " CREATE TABLE version (number INTEGER PRIMARY KEY);"
        )


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "kind", "code", "hint"),
    [
        (_empty, FailureKind.DAMAGED, "GV122", "files restore"),
        (_garbage, FailureKind.DAMAGED, "GV121", "files salvage"),
        (_truncated, FailureKind.DAMAGED, "GV120", "files salvage"),
        (_pyrogram, FailureKind.UNUSABLE, "GV126", "no session of Telethon"),
        (_a_folder, FailureKind.UNUSABLE, "GV140", "explain GV140"),
        (_sql("UPDATE version SET version = 99"), FailureKind.UNUSABLE, "GV125", "downgrade"),
        (_sql("DELETE FROM version"), FailureKind.UNUSABLE, "GV123", "repair-schema"),
        (_sql("DELETE FROM sessions"), FailureKind.NOT_LOGGED_IN, "GV127", "login"),
        (_sql("UPDATE sessions SET auth_key = x'00'"), FailureKind.NOT_LOGGED_IN, "GV127", "login"),
        (
            _sql("INSERT INTO sessions SELECT dc_id + 1, server_address, port, auth_key, 0, x'' FROM sessions"),
            FailureKind.UNUSABLE,
            "GV128",
            "backup",
        ),
    ],
)
async def test_a_file_that_no_bot_could_start_on_is_named_and_kept(
    town: Town, spoil: Callable[[Path], None], kind: FailureKind, code: str, hint: str
) -> None:
    spoil(town.session)
    an_hour_ago = town.session.stat().st_mtime - 3600
    os.utime(town.session, (an_hour_ago, an_hour_ago))
    before = town.session.read_bytes() if town.session.is_file() else None
    client = town.client()

    assert not await client.start()

    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (kind, code)
    assert hint in client.failure.hint
    assert before is None or town.session.read_bytes() == before
    assert lock_of(town.session) is LeaseState.FREE
    assert not town.telegram.requests()


async def test_an_older_schema_is_copied_before_it_is_upgraded(town: Town) -> None:
    _sql("ALTER TABLE sessions DROP COLUMN tmp_auth_key; UPDATE version SET version = 7")(town.session)
    old = town.session.read_bytes()

    client = await town.started()

    assert client.startup.mended
    copies = list((town.folder / "state" / "copies").rglob("alice.session"))
    assert [copy.read_bytes() for copy in copies] == [old]
    with closing(sqlite3.connect(town.session)) as database:
        assert database.execute("SELECT version FROM version").fetchone() == (8,)


async def test_wal_mode_is_left_before_the_bot_opens_it(town: Town) -> None:
    _sql("PRAGMA journal_mode=WAL")(town.session)

    client = await town.started()

    assert client.startup.mended
    await client.stop()
    assert town.session.read_bytes()[18:20] == b"\x01\x01"
    assert sorted(path.name for path in town.folder.glob("alice*")) == ["alice.session", "alice.session.lock"]


async def test_a_readable_session_is_made_private(town: Town) -> None:
    town.session.chmod(0o644)

    await town.started()

    assert town.session.stat().st_mode & 0o777 == 0o600


async def test_a_second_client_is_refused_with_the_holder_named(town: Town) -> None:
    await town.started()
    second = town.client()

    assert not await second.start()

    assert second.failure is not None
    assert second.failure.kind is FailureKind.HELD
    assert f"pid {os.getpid()}" in second.failure.reason
    assert second.failure.retryable
    assert len(town.telegram.connections_of(town.alice)) == 1


async def test_a_copy_of_the_file_is_the_same_login(town: Town) -> None:
    shutil.copy(town.session, town.folder / "copy.session")
    first = await town.started()
    copy = town.client(town.folder / "copy")

    assert not await copy.start()
    assert copy.failure is not None
    assert copy.failure.kind is FailureKind.HELD
    assert copy.failure.reason == f"its login is in use by {town.session}, in this process (pid {os.getpid()})"
    assert copy.failure.hint == "same login as alice: keep one; `run = false` for the other"
    await first.stop()
    assert await copy.start(), copy.failure


async def test_a_string_of_the_session_is_the_same_login(town: Town) -> None:
    string = StringSession(town.alice.string_session())
    await town.started()
    client = town.client(string)

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.HELD


async def test_a_string_session_starts(town: Town) -> None:
    client = await town.started(StringSession(town.alice.string_session()))

    assert client.health.state is HealthState.ALIVE
    assert (await client.client.get_me()).id == town.alice.id


async def test_an_empty_string_session_is_not_logged_in(town: Town) -> None:
    client = town.client(StringSession())

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.NOT_LOGGED_IN


async def test_a_session_object_of_telethons_is_taken_over(town: Town) -> None:
    client = await town.started(SQLiteSession(str(town.session)))

    assert client.client.session.stats.failed == 0
    assert lock_of(town.session) is LeaseState.HELD


async def test_a_bare_telethon_client_that_has_it_open_is_named(town: Town) -> None:
    session = SQLiteSession(str(town.session))
    client = town.client()

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.HELD
    session.close()
    assert await client.start(), client.failure


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ("API_ID_INVALID", FailureKind.CONFIGURATION, False),
        ("AUTH_KEY_DUPLICATED", FailureKind.DUPLICATED, False),
        ("USER_DEACTIVATED_BAN", FailureKind.BANNED, False),
        ("AUTH_KEY_UNREGISTERED", FailureKind.REVOKED, False),
        ("SESSION_REVOKED", FailureKind.REVOKED, False),
        ("FLOOD_WAIT_900", FailureKind.FLOODED, True),
    ],
)
async def test_what_telegram_refuses_is_a_typed_failure(
    town: Town, error: str, kind: FailureKind, retryable: bool
) -> None:
    town.telegram.faults.add(Fault.error(error))
    client = town.client()

    assert not await client.start()

    assert client.failure is not None
    assert (client.failure.kind, client.failure.retryable) == (kind, retryable)
    assert client.failure.code == error.removesuffix("_900")
    assert client.failure.hint
    if error == "FLOOD_WAIT_900":
        assert client.failure.retry_after == timedelta(seconds=900)
    await town.until(lambda: town.telegram.live(town.alice) == 0)
    assert lock_of(town.session) is LeaseState.FREE


async def test_an_unknown_key_is_not_taken_for_a_duplicated_one(town: Town) -> None:
    town.telegram.faults.add(Fault.transport(-404))
    client = town.client()

    assert not await client.start()
    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (FailureKind.REVOKED, "AuthKeyNotFound")
    assert client.failure.retryable


async def test_an_address_that_nobody_listens_on_is_unreachable(town: Town) -> None:
    await town.telegram.go_down()
    client = town.client(settings=SOON)

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.UNREACHABLE
    assert client.failure.retryable
    await town.telegram.come_back()
    assert await client.start(), client.failure


async def test_a_silent_server_ends_the_start_at_its_deadline(town: Town) -> None:
    town.telegram.silent = True
    client = town.client(settings=SOON)

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.UNREACHABLE
    assert "did not answer" in client.failure.reason


@pytest.mark.parametrize(("api_id", "api_hash"), [(0, "hash"), (1, ""), ("one", "hash")])
async def test_an_impossible_api_id_or_hash_is_a_setting_to_mend(town: Town, api_id: int, api_hash: str) -> None:
    client = GavatClient(town.session, api_id, api_hash, state=town.folder / "state")

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.CONFIGURATION
    assert lock_of(town.session) is LeaseState.FREE


async def test_without_an_application_the_setting_is_named(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where to find it, in place of Telethon's words."""
    monkeypatch.delenv("GAVAT_API_ID", raising=False)
    client = GavatClient(town.session, state=town.folder / "state")

    assert not await client.start()
    assert client.failure is not None
    assert (client.failure.kind, client.failure.reason) == (FailureKind.CONFIGURATION, "GAVAT_API_ID is not set")
    assert "my.telegram.org" in client.failure.hint


async def test_a_failed_start_keeps_the_update_state(town: Town) -> None:
    client = await town.started()
    town.alice.receives("one", sender=town.bob)
    await town.until(lambda: client.client._message_box.session_state()[0]["pts"] > 1)
    await client.stop()
    state = _update_state(town.session)
    town.telegram.faults.add(Fault.error("AUTH_KEY_DUPLICATED"))

    assert not await client.start()

    assert _update_state(town.session) == state


def _update_state(session: Path) -> list[tuple[int, int]]:
    with closing(sqlite3.connect(session)) as database:
        return database.execute("SELECT id, pts FROM update_state ORDER BY id").fetchall()


async def test_a_state_folder_that_cannot_be_made_is_a_failure_with_a_hint(town: Town) -> None:
    (town.folder / "state").write_text("in the way")
    client = town.client()

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.FILE_SYSTEM
    assert "GAVAT_STATE" in client.failure.hint


async def test_api_id_and_hash_come_from_the_surroundings(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVAT_API_ID", "4711")
    monkeypatch.setenv("GAVAT_API_HASH", "a secret hash")
    client = GavatClient(town.session, state=town.folder / "state")

    assert await client.start(), client.failure
    assert (client.client.api_id, client.client.api_hash) == (4711, "a secret hash")
    await client.stop()
    assert "a secret hash" not in repr(ClientSettings(api_hash="a secret hash"))


async def test_a_setting_that_cannot_be_read_is_a_failure(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAVAT_FLOOD_SLEEP", "soon")
    client = town.client()

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.kind is FailureKind.CONFIGURATION
    assert "GAVAT_FLOOD_SLEEP" in client.failure.reason


async def test_the_daily_backup_is_taken_beside_the_work_and_encrypted_as_settings_say(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVAT_BACKUP_KEY", Fernet.generate_key().decode())
    backups = town.folder / "state" / "backups"
    client = await town.started(settings=ClientSettings())

    await town.until(lambda: bool(list(backups.glob("alice-*/2*/manifest.json"))))

    assert [one.name for one in backups.glob("alice-*/2*/*")] != []
    assert b"SQLite format" not in b"".join(one.read_bytes() for one in backups.glob("alice-*/2*/*"))
    assert client.health.state is HealthState.ALIVE
    await client.stop()
    assert await client.start()
    await asyncio.sleep(0.2)
    assert len(list(backups.glob("alice-*/2*"))) == 1


async def test_the_context_manager_starts_and_stops(town: Town) -> None:
    states = []
    async with town.client() as client:
        states.append(client.health.state)
    states.append(client.health.state)

    assert states == [HealthState.ALIVE, HealthState.STOPPED]
    assert lock_of(town.session) is LeaseState.FREE


async def test_the_context_manager_raises_the_failure(town: Town) -> None:
    with pytest.raises(ClientNotStarted) as caught:
        async with town.client(town.folder / "nobody"):
            pass

    assert caught.value.failure.kind is FailureKind.MISSING


async def test_a_client_that_is_not_started_has_no_telethon_client(town: Town) -> None:
    with pytest.raises(GavatError, match="not started"):
        _ = town.client().client


async def test_two_hundred_clients_start_at_once(town: Town) -> None:
    sessions = [town.account(f"bot{number}") for number in range(200)]
    clients = [town.client(town.folder / account.first_name) for account in sessions]

    started = await asyncio.gather(*(client.start() for client in clients))

    assert started == [True] * 200
    assert town.telegram.live() == 200


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write everything; as another user it is the kernel that refuses."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_a_file_or_folder_that_may_not_be_written_is_named(town: Town, what: str) -> None:
    await (await town.started()).stop()  # all is imported by then: nobody may not read root's Python
    town.folder.chmod(0o755)
    if what == "folder":
        town.session.chmod(0o666)
    else:
        town.session.chmod(0o644)
        town.folder.chmod(0o777)
    client = town.client()
    with as_nobody():
        started = await client.start()

    assert not started
    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (FailureKind.FILE_SYSTEM, "READ_ONLY")
    assert "owner" in client.failure.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("what", ["file", "folder", "target of a link"])
async def test_root_starts_on_no_session_of_another_user(town: Town, what: str) -> None:
    """Its journals would be root's, which the bot's own user could not roll back."""
    town.session.chmod(0o644)
    os.chown(town.folder if what == "folder" else town.session, 65534, 65534)
    if what == "target of a link":
        town.folder.joinpath("link").mkdir()
        town.folder.joinpath("link", "alice.session").symlink_to(town.session)
        client = town.client(town.folder / "link" / "alice")
    else:
        client = town.client()
    before = sorted(os.listdir(town.folder))

    assert not await client.start()

    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (FailureKind.FILE_SYSTEM, "OTHER_USER")
    assert "belongs to another user: nothing was changed" in client.failure.reason
    assert "sudo -u nobody " in client.failure.hint
    assert not client.failure.retryable
    assert sorted(os.listdir(town.folder)) == before
    assert town.session.stat().st_mode & 0o777 == 0o644
    assert town.telegram.live() == 0


async def test_a_full_disk_is_told_before_anything_is_written(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(town.folder)
    full = os.statvfs_result((*real[:3], 0, 0, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    client = town.client()

    assert not await client.start()
    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (FailureKind.FILE_SYSTEM, "NO_SPACE")
    assert client.failure.retryable
    assert os.listdir(town.folder) == ["alice.session"]


async def test_a_start_waits_for_the_backup_of_the_client_before_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    take = BackupStore.take

    def slowly(*arguments: Any, **options: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return take(*arguments, **options)

    monkeypatch.setattr(BackupStore, "take", slowly)
    client = await town.started(settings=ClientSettings())
    await asyncio.to_thread(begun.wait, 30)
    await client.stop()
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0.2)
    assert not starting.done()

    go_on.set()

    assert await starting, client.failure


async def test_a_limit_on_open_files_is_named(town: Town) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = town.client()
    taken = {int(number) for number in os.listdir("/proc/self/fd")}
    free = [number for number in range(max(taken) + 5) if number not in taken]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[3], hard))  # the limit is on numbers, and below it are three
    try:
        started = await client.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert not started
    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (FailureKind.CONFIGURATION, "EMFILE")
    assert "ulimit -n" in client.failure.hint
    assert os.listdir(town.folder) == ["alice.session"]


async def test_without_the_fleets_secret_nobody_starts_beside_those_that_run(town: Town) -> None:
    """A new secret would name the same login otherwise, and a copy of the session would be let in."""
    await town.started()
    copy = town.folder / "elsewhere" / "alice.session"
    copy.parent.mkdir(mode=0o700)
    shutil.copy(town.session, copy)
    (town.folder / "state" / "install.key").unlink()
    second = town.client(copy)

    assert not await second.start()

    assert second.failure is not None
    assert (second.failure.code, "secret" in second.failure.reason) == ("STATE", True)
    assert town.telegram.live() == 1
