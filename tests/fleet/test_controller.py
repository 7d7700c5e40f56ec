"""A fleet on the loopback Telegram: it answers, survives, gives up the right ones by name, and stops whole."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.client.settings import ClientSettings
from core.controller import BotController, BotSettings, BotState, BotStatus, FleetSettings
from core.errors import ConfigError, GavatError
from tests.client.town import Town, in_virtual_time
from tests.telegram import Account, Fault
from tests.telegram.virtual_time import virtual_utc_now
from utils.leases import LeaseState, probe_os_lock

AT_ONCE = FleetSettings(stagger_min=timedelta(0), stagger_max=timedelta(0), restart_first=timedelta(seconds=5))
NO_BACKUPS = ClientSettings(backup_every=timedelta(0))


def fleet_of(town: Town, *sessions: Path, settings: FleetSettings = AT_ONCE) -> BotController:
    return BotController(
        *(sessions or (town.folder / "bots",)),
        api_id=1,
        api_hash="hash",
        settings=settings,
        clients=NO_BACKUPS,
        state=town.folder / "state",
        clock=virtual_utc_now,
    )


def bots(town: Town, count: int) -> list[Account]:
    (town.folder / "bots").mkdir(mode=0o700, exist_ok=True)
    made = []
    for number in range(count):
        account = town.telegram.add_user(f"bot{number}")
        account.session_file(town.folder / "bots" / f"bot{number}").chmod(0o600)
        made.append(account)
    return made


def states(fleet: BotController) -> list[BotState]:
    return [one.state for one in fleet.statuses()]


async def until(fleet: BotController, wanted: list[BotState]) -> tuple[BotStatus, ...]:
    async with asyncio.timeout(600):
        while states(fleet) != wanted:  # noqa: ASYNC110  # judged when it is read
            await asyncio.sleep(0.05)
    return fleet.statuses()


@pytest.mark.asyncio
async def test_a_fleet_answers_in_private_and_in_groups(town: Town) -> None:
    accounts = bots(town, 5)
    group = town.telegram.add_supergroup("Fleet", members=[*accounts, town.bob])
    fleet, heard = fleet_of(town), list[str]()

    @fleet.on_private
    async def answer(event: Any) -> None:
        await event.reply(f"you said {event.raw_text}")

    fleet.on_group(lambda event: heard.append(event.raw_text))
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 5)
    for account in accounts:
        account.receives("hello", sender=town.bob)
    group.receives("to all", sender=town.bob)

    await town.until(lambda: all(len(town.telegram.messages(one, town.bob)) == 2 for one in accounts))
    await town.until(lambda: heard == ["to all"] * 5)
    assert [(one.handled, one.failed, one.restarts) for one in fleet.statuses()] == [(2, 0, 0)] * 5
    await fleet.stop()
    assert states(fleet) == [BotState.STOPPED] * 5
    locks = (town.folder / "bots").glob("*.lock")
    assert {probe_os_lock(str(lock)).state for lock in locks} == {LeaseState.FREE}


@pytest.mark.asyncio
async def test_a_failing_handler_hurts_neither_its_bot_nor_the_others(town: Town) -> None:
    one, other = bots(town, 2)
    fleet, heard = fleet_of(town), list[str]()

    @fleet.on_private
    def fails(event: Any) -> None:
        raise RuntimeError(event.raw_text)

    fleet.on_private(lambda event: heard.append(event.raw_text))
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    one.receives("first", sender=town.bob)
    other.receives("second", sender=town.bob)

    await town.until(lambda: sorted(heard) == ["first", "second"])
    assert [(bot.handled, bot.failed) for bot in fleet.statuses()] == [(2, 1)] * 2
    await fleet.stop()


def test_the_right_ones_are_given_up_by_name_and_the_others_serve(folder: Path) -> None:
    async def story(town: Town) -> None:
        banned, revoked, _well = bots(town, 3)
        fleet = fleet_of(town)
        await fleet.start()
        await until(fleet, [BotState.RUNNING] * 3)
        banned.ban()
        revoked.revoke("SESSION_REVOKED")

        statuses = await until(fleet, [BotState.GIVEN_UP, BotState.GIVEN_UP, BotState.RUNNING])

        assert [one.code for one in statuses] == ["USER_DEACTIVATED_BAN", "SESSION_REVOKED", ""]
        await fleet.stop()
        assert states(fleet) == [BotState.GIVEN_UP, BotState.GIVEN_UP, BotState.STOPPED]

    in_virtual_time(folder, story)


def test_a_start_that_may_succeed_later_is_tried_again(folder: Path) -> None:
    async def story(town: Town) -> None:
        bots(town, 1)
        await town.telegram.go_down()
        fleet = fleet_of(town)
        await fleet.start()
        await asyncio.sleep(90)
        (waiting,) = fleet.statuses()
        await town.telegram.come_back()

        (status,) = await until(fleet, [BotState.RUNNING])
        assert (waiting.state in (BotState.WAITING, BotState.STARTING), waiting.name) == (True, "bot0")
        assert status.restarts == 0  # it had not run before
        await fleet.stop()

    in_virtual_time(folder, story)


def test_three_refusals_in_a_row_stop_the_wave(folder: Path) -> None:
    async def story(town: Town) -> None:
        bots(town, 8)
        town.telegram.faults.add(Fault.error("FLOOD_WAIT_3600"))
        fleet = fleet_of(town, settings=AT_ONCE._replace(at_once=1))
        await fleet.start()
        await asyncio.sleep(300)

        tried = {one.account.first_name for one in town.telegram.requests() if one.account is not None}
        assert len(tried) == 3
        await asyncio.sleep(600)  # the pause is over: one is tried, and refused too
        tried = {one.account.first_name for one in town.telegram.requests() if one.account is not None}
        assert len(tried) == 4
        town.telegram.faults.clear()
        await asyncio.sleep(700)  # the next one gets through, and the wave goes on
        assert states(fleet).count(BotState.RUNNING) == 4
        await fleet.stop()

    in_virtual_time(folder, story)


def test_a_try_of_a_stopped_wave_that_says_nothing_leaves_it_to_the_next_bot(folder: Path) -> None:
    """Three are refused, the fourth is damaged, and the fifth shows after one pause that all is well again."""

    async def story(town: Town) -> None:
        accounts = bots(town, 8)
        for account in accounts[:3]:
            town.telegram.faults.add(Fault.error("FLOOD_WAIT_86400", account=account))
        damaged = town.folder / "bots" / "bot3.session"
        damaged.write_bytes(os.urandom(8192))
        os.utime(damaged, (1, 1))
        fleet = fleet_of(town, settings=AT_ONCE._replace(at_once=1))
        await fleet.start()

        await asyncio.sleep(660)  # one pause of ten minutes
        assert states(fleet)[3:] == [BotState.GIVEN_UP, *[BotState.RUNNING] * 4]
        await fleet.stop()

    in_virtual_time(folder, story)


def test_starts_are_staggered_and_few_at_a_time(folder: Path) -> None:
    async def story(town: Town) -> None:
        bots(town, 10)
        fleet = fleet_of(town, settings=FleetSettings())
        began = asyncio.get_running_loop().time()
        await fleet.start()
        await until(fleet, [BotState.RUNNING] * 10)

        assert 9 <= asyncio.get_running_loop().time() - began <= 32
        await fleet.stop()

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_reloading_starts_new_ones_and_stops_those_that_are_gone(town: Town) -> None:
    bots(town, 2)
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    town.telegram.add_user("bot9").session_file(town.folder / "bots" / "bot9").chmod(0o600)
    os.rename(town.folder / "bots" / "bot0.session", town.folder / "gone.session")

    await fleet.reload()

    statuses = await until(fleet, [BotState.RUNNING] * 2)
    assert [one.name for one in statuses] == ["bot1", "bot9"]
    await town.until(lambda: town.telegram.live() == 2)
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_reload_may_name_other_sessions_and_the_next_one_keeps_to_them(town: Town) -> None:
    bots(town, 2)
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)

    for named in ([town.folder / "bots" / "bot1"], []):
        await fleet.reload(*named)
        assert [one.name for one in fleet.statuses()] == ["bot1"]

    await fleet.stop()


@pytest.mark.asyncio
async def test_a_fleet_starts_again_after_a_stop(town: Town) -> None:
    bots(town, 2)
    fleet = fleet_of(town)
    for _round in range(2):
        await fleet.start()
        await until(fleet, [BotState.RUNNING] * 2)
        await fleet.stop()

    assert states(fleet) == [BotState.STOPPED] * 2


@pytest.mark.asyncio
async def test_reloading_gives_a_bot_that_was_given_up_another_chance(town: Town) -> None:
    bots(town, 1)
    path = town.folder / "bots" / "bot0.session"
    whole = path.read_bytes()
    path.write_bytes(os.urandom(8192))
    os.utime(path, (1, 1))
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.GIVEN_UP])
    path.write_bytes(whole)

    await fleet.reload()

    await until(fleet, [BotState.RUNNING])
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_handler_can_be_added_and_removed_while_bots_run(town: Town) -> None:
    (bot,) = bots(town, 1)
    fleet, heard = fleet_of(town), list[str]()

    def hear(event: Any) -> None:
        heard.append(event.raw_text)

    all_heard: list[str] = []
    fleet.on_private(lambda event: all_heard.append(event.raw_text))
    await fleet.start()
    await until(fleet, [BotState.RUNNING])
    fleet.on_private(hear)
    bot.receives("heard", sender=town.bob)
    await town.until(lambda: heard == ["heard"])
    fleet.remove_event_handler(hear)
    bot.receives("not heard", sender=town.bob)
    await town.until(lambda: all_heard == ["heard", "not heard"])
    fleet.on_private(hear)
    bot.receives("heard again", sender=town.bob)

    await town.until(lambda: "heard again" in heard)
    assert "not heard" not in heard
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_damaged_session_is_given_up_and_the_others_start(town: Town) -> None:
    bots(town, 2)
    path = town.folder / "bots" / "bot0.session"
    path.write_bytes(os.urandom(8192))
    os.utime(path, (1, 1))
    fleet = fleet_of(town)

    await fleet.start()

    statuses = await until(fleet, [BotState.GIVEN_UP, BotState.RUNNING])
    assert statuses[0].code == "GV121"
    assert "salvage" in statuses[0].reason
    with pytest.raises(GavatError, match="no bot"):
        fleet.client("nobody")
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_fleet_that_cannot_begin_says_why(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password with a slash in it makes an address of Redis that is none; afterwards it may be tried again."""
    bots(town, 1)
    fleet = fleet_of(town)
    monkeypatch.setenv("GAVAT_REDIS_URL", "redis://:pass/word@127.0.0.1:6379/0")

    with pytest.raises(ConfigError, match="the address of Redis cannot be read"):
        await asyncio.wait_for(fleet.run(), 20)

    monkeypatch.delenv("GAVAT_REDIS_URL")
    await fleet.start()
    assert len(fleet.statuses()) == 1
    await fleet.stop()


