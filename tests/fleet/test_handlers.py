"""What goes wrong in one handler or its filter costs no other handler a message; what can be no handler is refused."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from telethon import events

from core.controller import BotController, BotSettings, BotState
from core.errors import ConfigError
from tests.client.town import Town, in_virtual_time
from tests.fleet.test_controller import bots, fleet_of, until
from tests.telegram import Account, Fault

RESOLVE = "contacts.resolveUsername"


class OddError(BaseException):
    pass


async def running(town: Town, count: int = 1) -> tuple[BotController, list[Account]]:
    """A fleet that runs, still without handlers."""
    accounts, fleet = bots(town, count), fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * count)
    return fleet, accounts


async def hear_two(town: Town, fleet: BotController, account: Account) -> list[str]:
    """What a handler hears that stands behind all others, of two messages at a distance; how they were settled."""
    heard: list[str] = []
    fleet.on_private(lambda event: heard.append(event.raw_text))
    for text in ("one", "two"):
        account.receives(text, sender=town.bob)
        await asyncio.sleep(5)
    (status,) = fleet.statuses()
    assert fleet.client(status.name).client.delivery.under_way == 0
    assert status.state is BotState.RUNNING
    return heard


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError, OddError, KeyboardInterrupt, SystemExit, RuntimeError],
    ids=lambda one: one.__name__,
)
@pytest.mark.parametrize("where", ["handler", "filter"])
def test_whatever_is_raised_ends_one_handler_alone(
    folder: Path, where: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_event: Any) -> None:
        raise error

    async def first(event: Any) -> None:
        fails(event)

    async def story(town: Town) -> None:
        fleet, (account,) = await running(town)
        fleet.add_event_handler(first, events.NewMessage(incoming=True, func=fails if where == "filter" else None))

        assert await hear_two(town, fleet, account) == ["one", "two"]

        (status,) = fleet.statuses()
        assert (status.handled, status.failed) == (4, 2)
        lines = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert lines == [f"bot0: a {where} failed: {first.__qualname__}"] * 2
        await fleet.stop()

    in_virtual_time(folder, story)


def test_a_handler_that_is_really_cancelled_is_not_counted(folder: Path) -> None:
    """A stop cuts it off; its message comes again."""

    async def story(town: Town) -> None:
        fleet, (account,) = await running(town)
        begun: list[str] = []

        async def slow(event: Any) -> None:
            begun.append(event.raw_text)
            await asyncio.sleep(60)

        fleet.on_private(slow)
        account.receives("hello", sender=town.bob)
        await town.until(lambda: begun == ["hello"])
        await fleet.stop()
        assert [one.failed for one in fleet.statuses()] == [0]

        await fleet.start()
        await town.until(lambda: begun == ["hello"] * 2)
        await fleet.stop()

    in_virtual_time(folder, story)


@pytest.mark.parametrize("flood", [True, False])
def test_a_name_in_a_filter_that_cannot_be_looked_up_is_not_asked_for_each_time(
    folder: Path, flood: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(town: Town) -> None:
        fleet, (account,) = await running(town)
        if flood:
            town.telegram.faults.add(Fault.error("FLOOD_WAIT_3000", method=RESOLVE))
        fleet.add_event_handler(lambda _event: None, events.NewMessage(chats="nosuchname"))
        heard: list[str] = []
        fleet.on_private(lambda event: heard.append(event.raw_text))
        texts = [f"message {number}" for number in range(12)]
        for text in texts:
            account.receives(text, sender=town.bob)
            await asyncio.sleep(20)

        assert heard == texts
        asked = len(town.telegram.requests(RESOLVE))
        assert asked == 1 if flood else 2 <= asked <= 4
        assert [(one.handled, one.failed) for one in fleet.statuses()] == [(12 + asked, asked)]
        assert {one.getMessage().split(":")[0] for one in caplog.records if one.levelno == logging.ERROR} == {"bot0"}
        await fleet.stop()

    in_virtual_time(folder, story)


def test_a_name_in_a_filter_that_gets_no_answer_holds_nobody_up_for_long(folder: Path) -> None:
    async def story(town: Town) -> None:
        fleet, (account,) = await running(town)
        town.telegram.faults.add(Fault.hang(method=RESOLVE))
        fleet.add_event_handler(lambda _event: None, events.NewMessage(chats="silent"))
        heard: list[str] = []
        fleet.on_private(lambda event: heard.append(event.raw_text))
        for text in ("one", "two"):
            account.receives(text, sender=town.bob)
        await asyncio.sleep(40)

        assert sorted(heard) == ["one", "two"]
        assert len(town.telegram.requests(RESOLVE)) == 1
        await fleet.stop()

    in_virtual_time(folder, story)


@pytest.mark.parametrize("change", ["remove", "replace"])
def test_changing_handlers_while_one_is_at_work_costs_the_others_no_message(folder: Path, change: str) -> None:
    async def story(town: Town) -> None:
        fleet, (account,) = await running(town)
        heard: list[str] = []

        async def first(_event: Any) -> None:
            await asyncio.sleep(10)

        fleet.on_private(first)
        fleet.on_private(lambda event: heard.append(event.raw_text))
        account.receives("hello", sender=town.bob)
        await asyncio.sleep(5)
        if change == "remove":
            fleet.remove_event_handler(first)
        else:
            fleet.set_bot("bot0", BotSettings(on_private=(lambda event: heard.append(f"new {event.raw_text}"),)))
            await fleet.reload()
        await asyncio.sleep(10)
        account.receives("again", sender=town.bob)
        await asyncio.sleep(5)

        assert heard == ["hello", "again" if change == "remove" else "new again"]
        await fleet.stop()

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_a_method_can_be_removed(town: Town) -> None:
    """Each look at `shop.answer` makes a new object."""

    class Shop(list[str]):
        async def answer(self, event: Any) -> None:
            self.append(event.raw_text)

    fleet, (account,) = await running(town)
    shop, other = Shop(), list[str]()
    fleet.on_private(shop.answer)
    fleet.on_private(lambda event: other.append(event.raw_text))
    account.receives("heard", sender=town.bob)
    await town.until(lambda: other == ["heard"])
    fleet.remove_event_handler(shop.answer)
    account.receives("not heard", sender=town.bob)
    await town.until(lambda: len(other) == 2)
    later = town.telegram.add_user("later")
    later.session_file(town.folder / "bots" / "later").chmod(0o600)
    await fleet.reload()
    await until(fleet, [BotState.RUNNING] * 2)
    later.receives("nor here", sender=town.bob)

    await town.until(lambda: "nor here" in other)
    assert shop == ["heard"]
    await fleet.stop()


@pytest.mark.asyncio
async def test_each_bot_has_an_event_of_its_own(town: Town) -> None:
    """What Telethon looks up for `me` differs from one account to the next."""
    fleet, accounts = await running(town, 2)
    group = town.telegram.add_supergroup("Fleet", members=[*accounts, town.bob])
    heard: list[tuple[int, str]] = []
    all_heard: list[str] = []
    mine = events.NewMessage(from_users="me", outgoing=True)
    fleet.add_event_handler(lambda event: heard.append((event.client._self_id, event.raw_text)), mine)
    fleet.add_event_handler(lambda event: all_heard.append(event.raw_text), events.NewMessage())
    for account in accounts:
        group.receives(f"by {account.first_name}", sender=account)

    await town.until(lambda: len(all_heard) == 4)
    assert sorted(heard) == sorted((one.id, f"by {one.first_name}") for one in accounts)
    await fleet.stop()


async def _yields(_event: Any) -> AsyncIterator[int]:
    yield 1


def _takes_two(_event: Any, _other: Any) -> None: ...


@pytest.mark.parametrize(
    ("handler", "said"),
    [(_yields, "has a `yield` in it"), (_takes_two, "cannot be called with the event alone"), (7, "is no function")],
)
@pytest.mark.parametrize("way", ["on_private", "on_group", "add_event_handler", "set_bot", "client"])
def test_what_can_be_no_handler_is_refused_where_it_is_given(
    town: Town, way: str, handler: Callable[..., Any], said: str
) -> None:
    bots(town, 1)
    fleet, client = fleet_of(town), town.client()
    fleet.set_bot("bot0", BotSettings(on_private=(handler,)))
    give: dict[str, Callable[[], Any]] = {
        "on_private": lambda: fleet.on_private(handler),
        "on_group": lambda: fleet.on_group(handler),
        "add_event_handler": lambda: fleet.add_event_handler(handler, events.NewMessage()),
        "set_bot": fleet.wanted,
        "client": lambda: client.add_event_handler(handler),
    }

    with pytest.raises(ConfigError, match=said):
        give[way]()
