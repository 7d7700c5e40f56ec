"""What a test can make go wrong, and how exactly it can be aimed."""

import asyncio
from pathlib import Path

import pytest
from telethon import errors, functions

from tests.telegram import Fault, Telegram
from tests.telegram.clients import connected

pytestmark = pytest.mark.asyncio

GET_STATE = functions.updates.GetStateRequest()
SEND = "messages.sendMessage"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("FLOOD_WAIT_7", errors.FloodWaitError),
        ("SLOWMODE_WAIT_7", errors.SlowModeWaitError),
        ("PEER_FLOOD", errors.PeerFloodError),
        ("USER_BANNED_IN_CHANNEL", errors.UserBannedInChannelError),
        ("FROZEN_METHOD_INVALID", errors.FrozenMethodInvalidError),
        ("CHAT_WRITE_FORBIDDEN", errors.ChatWriteForbiddenError),
        ("TOPIC_CLOSED", errors.AuthKeyError),
        ("AUTH_KEY_UNREGISTERED", errors.AuthKeyUnregisteredError),
    ],
)
async def test_any_rpc_error_can_be_answered(telegram: Telegram, sessions: Path, name: str, kind: type) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error(name, method=SEND, account=alice))

    async with connected(alice.session_file(sessions / "alice"), flood_sleep_threshold=0) as client:
        with pytest.raises(kind):
            await client.send_message("me", "refused")

    (request,) = telegram.requests(SEND)
    assert (request.error, request.executed, request.answered) == (name, False, True)
    assert telegram.messages(alice) == []


async def test_an_error_that_nobody_knows_needs_its_code() -> None:
    with pytest.raises(ValueError, match="which code"):
        Fault.error("SOMETHING_NEW")
    assert Fault.error("SOMETHING_NEW", code=406).refusal is not None


async def test_a_fault_hits_one_account_and_one_peer(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    ops, dev = (telegram.add_supergroup(title, members=[alice, bob]) for title in ("Ops", "Dev"))
    fault = telegram.faults.add(Fault.error("CHAT_WRITE_FORBIDDEN", method=SEND, account=alice, peer=ops))

    async with (
        connected(alice.session_file(sessions / "alice")) as client,
        connected(bob.session_file(sessions / "bob")) as other,
    ):
        await client.send_message(dev.marked_id, "elsewhere")
        await other.send_message(ops.marked_id, "somebody else")
        with pytest.raises(errors.ChatWriteForbiddenError):
            await client.send_message(ops.marked_id, "refused")
        telegram.faults.remove(fault)
        await client.send_message(ops.marked_id, "allowed")

    assert [message.text for message in telegram.messages(ops)] == ["somebody else", "allowed"]
    assert len(telegram.requests(SEND, account=alice, peer=ops)) == 2
    assert (fault.met, fault.hit) == (1, 1)


@pytest.mark.parametrize(("times", "nth", "refused"), [(2, None, [0, 1]), (None, 3, [2]), (None, None, [0, 1, 2, 3])])
async def test_a_fault_hits_the_first_few_or_one_or_all(
    telegram: Telegram, sessions: Path, times: int | None, nth: int | None, refused: list[int]
) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error("PEER_FLOOD", method=SEND, times=times, nth=nth))

    failed = []
    async with connected(alice.session_file(sessions / "alice")) as client:
        for number in range(4):
            try:
                await client.send_message("me", str(number))
            except errors.PeerFloodError:
                failed.append(number)

    assert failed == refused


async def test_faults_on_one_method_come_one_after_the_other(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error("PEER_FLOOD", method=SEND, times=1))
    telegram.faults.add(Fault.error("CHAT_WRITE_FORBIDDEN", method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice")) as client:
        with pytest.raises(errors.PeerFloodError):
            await client.send_message("me", "one")
        with pytest.raises(errors.ChatWriteForbiddenError):
            await client.send_message("me", "two")
        await client.send_message("me", "three")

    assert [request.error for request in telegram.requests(SEND)] == ["PEER_FLOOD", "CHAT_WRITE_FORBIDDEN", None]


async def test_an_error_can_come_though_the_request_was_executed(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.error_after("Timeout", code=-503, method=SEND))

    async with connected(alice.session_file(sessions / "alice")) as client:
        peer = await client.get_input_entity("me")
        with pytest.raises(errors.TimedOutError):
            await client._sender.send(functions.messages.SendMessageRequest(peer, "sent", random_id=1))

    assert [message.text for message in telegram.messages(alice)] == ["sent"]


async def test_a_request_can_hang_while_others_are_answered(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.hang(method=SEND))

    async with connected(alice.session_file(sessions / "alice")) as client:
        hanging = asyncio.create_task(client.send_message("me", "never"))
        await telegram.seen(SEND)
        assert await client.get_me()
        assert not hanging.done()
        hanging.cancel()

    (request,) = telegram.requests(SEND)
    assert (request.executed, request.answered) == (False, False)


async def test_a_request_can_be_executed_late(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.delay(0.05, method=SEND))

    async with connected(alice.session_file(sessions / "alice")) as client:
        sending = asyncio.create_task(client.send_message("me", "late"))
        (request,) = await telegram.seen(SEND)
        assert not request.executed
        await sending

    assert (request.executed, request.answered) == (True, True)


async def test_a_late_request_is_executed_though_its_client_is_gone(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.delay(0.05, method=SEND))

    async with connected(alice.session_file(sessions / "alice")) as client:
        sending = asyncio.create_task(client.send_message("me", "late"))
        (request,) = await telegram.seen(SEND)
        sending.cancel()
    await telegram.until(lambda: request.executed)

    assert not request.answered
    assert [message.text for message in telegram.messages(alice)] == ["late"]


@pytest.mark.parametrize("executed", [False, True])
async def test_a_connection_can_be_cut_before_or_after_the_request(
    telegram: Telegram, sessions: Path, executed: bool
) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add((Fault.drop_after if executed else Fault.drop_before)(method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0) as client:
        await client.send_message("me", "in the end")

    assert [request.executed for request in telegram.requests(SEND)] == [executed, True]
    assert [request.answered for request in telegram.requests(SEND)] == [False, True]
    assert [message.text for message in telegram.messages(alice)] == ["in the end"]
    assert telegram.accepted == 2


@pytest.mark.parametrize(("code", "status"), [(-404, 404), (-429, 429)])
async def test_the_transport_can_fail(telegram: Telegram, sessions: Path, code: int, status: int) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.transport(code, method=SEND, times=1))

    async with connected(alice.session_file(sessions / "alice")) as client:
        with pytest.raises((errors.AuthKeyNotFound, errors.InvalidBufferError)) as caught:
            await client.send_message("me", "never")
        assert not client.is_connected()

    assert getattr(caught.value, "code", 404) == status


async def test_pings_can_be_ignored(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.hang(method="ping"))

    async with connected(alice.session_file(sessions / "alice")) as client:
        client._sender._keepalive_ping(5)
        (ping,) = await telegram.seen("ping", account=alice)

    assert (ping.query.ping_id, ping.answered) == (5, False)
