"""Starts, reloads and stops of a fleet that meet each other, or that its own handlers want."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.controller import BotController, BotSettings, BotState, FleetSettings
from core.errors import GavatError
from tests.client.town import Town, in_virtual_time
from tests.fleet.test_controller import AT_ONCE, bots, fleet_of, states, until
from tests.telegram import Account, Fault


def add(town: Town, name: str) -> Account:
    account = town.telegram.add_user(name)
    account.session_file(town.folder / "bots" / name).chmod(0o600)
    return account


@pytest.mark.asyncio
async def test_a_handler_may_reload_the_fleet_also_where_its_own_bot_is_restarted(town: Town) -> None:
    """The bot is back afterwards, and the message that asked for it does not come again."""
    (bot, _other), heard = bots(town, 2), list[str]()
    fleet = fleet_of(town)

    @fleet.on_private
    async def change(event: Any) -> None:
        heard.append(event.raw_text)
        if event.raw_text == "change":
            fleet.set_bot("bot0", BotSettings(lang_code=f"t{len(heard)}"))
            await fleet.reload()

    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    bot.receives("change", sender=town.bob)
    await town.until(lambda: states(fleet) != [BotState.RUNNING] * 2)
    await until(fleet, [BotState.RUNNING] * 2)
    bot.receives("afterwards", sender=town.bob)

    await town.until(lambda: "afterwards" in heard)
    assert heard == ["change", "afterwards"]
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_handler_that_stops_the_fleet_does_not_stop_the_next_one(town: Town) -> None:
    (bot, _other), heard = bots(town, 2), list[str]()
    fleet = fleet_of(town)

    @fleet.on_private
    async def stop(event: Any) -> None:
        heard.append(event.raw_text)
        if event.raw_text == "/stop":
            await fleet.stop()

    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    bot.receives("/stop", sender=town.bob)
    await until(fleet, [BotState.STOPPED] * 2)
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    bot.receives("hello", sender=town.bob)

    await town.until(lambda: "hello" in heard)
    assert (heard, states(fleet)) == (["/stop", "hello"], [BotState.RUNNING] * 2)
    await fleet.stop()


@pytest.mark.asyncio
async def test_starts_at_once_are_one_start(town: Town) -> None:
    bots(town, 2)
    fleet = fleet_of(town)

    await asyncio.gather(fleet.start(), fleet.start())

    await until(fleet, [BotState.RUNNING] * 2)
    assert town.telegram.accepted == 2
    await fleet.stop()
    await town.until(lambda: town.telegram.live() == 0)


class SlowLook:
    """A folder of handlers' modules that takes long to look at, as on a network disk."""

    def __init__(self, fleet: BotController, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._go = asyncio.Event()
        self._look = fleet.wanted
        monkeypatch.setattr(fleet, "wanted", self._slowly)

    def _slowly(self, *sessions: str) -> Any:
        self._loop.call_soon_threadsafe(self.began.set)
        asyncio.run_coroutine_threadsafe(self._go.wait(), self._loop).result()
        return self._look(*sessions)

    def goes_on(self) -> None:
        self._go.set()


@pytest.mark.asyncio
async def test_a_stop_during_a_start_leaves_nothing_running_and_waits_for_no_look(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots(town, 1)
    fleet = fleet_of(town)
    slow = SlowLook(fleet, monkeypatch)
    starting = asyncio.create_task(fleet.start())
    await slow.began.wait()

    await asyncio.wait_for(fleet.stop(), 20)
    await asyncio.wait_for(starting, 20)

    slow.goes_on()
    await asyncio.sleep(0.2)
    assert (states(fleet), town.telegram.accepted) == ([], 0)


@pytest.mark.asyncio
async def test_a_stop_during_a_reload_ends_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    bots(town, 1)
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING])
    slow = SlowLook(fleet, monkeypatch)
    add(town, "zed")
    reloading = asyncio.create_task(fleet.reload())
    await slow.began.wait()

    await asyncio.wait_for(fleet.stop(), 20)

    with pytest.raises(GavatError, match="stopped meanwhile"):
        await asyncio.wait_for(reloading, 20)
    slow.goes_on()
    await asyncio.sleep(0.2)
    assert (states(fleet), town.telegram.live()) == ([BotState.STOPPED], 0)


@pytest.mark.asyncio
async def test_a_reload_of_a_fleet_that_is_not_started_says_so(town: Town) -> None:
    bots(town, 1)
    fleet = fleet_of(town)

    with pytest.raises(GavatError, match="not started"):
        await fleet.reload()

    await fleet.start()
    await fleet.stop()
    with pytest.raises(GavatError, match="not started"):
        await fleet.reload()


@pytest.mark.asyncio
async def test_threads_of_handlers_keep_no_reload_waiting(town: Town) -> None:
    """`asyncio.to_thread` has few of them, and a handler may have all at work."""
    bots(town, 1)
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING])
    add(town, "zed")
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    working = asyncio.create_task(asyncio.to_thread(time.sleep, 3))
    await asyncio.sleep(0)

    change = await fleet.reload()

    assert ([bot.name for bot in change.start], working.done()) == (["zed"], False)
    await fleet.stop()
    await working


def with_dead_accounts(folder: Path, story: Callable[[Town, BotController, list[Account]], Awaitable[None]]) -> None:
    """Six bots, of which Telegram refuses three with 406, and a fleet that has tried them all."""

    async def live(town: Town) -> None:
        accounts = bots(town, 6)
        for account in accounts[::2]:
            town.telegram.faults.add(Fault.error("AUTH_KEY_DUPLICATED", code=406, account=account))
        fleet = fleet_of(town, settings=AT_ONCE._replace(at_once=1))
        await fleet.start()
        await asyncio.sleep(60)
        assert states(fleet) == [BotState.GIVEN_UP, BotState.RUNNING] * 3
        await story(town, fleet, accounts)
        await fleet.stop()

    in_virtual_time(folder, live)