@pytest.mark.asyncio
@pytest.mark.parametrize("named", ["{}/sesions/", "{}/sesions/alice", "{}/sesions", ""])
async def test_sessions_that_are_not_there_are_refused(town: Town, named: str) -> None:
    """No bot without a name runs in their place."""
    fleet = fleet_of(town, named.format(town.folder))  # type: ignore[arg-type]  # a Path would lose its last slash

    with pytest.raises(ConfigError, match="there is no such folder or session"):
        await fleet.start()

    assert fleet.statuses() == ()


@pytest.mark.asyncio
async def test_one_session_that_is_missing_does_not_keep_the_others_from_running(town: Town) -> None:
    bots(town, 1)
    fleet = fleet_of(town, town.folder / "bots" / "bot0", town.folder / "bots" / "gone")

    await fleet.start()

    statuses = await until(fleet, [BotState.RUNNING, BotState.GIVEN_UP])
    assert (statuses[1].name, statuses[1].code) == ("gone", "NO_FILE")
    with pytest.raises(ConfigError, match="there is no such folder or session"):
        await fleet.reload(f"{town.folder}/sesions/")
    assert states(fleet) == [BotState.RUNNING, BotState.GIVEN_UP]
    await fleet.stop()


@pytest.mark.asyncio
async def test_without_an_application_nothing_starts(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless every bot has one of its own."""
    monkeypatch.delenv("GAVAT_API_HASH", raising=False)
    bots(town, 1)
    fleet = BotController(
        town.folder / "bots", api_id=1, settings=AT_ONCE, clients=NO_BACKUPS, state=town.folder / "state"
    )

    with pytest.raises(ConfigError, match="GAVAT_API_HASH is not set") as refused:
        await fleet.run()

    assert "my.telegram.org" in str(refused.value.hint)
    assert fleet.statuses() == ()
    fleet.set_bot("bot0", BotSettings(api_id=7, api_hash="own"))
    await fleet.start()
    await until(fleet, [BotState.RUNNING])
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_start_that_is_stopped_meanwhile_ends(town: Town) -> None:
    bots(town, 1)

    for steps in range(20):
        fleet = fleet_of(town)
        starting = asyncio.create_task(fleet.start())
        for _step in range(steps):
            await asyncio.sleep(0)
        await fleet.stop()
        await asyncio.wait_for(starting, 20)
        await fleet.stop()
        assert states(fleet) in ([], [BotState.STOPPED])
    await town.until(lambda: town.telegram.live() == 0)
