"""What Telethon 1.45 does with errors that a client built on it has to cure.

Whoever upgrades Telethon reads here what has changed.
"""

import asyncio
from pathlib import Path

import pytest
from telethon import errors, functions

from tests.telegram import Fault, Telegram
from tests.telegram.clients import client_for, connected
from tests.telegram.virtual_time import run_virtually

GET_STATE = functions.updates.GetStateRequest()
SEND = "messages.sendMessage"


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("AUTH_KEY_DUPLICATED", "help.getConfig"),
        ("FLOOD_WAIT_100", "help.getConfig"),
        ("FLOOD_WAIT_100", "users.getUsers"),
        ("FLOOD_WAIT_100", "updates.getState"),
    ],
)
@pytest.mark.asyncio
async def test_connect_raises_and_leaves_the_client_connected(
    telegram: Telegram, sessions: Path, name: str, method: str
) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error(name, method=method))

    client = client_for(alice.session_file(sessions / "alice"))
    with pytest.raises(errors.RPCError):
        await client.connect()
    assert client.is_connected()
    await client.connect()  # does nothing at all
    assert len(telegram.requests("help.getConfig")) == 1
    await client.disconnect()


@pytest.mark.parametrize("name", ["USER_DEACTIVATED_BAN", "SESSION_REVOKED", "AUTH_KEY_UNREGISTERED"])
@pytest.mark.asyncio
async def test_a_dead_login_connects_without_an_error(telegram: Telegram, sessions: Path, name: str) -> None:
    alice = telegram.add_user("alice")
    alice.revoke(name)

    async with connected(alice.session_file(sessions / "alice")) as client:
        assert await client.get_me() is None
        assert await client.is_user_authorized() is False
        with pytest.raises(errors.UnauthorizedError):
            await client(GET_STATE)

    assert {request.error for request in telegram.requests("updates.getState")} == {name}


@pytest.mark.asyncio
async def test_being_authorised_is_believed_for_ever(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice")) as client:
        alice.revoke()
        assert await client.is_user_authorized() is True


@pytest.mark.asyncio
async def test_an_unknown_key_is_no_rpc_error(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    path = alice.session_file(sessions / "alice")
    alice.forget_keys()

    with pytest.raises(errors.AuthKeyNotFound):
        await connected(path).__aenter__()


@pytest.mark.asyncio
async def test_a_401_while_fetching_a_difference_disconnects_in_the_background(
    telegram: Telegram, sessions: Path
) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")

    async with connected(alice.session_file(sessions / "alice")) as client:
        telegram.faults.add(Fault.error("SESSION_REVOKED", method="updates.getDifference"))
        telegram.deafen(alice)
        alice.receives("missed", sender=bob)
        telegram.undeafen(alice)
        alice.receives("next", sender=bob)
        await telegram.until(lambda: telegram.live() == 0)
        await client.disconnected
        assert isinstance(client._updates_error, errors.SessionRevokedError)


@pytest.mark.asyncio
async def test_a_flood_wait_in_one_chat_silences_all(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])
    telegram.faults.add(Fault.error("FLOOD_WAIT_100", method=SEND, peer=group, times=1))

    async with connected(alice.session_file(sessions / "alice")) as client:
        with pytest.raises(errors.FloodWaitError):
            await client.send_message(group.marked_id, "too fast")
        with pytest.raises(errors.FloodWaitError):
            await client.send_message("me", "elsewhere")

    assert len(telegram.requests(SEND)) == 1


@pytest.mark.parametrize("name", ["FLOOD_WAIT_3", "SLOWMODE_WAIT_100"])
@pytest.mark.asyncio
async def test_short_waits_and_slow_mode_are_not_remembered(telegram: Telegram, sessions: Path, name: str) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error(name, method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice"), flood_sleep_threshold=0) as client:
        with pytest.raises((errors.FloodWaitError, errors.SlowModeWaitError)):
            await client.send_message("me", "too fast")
        await client.send_message("me", "at once")

    assert len(telegram.requests(SEND)) == 2


def test_the_threshold_of_one_call_is_ignored(sessions: Path) -> None:
    async def flood() -> float:
        async with Telegram() as telegram:
            alice = telegram.add_user("alice")
            telegram.faults.add(Fault.error("FLOOD_WAIT_50", method="updates.getState", nth=2))
            async with connected(alice.session_file(sessions / "alice")) as client:
                began = asyncio.get_running_loop().time()
                await client(GET_STATE, flood_sleep_threshold=0)
                return asyncio.get_running_loop().time() - began

    assert run_virtually(flood()) == pytest.approx(50, abs=1)


@pytest.mark.asyncio
async def test_classes_say_little_about_errors(telegram: Telegram, sessions: Path) -> None:
    """A frozen account is a flood without seconds; an unknown 406 passes for a broken key."""
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error("FROZEN_METHOD_INVALID", method=SEND, times=1))
    telegram.faults.add(Fault.error("TOPIC_CLOSED", method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice")) as client:
        with pytest.raises(errors.FloodError) as frozen:
            await client.send_message("me", "frozen")
        with pytest.raises(errors.AuthKeyError) as closed:
            await client.send_message("me", "closed")

    assert not hasattr(frozen.value, "seconds")
    assert (closed.value.message, closed.value.code) == ("TOPIC_CLOSED", 406)
