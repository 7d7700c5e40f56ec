"""A client connects, asks who it is, and is let go."""

from pathlib import Path

import pytest
from telethon import TelegramClient, errors, functions
from telethon.network import ConnectionTcpAbridged, ConnectionTcpFull
from telethon.sessions import SQLiteSession

from tests.telegram import Telegram
from tests.telegram.clients import connected

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("transport", [ConnectionTcpFull, ConnectionTcpAbridged])
async def test_a_client_connects_over_both_transports(telegram: Telegram, sessions: Path, transport: type) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice"), connection=transport) as client:
        me = await client.get_me()
        await client.send_message("me", "x" * 4096)
        history = await client.get_messages("me")

    assert (me.id, me.username, me.phone, me.is_self) == (alice.id, "alice", alice.phone, True)
    assert [message.raw_text for message in history] == ["x" * 4096]


async def test_a_string_session_is_logged_in(telegram: Telegram) -> None:
    bot = telegram.add_bot("echo_bot")

    async with connected(bot.string_session()) as client:
        assert await client.is_user_authorized()
        assert await client.is_bot()


async def test_connecting_makes_four_requests(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice")):
        pass

    assert [request.method for request in telegram.requests(account=alice)] == [
        "help.getConfig",
        "users.getUsers",
        "updates.getState",
        "updates.getDifference",
    ]
    assert all(request.executed and request.answered for request in telegram.requests())


async def test_the_device_that_connects_is_known(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice"), device_model="Fridge", app_version="7"):
        (connection,) = telegram.connections_of(alice)

    assert (connection.init.device_model, connection.init.app_version) == ("Fridge", "7")


async def test_live_and_accepted_connections_are_counted(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    path = alice.session_file(sessions / "alice")

    async with connected(path), connected(bob.session_file(sessions / "bob")):
        assert (telegram.live(), telegram.live(alice), telegram.live(key=bob.key)) == (2, 1, 1)
    await telegram.until(lambda: telegram.live() == 0)
    async with connected(path):
        assert (telegram.live(), telegram.accepted) == (1, 3)


async def test_hosts_are_told_apart_by_their_addresses(telegram: Telegram, sessions: Path) -> None:
    """With `local_addr`, one machine plays many."""
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    here = connected(alice.session_file(sessions / "alice"))
    there = connected(bob.session_file(sessions / "bob"), local_addr="127.0.0.2")

    async with here, there:
        addresses = {connection.account: connection.address for connection in telegram.connections}

    assert addresses == {alice: "127.0.0.1", bob: "127.0.0.2"}


async def test_a_wrong_salt_is_corrected(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice")) as client:
        telegram.salt += 1
        assert await client.get_me()
        assert client._sender._state.salt == telegram.salt

    assert len(telegram.requests("users.getUsers")) == 2


async def test_fifty_requests_go_in_one_container(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice")) as client:
        states = await client([functions.updates.GetStateRequest() for _ in range(50)])

    assert {state.pts for state in states} == {1}
    assert len(telegram.requests("updates.getState")) == 51


async def test_long_answers_are_compressed_both_ways(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    others = [telegram.add_user(f"user{number}") for number in range(60)]
    group = telegram.add_supergroup("Ops", members=[alice, *others])

    async with connected(alice.session_file(sessions / "alice")) as client:
        await client.send_message(group.marked_id, "long " * 500)
        members = await client.get_participants(group.marked_id)

    assert len(members) == 61
    assert telegram.messages(group)[0].text == ("long " * 500).rstrip()


async def test_a_method_that_is_not_there_is_refused_and_noted(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(alice.session_file(sessions / "alice")) as client:
        with pytest.raises(errors.InputMethodInvalidError):
            await client(functions.help.GetInviteTextRequest())

    assert telegram.unknown_methods == {"help.getInviteText"}


async def test_a_session_file_leads_to_loopback(telegram: Telegram, sessions: Path) -> None:
    """A session without an IPv4 address would make Telethon connect to Telegram itself."""
    alice = telegram.add_user("alice")

    for path in (
        alice.session_file(sessions / "alice"),
        telegram.new_key_session(sessions / "new"),
        telegram.blank_session(sessions / "blank"),
    ):
        session = SQLiteSession(str(path))
        assert (session.server_address, session.port, session.dc_id) == ("127.0.0.1", telegram.port, 2)
        session.close()


async def test_the_next_server_is_not_told_of_this_one() -> None:
    """Telethon keeps the data centres on the class."""
    TelegramClient._config = "of an old server"
    async with Telegram():
        assert TelegramClient._config is None
        TelegramClient._config = "of this server"
    assert TelegramClient._config is None


async def test_a_failure_of_the_server_itself_comes_out_when_the_test_leaves(sessions: Path) -> None:
    async def serve_nonsense() -> None:
        async with Telegram() as telegram:
            alice = telegram.add_user("alice")
            path = alice.session_file(sessions / "alice")
            alice.first_name = 5  # type: ignore[assignment]  # which no answer can carry
            with pytest.raises(ConnectionError):
                await connected(path, auto_reconnect=False).__aenter__()

    with pytest.raises(ExceptionGroup, match="the server itself failed") as caught:
        await serve_nonsense()

    assert isinstance(caught.value.exceptions[0], TypeError)
