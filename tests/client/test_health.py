"""Each state is produced by a fault on the real wire within 90 s of (virtual) time, and none on a healthy client."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from telethon import errors, events

from core.client.model import HealthState
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault

# asyncio.open_connection that Telethon cancels just as it succeeds leaves its socket to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SECONDS = 90


def test_a_healthy_client_is_alive_for_an_hour(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        states = set()
        for minute in range(60):
            town.alice.receives(f"minute {minute}", sender=town.bob)
            await asyncio.sleep(60)
            states.add(client.health.state)

        assert states == {HealthState.ALIVE}
        assert len(heard) == 60
        assert client.health.connects == 1

    in_virtual_time(folder, story)


@pytest.mark.parametrize(
    ("wrong", "state", "code"),
    [
        ("ban", HealthState.BANNED, "USER_DEACTIVATED_BAN"),
        ("revoke", HealthState.REVOKED, "SESSION_REVOKED"),
        ("duplicate", HealthState.DUPLICATED, "AUTH_KEY_DUPLICATED"),
    ],
)
def test_what_telegram_says_of_the_account_is_seen(folder: Path, wrong: str, state: HealthState, code: str) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        if wrong == "ban":
            town.alice.ban()
        elif wrong == "revoke":
            town.alice.revoke("SESSION_REVOKED")
        else:
            town.telegram.faults.add(Fault.error("AUTH_KEY_DUPLICATED", account=town.alice))

        health = await town.state_within(client, state, SECONDS)

        assert health.code == code
        await asyncio.sleep(600)
        assert client.health.since == health.since

    in_virtual_time(folder, story)


def test_a_frozen_account_is_seen_when_it_is_refused(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.alice.freeze()
        with pytest.raises(errors.RPCError):
            await client.client.send_message(town.group.marked_id, "hello")

        assert client.health.state is HealthState.FROZEN
        assert client.health.code == "FROZEN_METHOD_INVALID"

    in_virtual_time(folder, story)


def test_a_flood_wait_is_told_with_its_end_and_passes(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.faults.add(Fault.error("FLOOD_WAIT_60", method="messages.sendMessage", times=1))
        with pytest.raises(errors.FloodWaitError):
            await client.client.send_message(town.group.marked_id, "hello")

        health = client.health
        assert health.state is HealthState.FLOODED
        assert health.until is not None
        assert 59 <= (health.until - health.since).total_seconds() <= 61
        await asyncio.sleep(61)
        assert client.health.state is HealthState.ALIVE

    in_virtual_time(folder, story)


def test_an_outage_is_offline_and_its_end_is_found(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await town.telegram.go_down()
        await town.state_within(client, HealthState.OFFLINE, SECONDS)
        await asyncio.sleep(1800)
        town.alice.receives("while you were away", sender=town.bob)
        await town.telegram.come_back()

        await town.state_within(client, HealthState.ALIVE, 150)
        await asyncio.sleep(5)
        assert heard == ["while you were away"]
        assert client.health.connects < 100

    in_virtual_time(folder, story)


def test_a_silent_server_is_offline(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.silent = True
        town.telegram.silence()

        await town.state_within(client, HealthState.OFFLINE, SECONDS)
        await asyncio.sleep(600)
        assert client.health.state is HealthState.OFFLINE
        town.telegram.silent = False
        await town.state_within(client, HealthState.ALIVE, 150)

    in_virtual_time(folder, story)


def test_a_connection_that_fell_silent_is_left_for_a_new_one(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.silence(town.alice)
        await asyncio.sleep(SECONDS)

        assert client.health.state is HealthState.ALIVE
        assert client.health.connects == 2

    in_virtual_time(folder, story)


def test_withheld_updates_make_it_deaf_and_are_fetched(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await asyncio.sleep(1)  # by then it has caught up
        town.telegram.deafen(town.alice)
        town.alice.receives("can you hear me", sender=town.bob)

        await town.state_within(client, HealthState.DEAF, SECONDS)
        await asyncio.sleep(5)
        assert heard == ["can you hear me"]
        town.telegram.undeafen(town.alice)
        await town.state_within(client, HealthState.ALIVE, SECONDS)

    in_virtual_time(folder, story)


def test_a_dead_keepalive_makes_it_deaf(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        client.client._keepalive_handle.cancel()

        health = await town.state_within(client, HealthState.DEAF, SECONDS)
        assert "keep-alive" in health.detail

    in_virtual_time(folder, story)


def test_a_foreign_writer_locks_it_out_and_costs_nothing(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        writer = sqlite3.connect(town.session, isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        town.alice.receives("hello", sender=town.bob)

        health = await town.state_within(client, HealthState.LOCKED_OUT, SECONDS)
        assert "somebody holds the file" in health.detail
        assert health.session.busy > 0
        writer.close()
        health = await town.state_within(client, HealthState.ALIVE, SECONDS)
        assert health.session.rows_kept == 0
        assert heard == ["hello"]

    in_virtual_time(folder, story)


def test_an_unknown_key_is_tried_again_before_it_is_called_revoked(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.faults.add(Fault.transport(-404, account=town.alice, times=2))
        await asyncio.sleep(SECONDS)
        assert client.health.state is HealthState.ALIVE

        town.alice.forget_keys()
        town.telegram.drop_connections(town.alice)
        health = await town.state_within(client, HealthState.REVOKED, SECONDS)
        assert health.code == "AuthKeyNotFound"

    in_virtual_time(folder, story)


def test_a_transport_flood_is_waited_out(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.faults.add(Fault.transport(-429, account=town.alice, times=1))

        await asyncio.sleep(SECONDS)
        await town.state_within(client, HealthState.ALIVE, SECONDS)
        assert client.health.connects == 2

    in_virtual_time(folder, story)


@pytest.mark.parametrize("sequential", [True, False])
def test_a_handler_at_work_for_long_makes_a_sequential_client_deaf(folder: Path, sequential: bool) -> None:
    """It waits by its own will: a new connection would not help, and what waits is heard afterwards."""

    async def story(town: Town) -> None:
        client, heard = town.client(sequential_updates=sequential), list[str]()

        @client.on(events.NewMessage(incoming=True))
        async def _hear(event: events.NewMessage.Event) -> None:
            heard.append(event.raw_text)
            await asyncio.sleep(600 if event.raw_text == "slow" else 0)

        assert await client.start()
        for text in ("slow", "next"):
            town.alice.receives(text, sender=town.bob)
            await asyncio.sleep(240)

        assert heard == (["slow"] if sequential else ["slow", "next"])
        assert client.health.state is (HealthState.DEAF if sequential else HealthState.ALIVE)
        assert ("hold" in client.health.detail) is sequential
        await asyncio.sleep(240)
        assert heard == ["slow", "next"]
        assert (client.health.state, client.health.connects) == (HealthState.ALIVE, 1)

    in_virtual_time(folder, story)
