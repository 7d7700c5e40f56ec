"""What a bare Telethon client does wrong on the wire, and ours does not (research: telethon §0, mtproto §3)."""

import asyncio
import os
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from telethon import errors, events
from telethon.tl import functions

from core.client.model import HealthState
from core.client.observed import KnownFloodWait, LostConnection
from core.client.settings import ClientSettings
from core.errors import SessionFileBusy
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault


@pytest.mark.asyncio
async def test_a_foreign_writer_during_a_send_costs_no_answer(town: Town) -> None:
    client = await town.started()
    writer = sqlite3.connect(town.session, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    message = await client.client.send_message(town.group.marked_id, "hello")

    assert message.text == "hello"
    assert client.client.is_connected()
    assert [one.text for one in town.telegram.messages(town.group)] == ["hello"]
    writer.close()


@pytest.mark.asyncio
async def test_a_lookup_waits_for_a_lock_to_pass(town: Town) -> None:
    client = await town.started()
    writer = sqlite3.connect(town.session, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    sending = asyncio.create_task(client.client.send_message(town.group.marked_id, "hello"))
    await town.until(lambda: client.health.session.reads_missed > 0)
    writer.close()

    assert (await sending).text == "hello"


def test_a_lookup_that_no_lock_lets_through_says_so(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        writer = sqlite3.connect(town.session, isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SessionFileBusy, match="keeps the session locked"):
            await client.client.send_message(town.group.marked_id, "hello")

        writer.close()
        assert not town.telegram.messages(town.group)

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_a_failed_connect_leaves_nothing_half_alive(town: Town) -> None:
    town.telegram.faults.add(Fault.error("AUTH_KEY_DUPLICATED", times=1))
    client = town.client()

    assert not await client.start()

    await town.until(lambda: town.telegram.live(town.alice) == 0)
    assert await client.start(), client.failure


def test_accept_and_close_is_met_at_a_walk(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.accept_and_close = True
        town.telegram.drop_connections()
        await asyncio.sleep(600)

        assert client.health.connects < 40
        town.telegram.accept_and_close = False
        await town.state_within(client, HealthState.ALIVE, 150)

    in_virtual_time(folder, story)


def test_one_drop_is_reconnected_at_once(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        await asyncio.sleep(60)
        town.telegram.drop_connections()
        async with asyncio.timeout(2):
            await client.client.get_me()

        assert client.health.connects == 2

    in_virtual_time(folder, story)


def test_a_request_that_was_given_up_is_not_sent_later(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.faults.add(Fault.hang(method="messages.sendMessage", times=1))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.client.send_message(town.group.marked_id, "too late"), 5)
        town.telegram.drop_connections()
        await client.client.send_message(town.group.marked_id, "now")

        assert [one.text for one in town.telegram.messages(town.group)] == ["now"]

    in_virtual_time(folder, story)


def test_a_request_given_up_before_it_was_sent_is_not_sent_either(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        await town.telegram.go_down()
        await asyncio.sleep(5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.client.send_message(town.group.marked_id, "too late"), 5)
        await town.telegram.come_back()
        await town.state_within(client, HealthState.ALIVE, 150)
        await client.client.send_message(town.group.marked_id, "now")

        assert [one.text for one in town.telegram.messages(town.group)] == ["now"]

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_a_disconnect_does_not_look_like_a_cancelled_caller(town: Town) -> None:
    client = await town.started()
    town.telegram.faults.add(Fault.hang(method="messages.sendMessage"))
    sending = asyncio.create_task(client.client.send_message(town.group.marked_id, "hello"))
    await town.telegram.seen("messages.sendMessage", account=town.alice)

    await client.stop()

    with pytest.raises(LostConnection):
        await sending


@pytest.mark.asyncio
async def test_a_cancelled_caller_is_cancelled(town: Town) -> None:
    client = await town.started()
    town.telegram.faults.add(Fault.hang(method="messages.sendMessage"))
    sending = asyncio.create_task(client.client.send_message(town.group.marked_id, "hello"))
    await town.telegram.seen("messages.sendMessage", account=town.alice)

    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending


@pytest.mark.asyncio
async def test_a_flood_wait_of_one_chat_leaves_the_others_alone(town: Town) -> None:
    other = town.telegram.add_supergroup("Other", members=[town.alice])
    town.telegram.faults.add(Fault.error("FLOOD_WAIT_60", method="messages.sendMessage", peer=town.group))
    client = await town.started()
    await client.client.get_dialogs()
    with pytest.raises(errors.FloodWaitError):
        await client.client.send_message(town.group.marked_id, "one")

    with pytest.raises(KnownFloodWait):
        await client.client.send_message(town.group.marked_id, "two")
    await client.client.send_message(other.marked_id, "three")

    assert [one.text for one in town.telegram.messages(other)] == ["three"]
    assert len(town.telegram.requests(method="messages.sendMessage")) == 2


@pytest.mark.asyncio
async def test_a_second_chat_in_a_flood_wait_silences_all(town: Town) -> None:
    groups = [town.telegram.add_supergroup(f"Group {number}", members=[town.alice]) for number in range(3)]
    town.telegram.faults.add(Fault.error("FLOOD_WAIT_60", method="messages.sendMessage", times=2))
    client = await town.started()
    await client.client.get_dialogs()
    for group in groups[:2]:
        with pytest.raises(errors.FloodWaitError):
            await client.client.send_message(group.marked_id, "hello")

    with pytest.raises(KnownFloodWait):
        await client.client.send_message(groups[2].marked_id, "hello")

    assert len(town.telegram.requests(method="messages.sendMessage")) == 2


def test_a_short_flood_wait_is_slept_through(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        town.telegram.faults.add(Fault.error("FLOOD_WAIT_7", method="messages.sendMessage", times=1))
        began = asyncio.get_running_loop().time()
        await client.client.send_message(town.group.marked_id, "hello")

        assert 7 <= asyncio.get_running_loop().time() - began < 9
        assert [one.text for one in town.telegram.messages(town.group)] == ["hello"]

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_the_threshold_of_one_request_counts(town: Town) -> None:
    client = await town.started()
    town.telegram.faults.add(Fault.error("FLOOD_WAIT_5", method="updates.getState", times=1))

    with pytest.raises(errors.FloodWaitError):
        await client.client(functions.updates.GetStateRequest(), flood_sleep_threshold=0)


@pytest.mark.asyncio
async def test_what_was_missed_during_an_outage_arrives_after_it(town: Town) -> None:
    client, heard = await town.listening()
    town.group.receives("first", sender=town.bob)
    await town.until(lambda: heard == ["first"])
    town.telegram.deafen(town.alice)
    town.alice.receives("private", sender=town.bob)
    town.group.receives("in the group", sender=town.bob)
    town.telegram.drop_connections()

    await town.until(lambda: sorted(heard) == ["first", "in the group", "private"])
    assert client.health.connects == 2


@pytest.mark.asyncio
async def test_what_was_missed_between_two_starts_reaches_handlers_added_before(town: Town) -> None:
    client, heard = await town.listening()
    town.group.receives("before", sender=town.bob)
    await town.until(lambda: heard == ["before"])
    await client.stop()
    town.alice.receives("missed", sender=town.bob)
    town.group.receives("missed in the group", sender=town.bob)

    assert await client.start()

    await town.until(lambda: sorted(heard) == ["before", "missed", "missed in the group"])


@pytest.mark.asyncio
async def test_a_message_whose_handler_was_cut_off_comes_again(town: Town) -> None:
    client, begun, done = town.client(), list[str](), list[str]()

    @client.on(events.NewMessage(incoming=True))
    async def _answer(event: events.NewMessage.Event) -> None:
        begun.append(event.raw_text)
        if len(begun) == 1:
            await asyncio.sleep(3600)
        done.append(event.raw_text)

    assert await client.start()
    town.alice.receives("hello", sender=town.bob)
    await town.until(lambda: begun == ["hello"])
    await client.stop()
    assert await client.start()

    await town.until(lambda: done == ["hello"])
    assert begun == ["hello", "hello"]


@pytest.mark.asyncio
async def test_an_error_in_a_handler_does_not_bring_the_message_again(town: Town) -> None:
    client, begun = town.client(), list[str]()

    @client.on(events.NewMessage(incoming=True))
    async def _fail(event: events.NewMessage.Event) -> None:
        begun.append(event.raw_text)
        raise RuntimeError("a mistake of the bot's")

    assert await client.start()
    town.alice.receives("hello", sender=town.bob)
    await town.until(lambda: begun == ["hello"])
    await client.stop()
    assert await client.start()
    town.alice.receives("again", sender=town.bob)

    await town.until(lambda: len(begun) == 2)
    assert begun == ["hello", "again"]


@pytest.mark.asyncio
async def test_stopping_from_a_handler_ends(town: Town) -> None:
    client = town.client()

    @client.on(events.NewMessage(incoming=True))
    async def _stop(_event: events.NewMessage.Event) -> None:
        await client.stop()

    assert await client.start()
    town.alice.receives("stop", sender=town.bob)

    await town.until(lambda: client.health.state is HealthState.STOPPED)
    await town.until(lambda: town.telegram.live(town.alice) == 0)


@pytest.mark.asyncio
async def test_a_handler_that_will_not_end_does_not_keep_the_client(town: Town) -> None:
    settings = ClientSettings(stop_within=timedelta(seconds=0.2), backup_every=timedelta(0))
    client, begun, release = town.client(settings=settings), list[str](), asyncio.Event()

    @client.on(events.NewMessage(incoming=True))
    async def _stubborn(event: events.NewMessage.Event) -> None:
        begun.append(event.raw_text)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                begun.append("refuses")

    assert await client.start()
    town.alice.receives("hello", sender=town.bob)
    await town.until(lambda: bool(begun))
    async with asyncio.timeout(10):
        await client.stop()

    assert client.health.state is HealthState.STOPPED
    assert await town.client().start()
    release.set()


def test_a_fatal_error_of_the_update_loop_is_survived(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await asyncio.sleep(1)
        telethon = client.client
        works = telethon._preprocess_updates

        async def fails_once(*_arguments: object) -> None:
            telethon._preprocess_updates = works
            raise RuntimeError("a bug in Telethon")

        telethon._preprocess_updates = fails_once
        town.alice.receives("lost at first", sender=town.bob)
        await asyncio.sleep(30)
        town.alice.receives("and on", sender=town.bob)
        await asyncio.sleep(90)

        assert client.health.state is HealthState.ALIVE
        assert heard[-1] == "and on"

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_a_cdn_client_gets_a_session_in_memory(town: Town) -> None:
    client = await town.started()

    clone = client.client.session.clone()
    clone.set_dc(203, "127.0.0.1", 1)

    assert clone.server_address == "127.0.0.1"
    assert client.client.session.dc_id == 2


@pytest.mark.asyncio
async def test_logging_out_leaves_the_file(town: Town) -> None:
    client = await town.started()

    await client.client.log_out()
    await client.stop()

    assert town.session.exists()


def test_a_lease_that_is_lost_ends_the_client(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        os.unlink(f"{town.session}.lock")

        health = await town.state_within(client, HealthState.DUPLICATED, 90)

        assert health.code == "LEASE_LOST"
        await client.run_until_disconnected()
        assert town.telegram.live(town.alice) == 0

    in_virtual_time(folder, story)
