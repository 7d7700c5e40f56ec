"""What Telethon 1.45 does with connections and requests that a client built on it has to cure.

Whoever upgrades Telethon reads here what has changed.
"""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from telethon import TelegramClient, errors, functions, types
from telethon.client import telegrambaseclient
from telethon.network import ConnectionTcpFull
from telethon.sessions import MemorySession

from tests.telegram import Fault, Repeats, Telegram
from tests.telegram.clients import API_HASH, API_ID, Inbox, client_for, connected
from tests.telegram.virtual_time import run_virtually

GET_STATE = functions.updates.GetStateRequest()
SEND = "messages.sendMessage"


@pytest.mark.asyncio
async def test_a_timed_out_request_is_sent_again_on_the_next_connection(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.hang(method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send_message("me", "given up"), 0.05)
        telegram.drop_connections(alice)
        await telegram.seen(SEND, count=2)

    assert [message.text for message in telegram.messages(alice)] == ["given up"]


@pytest.mark.asyncio
async def test_a_lost_reply_makes_telethon_send_the_same_random_id_again(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.drop_after(method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0) as client:
        sent = await client.send_message("me", "once")

    first, again = telegram.requests(SEND)
    assert first.query.random_id == again.query.random_id
    assert [message.text for message in telegram.messages(alice)] == ["once"]
    assert sent.raw_text == "once"


@pytest.mark.parametrize(
    ("options", "kind", "seconds"),
    [
        ({"request_retries": 2}, ValueError, 6),
        ({"request_retries": 0, "raise_last_call_error": True}, errors.RandomIdDuplicateError, 2),
    ],
)
def test_already_sent_comes_out_as_a_failure_after_sleeps(
    sessions: Path, options: dict[str, Any], kind: type[Exception], seconds: float
) -> None:
    async def lose_a_reply() -> None:
        async with Telegram() as telegram:
            alice = telegram.add_user("alice")
            telegram.repeats = Repeats.ERROR
            telegram.faults.add(Fault.drop_after(method=SEND, times=1))
            async with connected(alice.session_file(sessions / "alice"), retry_delay=0, **options) as client:
                began = asyncio.get_running_loop().time()
                with pytest.raises(kind):
                    await client.send_message("me", "once")
                assert asyncio.get_running_loop().time() - began == pytest.approx(seconds, abs=1)
            assert [message.text for message in telegram.messages(alice)] == ["once"]

    run_virtually(lose_a_reply())


def test_connect_has_no_time_limit_against_a_silent_server(sessions: Path) -> None:
    async def an_hour() -> None:
        async with Telegram() as telegram:
            alice = telegram.add_user("alice")
            telegram.silent = True
            client = client_for(alice.session_file(sessions / "alice"), timeout=1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.connect(), 3600)
            await client.disconnect()
            assert telegram.accepted == 1

    run_virtually(an_hour())


def test_a_dead_peer_is_noticed_after_two_minutes(sessions: Path) -> None:
    async def go_silent() -> float:
        async with Telegram() as telegram:
            alice = telegram.add_user("alice")
            async with connected(alice.session_file(sessions / "alice")):
                telegram.silence(alice)
                began = asyncio.get_running_loop().time()
                await telegram.until(lambda: telegram.accepted == 2, within=3600)
                return asyncio.get_running_loop().time() - began

    assert run_virtually(go_silent()) == pytest.approx(120, abs=5)


@pytest.mark.asyncio
async def test_accept_and_close_is_a_busy_loop(telegram: Telegram, sessions: Path) -> None:
    """In no time at all, whatever `retry_delay` says, and still "connected"."""
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice"), retry_delay=60, connection_retries=1) as client:
        telegram.accept_and_close = True
        telegram.drop_connections()
        await telegram.until(lambda: telegram.accepted > 50)
        assert client.is_connected()


def test_nobody_listening_gives_up_after_the_retries(sessions: Path) -> None:
    async def knock() -> float:
        async with Telegram() as telegram:
            path = telegram.add_user("alice").session_file(sessions / "alice")
            await telegram.go_down()
            began = asyncio.get_running_loop().time()
            with pytest.raises(ConnectionError, match="failed 5 time"):
                await connected(path, connection_retries=5, retry_delay=1).__aenter__()
            return asyncio.get_running_loop().time() - began

    assert run_virtually(knock()) == pytest.approx(6, abs=1)


@pytest.mark.asyncio
async def test_missed_updates_wait_for_the_next_one_after_a_reconnection(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0) as client:
        inbox = Inbox(client)
        telegram.drop_connections(alice)
        await telegram.until(lambda: telegram.live() == 0)
        alice.receives("missed", sender=bob)
        await telegram.seen("users.getUsers", account=alice, count=2)
        await client.get_me()
        assert len(telegram.requests("updates.getDifference")) == 1
        assert inbox.texts == []
        alice.receives("next", sender=bob)
        await inbox.holds("missed", "next")


@pytest.mark.asyncio
async def test_two_clients_on_one_file_lock_each_other_out(telegram: Telegram, sessions: Path) -> None:
    """And the one that loses says that it is connected."""
    alice = telegram.add_user("alice")
    path = alice.session_file(sessions / "alice")

    async with connected(path) as client:
        await client.get_me()
        rival = client_for(path)
        rival.session._conn.execute("pragma busy_timeout = 10")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await rival.connect()
        assert rival.is_connected()
        client.session.save()
        await rival.disconnect()


@pytest.mark.parametrize(("address", "use_ipv6"), [("", False), ("::1", False), ("127.0.0.1", True)])
@pytest.mark.asyncio
async def test_a_session_of_the_wrong_family_leads_to_telegram_itself(address: str, use_ipv6: bool) -> None:
    """Here Telegram's own address is one of this machine (`stay_on_loopback`), and nothing connects."""
    asked: list[str] = []

    class NoConnection(ConnectionTcpFull):  # type: ignore[misc]  # Telethon has no types
        async def connect(self, **_: Any) -> None:
            asked.append(self._ip)
            raise ConnectionError("not in a test")

    session = MemorySession()
    session.set_dc(2, address, 1)
    client = TelegramClient(
        session, API_ID, API_HASH, use_ipv6=use_ipv6, connection=NoConnection, connection_retries=0, retry_delay=0
    )
    with pytest.raises(ConnectionError):
        await client.connect()

    own = telegrambaseclient.DEFAULT_IPV6_IP if use_ipv6 else telegrambaseclient.DEFAULT_IPV4_IP
    assert set(asked) == {own}
    assert address not in asked


@pytest.mark.asyncio
async def test_requests_in_flight_are_executed_once_each_after_a_drop(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.hang(method=SEND, times=5))

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0) as client:
        requests = [
            functions.messages.SendMessageRequest(types.InputPeerSelf(), str(number), random_id=number)
            for number in range(1, 6)
        ]
        sending = asyncio.create_task(client(requests))
        await telegram.seen(SEND, count=5)
        telegram.drop_connections(alice)
        await sending

    assert sorted(message.text for message in telegram.messages(alice)) == ["1", "2", "3", "4", "5"]
    assert len(telegram.requests(SEND, executed=True)) == 5
