"""What was missed is asked for, and no answer comes: the bot must hear on, and what it missed, each message once."""

import asyncio
from pathlib import Path

import pytest

from core.client.model import HealthState
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault

ACCOUNT, CHANNEL = "updates.getDifference", "updates.getChannelDifference"


async def miss_one(town: Town) -> None:
    """Messages in private and in the group that are not pushed, and then one of each that shows the gap."""
    town.telegram.deafen(town.alice)
    town.group.receives("group, missed", sender=town.bob)
    town.alice.receives("private, missed", sender=town.bob)
    await asyncio.sleep(1)
    town.telegram.undeafen(town.alice)
    town.group.receives("group, seen", sender=town.bob)
    town.alice.receives("private, seen", sender=town.bob)


@pytest.mark.parametrize("method", [ACCOUNT, CHANNEL])
def test_one_without_an_answer_costs_no_message(folder: Path, method: str) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        town.group.receives("group, before", sender=town.bob)
        await asyncio.sleep(60)
        hung = town.telegram.faults.add(Fault.hang(method=method, times=1))
        await miss_one(town)
        await asyncio.sleep(120)

        assert hung.hit == 1
        assert sorted(heard[1:]) == ["group, missed", "group, seen", "private, missed", "private, seen"]
        assert (client.health.state, client.health.connects) == (HealthState.ALIVE, 2)
        await asyncio.sleep(3600)
        assert len(heard) == 5
        assert client.health.connects == 2

    in_virtual_time(folder, story)


def test_a_channel_that_telegram_never_tells_of_silences_no_other(folder: Path) -> None:
    async def story(town: Town) -> None:
        client, heard = await town.listening()
        other = town.telegram.add_supergroup("Other", members=[town.alice, town.bob])
        for group in (town.group, other):
            group.receives("before", sender=town.bob)
        await asyncio.sleep(60)
        never = town.telegram.faults.add(Fault.hang(method=CHANNEL, peer=town.group))
        await miss_one(town)
        await asyncio.sleep(90)
        for number in range(10):
            other.receives(f"other {number}", sender=town.bob)
            town.alice.receives(f"private {number}", sender=town.bob)
            town.group.receives(f"group {number}", sender=town.bob)
            await asyncio.sleep(120)
            assert {f"other {number}", f"private {number}"} <= set(heard)

        assert (client.health.connects, never.hit <= 8) == (2, True)
        town.telegram.faults.remove(never)
        await asyncio.sleep(1800)
        assert {"group, missed", "group, seen", "group 9"} <= set(heard)
        assert len(heard) == len(set(heard)) + 1 == 36
        assert client.health.state is HealthState.ALIVE

    in_virtual_time(folder, story)


def test_an_update_loop_that_does_not_get_on_makes_it_deaf(folder: Path) -> None:
    """The probe of the account's own count sees nothing amiss: what waits is a group's."""

    async def story(town: Town) -> None:
        client, heard = await town.listening()
        town.group.receives("before", sender=town.bob)
        await asyncio.sleep(60)
        hung = town.telegram.faults.add(Fault.hang(method=CHANNEL))
        town.telegram.deafen(town.alice)
        town.group.receives("missed", sender=town.bob)
        town.telegram.undeafen(town.alice)
        for text in ("shows the gap", "waits"):
            town.group.receives(text, sender=town.bob)
            await asyncio.sleep(1)

        health = await town.state_within(client, HealthState.DEAF, 90)
        assert "came in and wait" in health.detail
        town.telegram.faults.remove(hung)
        await town.state_within(client, HealthState.ALIVE, 90)
        await town.until(lambda: heard == ["before", "missed", "shows the gap", "waits"])

    in_virtual_time(folder, story)


def test_fetching_in_vain_makes_it_connect_anew_ever_more_rarely(folder: Path) -> None:
    """As in a flood wait on the fetching itself."""

    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await asyncio.sleep(60)
        refused = town.telegram.faults.add(Fault.error("FLOOD_WAIT_20", method=ACCOUNT))
        town.telegram.deafen(town.alice)
        town.alice.receives("missed", sender=town.bob)
        await town.state_within(client, HealthState.DEAF, 90)
        await asyncio.sleep(3600)

        assert heard == []
        assert 3 <= client.health.connects <= 9
        town.telegram.faults.remove(refused)
        town.telegram.undeafen(town.alice)
        await town.state_within(client, HealthState.ALIVE, 150)
        assert heard == ["missed"]

    in_virtual_time(folder, story)
