"""What would cost a login, tell of it, or say of it what is not so."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from telethon import errors
from telethon.crypto import AuthKey
from telethon.network import MTProtoSender
from telethon.tl import functions

from core.client.client import GavatClient
from core.client.model import FailureKind, HealthState
from tests.client.test_start import SOON
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault

SECRET = "0123456789abcdef0123456789abcdef"


def login_of(session: Path) -> tuple[int, str, bytes]:
    with closing(sqlite3.connect(session)) as database:
        ((dc_id, address, key),) = database.execute("SELECT dc_id, server_address, auth_key FROM sessions").fetchall()
    return dc_id, address, key


@pytest.mark.parametrize("method", ["users.getUsers", "help.getNearestDc"])
def test_being_sent_to_another_data_centre_does_not_cost_the_key(folder: Path, method: str) -> None:
    """Telethon writes an empty key over it before it connects there, and is logged in nowhere then."""

    async def story(town: Town) -> None:
        before = login_of(town.session)
        town.telegram.faults.add(Fault.error("USER_MIGRATE_4", method=method))
        client = town.client()
        if await client.start():
            with pytest.raises(errors.UserMigrateError):
                await client.client(functions.help.GetNearestDcRequest())
            await asyncio.sleep(100)
            assert client.health.state is HealthState.ALIVE
        else:
            assert client.failure is not None
            assert client.failure.code == "USER_MIGRATE"
        await client.stop()

        assert login_of(town.session) == before
        assert before[2] == town.alice.key

    in_virtual_time(folder, story)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("address", "options", "kind", "code"),
    [
        ("", {}, FailureKind.UNUSABLE, "NO_ADDRESS"),
        ("::1", {"use_ipv6": False}, FailureKind.CONFIGURATION, "USE_IPV6"),
        ("127.0.0.1", {"use_ipv6": True}, FailureKind.CONFIGURATION, "USE_IPV6"),
    ],
)
async def test_telethons_own_data_centre_is_not_written_over_the_sessions(
    town: Town, address: str, options: dict[str, Any], kind: FailureKind, code: str
) -> None:
    with closing(sqlite3.connect(town.session)) as database, database:
        database.execute("UPDATE sessions SET dc_id = 4, server_address = ?", (address,))
    before = login_of(town.session)
    client = town.client(settings=SOON, **options)

    assert not await client.start()

    assert client.failure is not None
    assert (client.failure.kind, client.failure.code) == (kind, code)
    assert login_of(town.session) == before


@pytest.mark.asyncio
async def test_a_session_at_an_ipv6_address_connects_there(town: Town) -> None:
    with closing(sqlite3.connect(town.session)) as database, database:
        database.execute("UPDATE sessions SET server_address = '::1'")
    client = town.client()
    starting = asyncio.create_task(client.start())
    await asyncio.sleep(0.2)

    await client.stop()

    assert not await starting
    assert login_of(town.session)[1] == "::1"


@pytest.mark.asyncio
async def test_what_waits_is_not_saved_into_a_file_that_took_the_sessions_place(town: Town) -> None:
    """Carol's bot would take itself for alice, and go on from alice's update state."""
    client, heard = await town.listening()
    town.account("carol")
    os.rename(town.folder / "carol.session", town.session)
    town.alice.receives("hello", sender=town.bob)
    await town.until(lambda: heard == ["hello"])

    await client.stop()

    assert client.health.session.last_error == "the file was moved, replaced or deleted"
    with closing(sqlite3.connect(town.session)) as database:
        assert database.execute("SELECT * FROM update_state").fetchall() == []
        assert database.execute("SELECT * FROM entities WHERE id = 0").fetchall() == []


@pytest.mark.asyncio
async def test_what_another_key_is_told_is_not_told_of_the_login(town: Town) -> None:
    """Media of other data centres come over connections with keys of their own."""
    client = await town.started()
    telethon = client.client
    key = AuthKey(town.telegram.world.keys.make().secret)
    borrowed = MTProtoSender(key, loggers=telethon._log)
    await borrowed.connect(telethon._connection("127.0.0.1", town.telegram.port, 4, loggers=telethon._log))

    with pytest.raises(errors.AuthKeyUnregisteredError):
        await telethon._call(borrowed, functions.updates.GetStateRequest())

    await borrowed.disconnect()
    assert client.health.state is HealthState.ALIVE


def test_logging_out_is_the_end(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        serving = asyncio.create_task(client.run_until_disconnected())
        await asyncio.sleep(1)
        await client.client.log_out()

        async with asyncio.timeout(90):
            await serving
        assert client.health.code == "LOGGED_OUT"

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_why_it_ended_can_be_asked_afterwards(town: Town) -> None:
    client = await town.started()
    town.alice.revoke("SESSION_REVOKED")
    with pytest.raises(errors.SessionRevokedError):
        await client.client(functions.updates.GetStateRequest())

    await client.run_until_disconnected()

    assert (client.health.state, client.health.code) == (HealthState.STOPPED, "SESSION_REVOKED")
    assert client.health.detail


@pytest.mark.asyncio
async def test_swapped_api_id_and_hash_are_not_told(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    client = GavatClient(town.session, SECRET, 12345, state=town.folder / "state")  # type: ignore[arg-type]

    assert not await client.start()

    assert client.failure is not None
    assert client.failure.code == "API_ID"
    assert "not started" in caplog.text
    assert SECRET not in caplog.text + repr(client.failure)


@pytest.mark.asyncio
async def test_no_repr_holds_a_secret(town: Town) -> None:
    client = town.client(proxy={"proxy_type": "socks5", "addr": "127.0.0.1", "port": 1, "password": SECRET})

    assert SECRET not in repr(client._want())
    assert "'hash'" not in repr(client._want())
    assert await town.client().start()


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:proxy argument will be ignored")
async def test_a_proxy_without_its_library_is_a_failure_with_a_hint(town: Town) -> None:
    client = town.client(proxy=("socks5", "127.0.0.1", 1))

    assert not await client.start()
    assert client.failure is not None
    assert client.failure.code == "PROXY"
    assert "python-socks" in client.failure.hint


@pytest.mark.asyncio
async def test_telethons_flood_sleep_threshold_is_taken(town: Town) -> None:
    client = await town.started(flood_sleep_threshold=0)
    town.telegram.faults.add(Fault.error("FLOOD_WAIT_5", method="updates.getState", times=1))

    with pytest.raises(errors.FloodWaitError):
        await client.client(functions.updates.GetStateRequest())
