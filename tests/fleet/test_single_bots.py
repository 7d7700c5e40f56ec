"""Bots of a fleet with settings and handlers of their own, on the loopback Telegram."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from telethon import events

from core.controller import BotController, BotSettings, BotState
from core.errors import ConfigError
from tests.client.town import Town, in_virtual_time
from tests.fleet.test_controller import bots, fleet_of, states, until


def texts(town: Town, bot: Any) -> list[str]:
    return [str(one.text) for one in town.telegram.messages(bot, town.bob)]


@pytest.mark.asyncio
async def test_a_program_says_what_single_bots_have_of_their_own(town: Town) -> None:
    one, other, _third = bots(town, 3)
    fleet = fleet_of(town)

    async def otherwise(event: Any) -> None:
        await event.reply(f"otherwise {event.raw_text}")

    async def marked(event: Any) -> None:
        await event.reply("marked")

    events.register(events.NewMessage(incoming=True, pattern="/mark"))(marked)

    @fleet.on_private
    async def answer(event: Any) -> None:
        await event.reply(f"you said {event.raw_text}")

    fleet.set_bot("bot0", BotSettings(on_private=(otherwise,), handlers=(marked,), device_model="Fridge"))
    fleet.set_bot("bot2", BotSettings(run=False))
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    one.receives("hello", sender=town.bob)
    other.receives("hello", sender=town.bob)
    await town.until(lambda: len(texts(town, one)) == len(texts(town, other)) == 2)
    one.receives("/mark", sender=town.bob)
    await town.until(lambda: len(texts(town, one)) == 5)

    assert texts(town, other) == ["hello", "you said hello"]
    assert texts(town, one)[:2] == ["hello", "otherwise hello"]
    assert sorted(texts(town, one)[3:]) == ["marked", "otherwise /mark"]
    devices = {c.account.first_name: c.init.device_model for c in town.telegram.connections if c.account is not None}
    assert (devices["bot0"], len(devices)) == ("Fridge", 2)
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_handler_that_is_added_later_reaches_those_that_have_none_of_their_own(town: Town) -> None:
    one, other = bots(town, 2)
    fleet, heard = fleet_of(town), list[str]()
    fleet.set_bot("bot0", BotSettings(on_private=(lambda event: heard.append(f"own {event.raw_text}"),)))
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    fleet.on_private(lambda event: heard.append(f"all {event.raw_text}"))
    one.receives("1", sender=town.bob)
    other.receives("2", sender=town.bob)

    await town.until(lambda: sorted(heard) == ["all 2", "own 1"])
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_reload_restarts_only_the_bot_that_has_changed(town: Town) -> None:
    """Other handlers alone cost no connection."""
    _one, other, _third = bots(town, 3)
    fleet, heard = fleet_of(town), list[str]()
    fleet.on_private(lambda event: heard.append(f"all {event.raw_text}"))
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 3)
    accepted = town.telegram.accepted
    fleet.set_bot("bot0", BotSettings(lang_code="tr"))
    fleet.set_bot("bot1", BotSettings(on_private=(lambda event: heard.append(f"own {event.raw_text}"),)))

    change = await fleet.reload()

    await until(fleet, [BotState.RUNNING] * 3)
    other.receives("hello", sender=town.bob)
    await town.until(lambda: bool(heard))
    assert (change.stop, [bot.name for bot in change.start]) == (
        (str(town.folder / "bots" / "bot0.session"),),
        ["bot0"],
    )
    assert ([bot.name for bot in change.hear], heard) == (["bot1"], ["own hello"])
    assert town.telegram.accepted == accepted + 1
    await fleet.stop()


@pytest.mark.asyncio
async def test_what_stands_in_gavat_toml_counts_and_the_program_comes_first(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bots(town, 3)
    (tmp_path / "gavat.toml").write_text("[bots.bot0]\nrun = false\n[bots.bot1]\nrun = false\n")
    monkeypatch.setenv("GAVAT_CONFIG", str(tmp_path / "gavat.toml"))
    fleet = fleet_of(town)
    fleet.set_bot("bot1", BotSettings())

    await fleet.start()

    statuses = await until(fleet, [BotState.RUNNING] * 2)
    assert [one.name for one in statuses] == ["bot1", "bot2"]
    await fleet.stop()


@pytest.mark.asyncio
async def test_a_reload_that_is_refused_changes_nothing(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the bots nor the folders that count from now on."""
    bots(town, 1)
    (tmp_path / "gavat.toml").touch()
    monkeypatch.setenv("GAVAT_CONFIG", str(tmp_path / "gavat.toml"))
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING])
    (tmp_path / "gavat.toml").write_text("[bots.bot0]\nlang = 1")

    with pytest.raises(ConfigError, match="unknown key lang"):
        await fleet.reload(tmp_path)

    (tmp_path / "gavat.toml").write_text("")
    assert await fleet.reload() == await fleet.reload()
    assert states(fleet) == [BotState.RUNNING]
    await fleet.stop()


@pytest.mark.asyncio
async def test_reloads_at_once_are_done_one_after_the_other(town: Town) -> None:
    """None starts a bot that another one is still stopping."""
    bots(town, 2)
    fleet = fleet_of(town)
    await fleet.start()
    await until(fleet, [BotState.RUNNING] * 2)
    fleet.set_bot("bot0", BotSettings(lang_code="tr"))

    changes = await asyncio.gather(*(fleet.reload() for _ in range(3)))

    await until(fleet, [BotState.RUNNING] * 2)
    assert [len(change.start) for change in changes] == [1, 0, 0]
    assert [one.restarts for one in fleet.statuses()] == [0, 0]
    await fleet.stop()


def test_a_gavat_toml_that_is_broken_later_stops_no_restart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator edits it while a bot waits for its next start."""

    async def story(town: Town) -> None:
        bots(town, 1)
        (tmp_path / "gavat.toml").touch()
        monkeypatch.setenv("GAVAT_CONFIG", str(tmp_path / "gavat.toml"))
        await town.telegram.go_down()
        fleet = BotController(town.folder / "bots", api_id=1, api_hash="hash", state=town.folder / "state")
        await fleet.start()
        async with asyncio.timeout(600):
            while not any(one.next_start_at for one in fleet.statuses()):  # noqa: ASYNC110  # judged when it is read
                await asyncio.sleep(0.5)
        (tmp_path / "gavat.toml").write_text("[fleet")
        await town.telegram.come_back()

        await until(fleet, [BotState.RUNNING])
        await fleet.stop()

    in_virtual_time(folder, story)
