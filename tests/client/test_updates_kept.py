"""Messages at the moments that cost them: a reply under way at a stop, a bot stopped by a message, a reconnection."""

import asyncio
import operator
import sys
from functools import partial
from pathlib import Path

import pytest
from telethon import events
from telethon.tl import types

from core.client.model import HealthState
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault


@pytest.mark.asyncio
async def test_a_message_whose_reply_was_cut_off_comes_again(town: Town) -> None:
    """The handler is not cancelled then: the request that it waits for ends in a LostConnection."""
    client, done = town.client(), list[str]()

    @client.on(events.NewMessage(incoming=True))
    async def _answer(event: events.NewMessage.Event) -> None:
        await client.client.send_message(town.group.marked_id, "answer")
        done.append(event.raw_text)

    town.telegram.faults.add(Fault.hang(method="messages.sendMessage", times=1))
    assert await client.start()
    town.alice.receives("hello", sender=town.bob)
    await town.telegram.seen("messages.sendMessage", account=town.alice)
    await client.stop()
    assert done == []

    assert await client.start()
    await town.until(lambda: done == ["hello"])


@pytest.mark.asyncio
async def test_a_message_that_stops_the_bot_does_not_stop_it_again(town: Town) -> None:
    client, begun = town.client(), list[str]()

    @client.on(events.NewMessage(incoming=True))
    async def _stop(event: events.NewMessage.Event) -> None:
        begun.append(event.raw_text)
        if event.raw_text == "/stop":
            await client.stop()

    assert await client.start()
    town.alice.receives("/stop", sender=town.bob)
    await town.until(lambda: client.health.state is HealthState.STOPPED)
    assert await client.start()
    town.alice.receives("hello", sender=town.bob)

    await town.until(lambda: "hello" in begun)
    assert begun == ["/stop", "hello"]


@pytest.mark.asyncio
async def test_an_update_that_ends_the_program_does_not_end_it_again(town: Town) -> None:
    client = town.client()
    client.add_event_handler(sys.exit, events.Raw())
    assert await client.start()
    telethon, update = client.client, types.UpdateLoginToken()
    telethon.delivery.received([update])

    with pytest.raises(SystemExit):
        await telethon._dispatch_update(update)

    assert telethon.delivery.under_way == 0


def test_a_reconnection_brings_nothing_again_that_was_handled(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await asyncio.sleep(70)
        for number in range(3):
            town.alice.receives(f"message {number}", sender=town.bob)
            await town.until(lambda number=number: len(heard) == number + 1)  # type: ignore[misc]
        town.telegram.faults.add(Fault.transport(-429, account=town.alice, times=1))
        await asyncio.sleep(90)

        assert client.health.connects == 2
        assert len(heard) == 3

    in_virtual_time(folder, story)


@pytest.mark.parametrize("sequential", [True, False])
def test_a_handler_that_ends_in_a_cancellation_of_its_own_ends_alone(folder: Path, sequential: bool) -> None:
    """With sequential_updates it would end Telethon's update loop, and the bot would be deaf for ever."""

    async def story(town: Town) -> None:
        client, heard = town.client(sequential_updates=sequential), list[str]()

        @client.on(events.NewMessage(incoming=True))
        async def _wait_for_what_is_cancelled(event: events.NewMessage.Event) -> None:
            heard.append(event.raw_text)
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

        assert await client.start()
        for texts in (["one"], ["one", "two"]):
            town.alice.receives(texts[-1], sender=town.bob)
            async with asyncio.timeout(60):
                await town.until(partial(operator.eq, heard, texts))
            await asyncio.sleep(30)

        assert client.health.state is HealthState.ALIVE
        assert client.client.delivery.under_way == 0

    in_virtual_time(folder, story)


def test_a_filter_that_fails_and_a_handler_that_goes_cost_the_others_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(town: Town) -> None:
        client, heard = town.client(), list[str]()

        class Shop(list[str]):
            async def leave(self, event: events.NewMessage.Event) -> None:
                self.append(event.raw_text)
                client.remove_event_handler(self.leave)

        @client.on(events.NewMessage(incoming=True, func=lambda event: event.no_such_field))
        async def _never(event: events.NewMessage.Event) -> None:
            heard.append(f"never {event.raw_text}")

        shop = Shop()
        client.add_event_handler(shop.leave, events.NewMessage(incoming=True))

        @client.on(events.NewMessage(incoming=True))
        async def _hear(event: events.NewMessage.Event) -> None:
            heard.append(event.raw_text)

        for texts in (["one"], ["one", "two"]):
            assert await client.start()
            town.alice.receives(texts[-1], sender=town.bob)
            await town.until(partial(operator.eq, heard, texts))
            await client.stop()
        assert shop == ["one"]
        lines = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
        assert lines == [f"alice: a filter failed: {_never.__qualname__}"] * 2

    in_virtual_time(folder, story)


def test_an_update_loop_that_ended_is_begun_anew(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await asyncio.sleep(1)
        client.client._updates_handle.cancel()

        await town.state_within(client, HealthState.DEAF, 90)
        town.alice.receives("hello", sender=town.bob)
        await town.state_within(client, HealthState.ALIVE, 90)
        await asyncio.sleep(5)
        assert heard == ["hello"]

    in_virtual_time(folder, story)


def test_who_wants_no_updates_gets_none_and_is_not_deaf(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening(receive_updates=False)
        states = set()
        for _look in range(300):
            town.alice.receives("hello", sender=town.bob)
            await asyncio.sleep(1)
            states.add(client.health.state)
        town.telegram.drop_connections(town.alice)
        await asyncio.sleep(60)

        assert states == {HealthState.ALIVE}
        assert heard == []

    in_virtual_time(folder, story)


def test_handlers_changed_during_a_start_are_those_that_hear(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(town: Town) -> None:
        client, heard = town.client(), list[str]()

        async def early(event: events.NewMessage.Event) -> None:
            heard.append(f"early {event.raw_text}")

        async def late(event: events.NewMessage.Event) -> None:
            heard.append(f"late {event.raw_text}")

        client.add_event_handler(early, events.NewMessage(incoming=True))
        await town.telegram.go_down()
        starting = asyncio.create_task(client.start())
        await town.until(lambda: "at connecting failed" in caplog.text)

        client.remove_event_handler(early)
        client.add_event_handler(late, events.NewMessage(incoming=True))
        await town.telegram.come_back()
        assert await starting, client.failure
        town.alice.receives("hello", sender=town.bob)

        await town.until(lambda: bool(heard))
        assert heard == ["late hello"]

    in_virtual_time(folder, story)