def test_dead_accounts_stop_the_wave_of_no_reload(folder: Path) -> None:
    """Each of them is tried again, after what is new; what is known of it says nothing new about the others."""

    async def story(town: Town, fleet: BotController, _accounts: list[Account]) -> None:
        for name in ("zed", "zoe"):
            add(town, name)
            change = await fleet.reload()
            assert [bot.name for bot in change.start] == [name, "bot0", "bot2", "bot4"]
            await asyncio.sleep(60)
            assert fleet.statuses()[-1].state is BotState.RUNNING
        await fleet.client("bot1").stop()  # one that has to start again
        await asyncio.sleep(60)
        assert states(fleet) == [*[BotState.GIVEN_UP, BotState.RUNNING] * 3, BotState.RUNNING, BotState.RUNNING]

    with_dead_accounts(folder, story)


def test_another_refusal_of_a_bot_that_was_given_up_counts(folder: Path) -> None:
    async def story(town: Town, fleet: BotController, accounts: list[Account]) -> None:
        town.telegram.faults.clear()
        for account in accounts[::2]:
            town.telegram.faults.add(Fault.error("FLOOD_WAIT_86400", account=account))
        await fleet.reload()
        await asyncio.sleep(30)
        add(town, "zed")
        await fleet.reload()
        await asyncio.sleep(300)
        assert fleet.statuses()[-1].code == "WAVE"

    with_dead_accounts(folder, story)


def test_a_bot_that_waits_for_its_turn_says_for_what_and_until_when(folder: Path) -> None:
    """An older reason of its own, such as a lease, is not it."""

    async def story(town: Town) -> None:
        accounts = bots(town, 6)
        town.telegram.faults.add(Fault.error("RPC_CALL_FAIL", code=500, account=accounts[0], times=8))
        for account in accounts[1:4]:
            town.telegram.faults.add(Fault.error("AUTH_KEY_DUPLICATED", code=406, account=account))
        calm = FleetSettings(at_once=1, stagger_min=timedelta(seconds=2), stagger_max=timedelta(seconds=2))
        calm = calm._replace(restart_first=timedelta(seconds=8), wave_pause=timedelta(minutes=3))
        fleet = fleet_of(town, settings=calm)
        await fleet.start()
        first = fleet.statuses()[5]
        await asyncio.sleep(60)

        told = [fleet.statuses()[number] for number in (0, 5)]
        published = fleet.stats()[5]
        assert (first.code, first.reason, first.next_start_at) == ("WAVE", "it waits for its turn to start", None)
        assert [(one.state, one.code) for one in told] == [(BotState.WAITING, "WAVE")] * 2
        assert all("3 starts in a row were refused" in one.reason for one in told)
        until_then = [(one.next_start_at or one.since) - first.since for one in told]
        assert all(timedelta(minutes=3) < one < timedelta(minutes=4) for one in until_then)
        assert (published.state, published.code, published.reason) == ("waiting", "WAVE", told[1].reason)
        assert published.until is not None
        await asyncio.sleep(180)
        assert fleet.statuses()[5].state is BotState.RUNNING
        assert fleet.statuses()[5].code == ""
        await fleet.stop()

    in_virtual_time(folder, story)


def test_no_reload_shortens_a_wait_that_telegram_asked_for(folder: Path) -> None:
    async def story(town: Town) -> None:
        (account,) = bots(town, 1)
        fault = Fault.error("FLOOD_WAIT_400", method="updates.getState", account=account, times=1)
        town.telegram.faults.add(fault)
        fleet = fleet_of(town)
        await fleet.start()
        await asyncio.sleep(30)
        (before,) = fleet.statuses()
        asked = len(town.telegram.requests("updates.getState"))
        for language in ("tr", "de"):
            fleet.set_bot("bot0", BotSettings(lang_code=language))
            await fleet.reload()
            await asyncio.sleep(60)

        (waiting,) = fleet.statuses()
        assert len(town.telegram.requests("updates.getState")) == asked
        assert (waiting.state, waiting.code) == (BotState.WAITING, before.code)
        assert before.next_start_at is not None
        assert waiting.next_start_at is not None
        assert abs(waiting.next_start_at - before.next_start_at) < timedelta(seconds=1)
        await asyncio.sleep(300)
        assert states(fleet) == [BotState.RUNNING]
        await fleet.stop()

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_a_named_session_that_is_gone_is_stopped_by_a_reload_and_one_that_is_back_started(town: Town) -> None:
    bots(town, 2)
    folder = town.folder / "bots"
    fleet = fleet_of(town, folder / "bot0", folder / "bot1.session")
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    (folder / "bot0.session").rename(town.folder / "away.session")

    for _again in range(2):
        await fleet.reload()
        assert [one.name for one in fleet.statuses()] == ["bot1"]
    (town.folder / "away.session").rename(folder / "bot0.session")
    await fleet.reload()

    await until(fleet, [BotState.RUNNING] * 2)
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_folder_that_is_named_twice_by_a_link_is_one(town: Town) -> None:
    bots(town, 1)
    link = town.folder / "link"
    link.symlink_to(town.folder / "bots")
    fleet = fleet_of(town, town.folder / "bots", link, link / "bot0")

    await fleet.start()

    (status,) = await until(fleet, [BotState.RUNNING])
    assert status.path == str(town.folder / "bots" / "bot0.session")
    await fleet.stop()
