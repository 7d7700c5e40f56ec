"""Two hundred bots from end to end: `python -m core run` in processes of its own, against the loopback Telegram."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from telethon.errors import AuthKeyDuplicatedError

from tests.fleet.village import House, Village, until
from tests.telegram import Account, Fault, Telegram, TelegramThread
from tests.telegram.clients import connected
from utils.leases import LeaseState, probe_os_lock

SIZE = 200
ALIVE = Counter(alive=SIZE)
FROZEN, COPIED = 3, 4
"""Bots: Telegram tells of a freeze only when something is written, and burns a login that is used elsewhere."""


@pytest.fixture
def village(server: TelegramThread, folder: Path) -> Village:
    """Their sessions; Telegram burns every key that it sees on two live connections."""
    return Village(server, folder, size=SIZE)


def test_a_fleet_lives_through_what_happens_to_fleets(village: Village) -> None:
    """Talk, an outage, floods, bans, revoked and duplicated logins, kill -9, a rolling restart, and the end."""
    with village.running() as first:
        until(lambda: first.states() == ALIVE, "all run")
        talks(village, village.bots, "hello")
        outage(village, first)
        well = troubles(village, first)
        first.kill()
    while_down = village.write_to(well, "while it was dead")
    with village.running() as second:
        until(while_down, "what was written while it was dead is heard")
        village.write_to([village.bots[FROZEN]], "still frozen?")
        until(lambda: second.states() == Counter({"alive": len(well), "given up": SIZE - len(well)}), "all as before")
        talks(village, well, "after its death")
        with village.running() as third:
            rolls_over(village, second, third, well)

    assert village.heard_twice() == []
    assert village.burnt() == [village.bots[COPIED].first_name]
    assert "database is locked" not in village.log()
    locks = [str(lock) for lock in village.sessions.glob("*.lock")]
    assert {probe_os_lock(lock).state for lock in locks} == {LeaseState.FREE}


def talks(village: Village, bots: list[Account], text: str) -> None:
    """Each hears and answers what is private, and hears its group."""
    in_private = village.write_to(bots, text)
    in_groups = village.write_to_groups(f"{text}, all", of=bots)
    until(in_private, f"{text}: in private")
    until(in_groups, f"{text}: in groups")
    until(lambda: village.answered(text) == len(bots), f"{text}: answers")


def outage(village: Village, house: House) -> None:
    """Telegram is away; what is written meanwhile arrives when it is back."""
    village.server.call(lambda telegram: telegram.go_down())
    meanwhile = village.write_to(village.bots, "during the outage")
    village.server.call(lambda telegram: telegram.come_back())
    until(meanwhile, "what was written during the outage is heard")
    until(lambda: house.states() == ALIVE, "all are back")
    until(lambda: all(bot.reconnects >= 1 for bot in house.bots()), "each says that it reconnected")


def troubles(village: Village, house: House) -> list[Account]:
    """Five kinds at once; each bot that is over says so by its code, the others serve. Gives those."""
    banned, revoked, deactivated, frozen, copied, *well = village.bots
    flooded = well[:5]

    def strike(telegram: Telegram) -> None:
        banned.ban()
        revoked.revoke("SESSION_REVOKED")
        deactivated.revoke("USER_DEACTIVATED")
        frozen.freeze()
        for one in flooded:
            telegram.faults.add(Fault.error("FLOOD_WAIT_2", method="messages.sendMessage", account=one, times=1))

    village.server.call(strike)
    asyncio.run(_use_elsewhere(copied))
    village.write_to([frozen], "are you frozen?")  # it is told so when it answers
    talks(village, well, "in trouble")
    codes = {
        banned.first_name: "USER_DEACTIVATED_BAN",
        revoked.first_name: "SESSION_REVOKED",
        deactivated.first_name: "USER_DEACTIVATED",
        frozen.first_name: "FROZEN_METHOD_INVALID",
        copied.first_name: "AUTH_KEY_DUPLICATED",
    }
    until(lambda: {bot.name: bot.code for bot in house.bots() if bot.state == "given up"} == codes, "given up by name")
    waits = {bot.name: bot.flood_time.total_seconds() for bot in house.bots() if bot.flood_time}
    assert waits == {one.first_name: 2 for one in flooded}
    return well


async def _use_elsewhere(account: Account) -> None:
    """A copy of its login connects, as after a careless deploy."""
    with pytest.raises(AuthKeyDuplicatedError):
        async with connected(account.string_session()):
            pass


def rolls_over(village: Village, old: House, new: House, well: list[Account]) -> None:
    """The new process waits while the old one lives, names it, and takes every bot over when it stops."""
    held = Counter({"waiting": len(well), "given up": SIZE - len(well)})
    frozen = village.bots[FROZEN]
    # It may be given up before it is ever seen alive: it hears at once what its last process did not answer.
    until(lambda: new.state_of(frozen) in {"alive", "given up"}, "the frozen one is free")
    village.write_to([frozen], "frozen for ever?")
    until(lambda: new.states() == held, "the new process waits")
    assert all(f"pid {old.process.pid}" in bot.reason for bot in new.bots() if bot.state == "waiting")
    assert old.stop() == 0
    meanwhile = village.write_to(well, "between two processes")
    until(meanwhile, "what was written between two processes is heard")
    until(lambda: new.states()["alive"] == len(well), "all run again")
    talks(village, well, "after the restart")
    assert new.stop() == 0
