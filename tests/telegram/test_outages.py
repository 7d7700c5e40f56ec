"""Connections that are cut, ports that are closed, accounts that fall into disgrace."""

import asyncio
import socket
from pathlib import Path

import pytest
from telethon import errors, functions

from tests.telegram import Telegram
from tests.telegram.clients import Inbox, connected

pytestmark = pytest.mark.asyncio

GET_STATE = functions.updates.GetStateRequest()


async def test_an_outage_refuses_connections_and_ends_on_the_same_port(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    port = telegram.port

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0, connection_retries=None) as client:
        await telegram.go_down()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await telegram.come_back()
        assert await client.get_me()

    assert telegram.port == port


async def test_nobody_else_gets_the_port_during_an_outage(telegram: Telegram) -> None:
    port = telegram.port
    await telegram.go_down()

    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))


async def test_the_connections_of_one_account_can_be_cut(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")

    async with (
        connected(alice.session_file(sessions / "alice"), retry_delay=0),
        connected(bob.session_file(sessions / "bob"), retry_delay=0),
    ):
        telegram.drop_connections(alice)
        await telegram.until(lambda: telegram.accepted == 3 and telegram.live() == 2)
        await telegram.seen("users.getUsers", account=alice, count=2)

    assert len(telegram.requests("users.getUsers", account=bob)) == 1


async def test_a_banned_account_is_told_so(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    alice.ban()

    async with connected(alice.session_file(sessions / "alice")) as client:
        with pytest.raises(errors.UserDeactivatedBanError):
            await client(GET_STATE)
        alice.pardon()
        assert await client(GET_STATE)


async def test_a_frozen_account_may_only_look(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    alice.freeze()

    async with connected(alice.session_file(sessions / "alice")) as client:
        inbox = Inbox(client)
        assert await client.get_me()
        assert await client.get_dialogs() == []
        alice.receives("hello", sender=bob)
        await inbox.holds("hello")
        with pytest.raises(errors.FrozenMethodInvalidError):
            await client.send_message("me", "never")


async def test_one_of_two_logins_can_be_revoked(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    other = alice.log_in_elsewhere()
    alice.revoke("SESSION_REVOKED", key=alice.key)

    async with (
        connected(alice.session_file(sessions / "first")) as first,
        connected(alice.session_file(sessions / "second", key=other)) as second,
    ):
        with pytest.raises(errors.SessionRevokedError):
            await first(GET_STATE)
        assert await second(GET_STATE)


async def test_a_login_elsewhere_is_announced(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    heard: list[str] = []

    async with connected(alice.session_file(sessions / "alice")) as client:
        client.add_event_handler(lambda update: _note(heard, update))
        alice.log_in_elsewhere()
        await client.get_me()

    assert heard == ["UpdateNewAuthorization"]


async def _note(heard: list[str], update: object) -> None:
    heard.append(type(update).__name__)


async def test_a_silent_connection_reads_and_never_answers(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")

    async with (
        connected(alice.session_file(sessions / "alice"), retry_delay=0) as client,
        connected(bob.session_file(sessions / "bob")) as other,
    ):
        telegram.silence(alice)
        asking = asyncio.create_task(client(GET_STATE))
        request = (await telegram.seen("updates.getState", account=alice, count=2))[-1]
        assert await other(GET_STATE)
        assert not asking.done()
        telegram.drop_connections(alice)
        assert await asking

    assert (request.executed, request.answered) == (False, False)
