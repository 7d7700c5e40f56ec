"""Sending, and the rules of the random_id."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from telethon import errors, functions, types

from tests.telegram import Fault, Repeats, Telegram
from tests.telegram.clients import Inbox, connected
from tests.telegram.virtual_time import run_virtually

RANDOM_ID = 7


@pytest.mark.asyncio
async def test_messages_reach_users_and_every_kind_of_chat(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    chats = [
        telegram.add_basic_group("Basic", members=[alice, bob]),
        telegram.add_supergroup("Ops", members=[alice, bob]),
        telegram.add_channel("News", members=[alice, bob]),
    ]

    async with (
        connected(alice.session_file(sessions / "alice")) as client,
        connected(bob.session_file(sessions / "bob")) as receiver,
    ):
        inbox = Inbox(receiver)
        for chat in (*chats, bob):
            sent = await client.send_message(chat.marked_id, f"to {chat.id}")
            assert sent.raw_text == f"to {chat.id}"
        await inbox.holds(*(f"to {chat.id}" for chat in (*chats, bob)))

    assert {event.chat_id for event in inbox.events} == {*(chat.marked_id for chat in chats), alice.id}
    assert [[message.text for message in telegram.messages(chat)] for chat in (*chats, bob)] == [
        [f"to {chat.id}"] for chat in (*chats, bob)
    ]
    assert [message.sender for message in telegram.messages(bob, alice)] == [alice]


@pytest.mark.asyncio
async def test_a_used_random_id_gives_the_first_message_again(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with connected(alice.session_file(sessions / "alice")) as client:
        request = functions.messages.SendMessageRequest(group.marked_id, "once", random_id=RANDOM_ID)
        first = await client(request)
        again = await client(request)

    numbers = [update.id for answer in (first, again) for update in answer.updates if hasattr(update, "random_id")]
    assert numbers == [1, 1]
    assert [update.pts_count for answer in (first, again) for update in answer.updates[1:]] == [1, 0]
    assert len(telegram.messages(group)) == 1


@pytest.mark.asyncio
async def test_a_used_random_id_is_refused_where_so_set(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    telegram.repeats = Repeats.ERROR

    async with connected(alice.session_file(sessions / "alice")) as client:
        peer = await client.get_input_entity("bob")
        await client(functions.messages.SendMessageRequest(peer, "once", random_id=RANDOM_ID))
        future = client._sender.send(functions.messages.SendMessageRequest(peer, "once", random_id=RANDOM_ID))
        with pytest.raises(errors.RandomIdDuplicateError):
            await future

    assert len(telegram.messages(alice, bob)) == 1


@pytest.mark.asyncio
async def test_random_ids_are_kept_per_account_and_peer(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    groups = [telegram.add_supergroup(title, members=[alice, bob]) for title in ("Ops", "Dev")]

    for account in (alice, bob):
        async with connected(account.session_file(sessions / account.first_name)) as client:
            for group in groups:
                await client(functions.messages.SendMessageRequest(group.marked_id, "hi", random_id=RANDOM_ID))

    assert [len(telegram.messages(group)) for group in groups] == [2, 2]


@pytest.mark.asyncio
async def test_a_random_id_whose_first_call_still_runs_is_refused(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.faults.add(Fault.delay(0.2, method="messages.sendMessage", times=1))

    async with connected(alice.session_file(sessions / "alice")) as client:
        request = functions.messages.SendMessageRequest(types.InputPeerSelf(), "once", random_id=RANDOM_ID)
        first = client._sender.send(request)
        await telegram.seen("messages.sendMessage")
        with pytest.raises(errors.RandomIdDuplicateError):
            await client._sender.send(request)
        await first

    assert len(telegram.messages(alice)) == 1


@pytest.mark.asyncio
async def test_who_may_not_write_is_refused(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    news = telegram.add_channel("News", members=[bob, alice])
    ops = telegram.add_supergroup("Ops", members=[bob, alice])
    quiet = telegram.add_supergroup("Quiet", members=[bob, alice])
    path = alice.session_file(sessions / "alice")
    ops.ban(alice)
    quiet.read_only = True

    async with connected(path) as client:
        with pytest.raises(errors.ChatAdminRequiredError):
            await client.send_message(news.marked_id, "hi")
        with pytest.raises(errors.UserBannedInChannelError):
            await client.send_message(ops.marked_id, "hi")
        with pytest.raises(errors.ChatWriteForbiddenError):
            await client.send_message(quiet.marked_id, "hi")
        bob.blocked.append(alice)
        with pytest.raises(errors.UserIsBlockedError):
            await client.send_message(bob.id, "hi")
        bob.ban()
        with pytest.raises(errors.InputUserDeactivatedError):
            await client.send_message(bob.id, "hi")

    assert [len(telegram.messages(chat)) for chat in (news, ops, quiet, bob)] == [0, 0, 0, 0]


def test_a_scheduled_message_is_published_when_it_is_due(sessions: Path) -> None:
    async def an_hour() -> None:
        async with Telegram() as telegram:
            alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
            group = telegram.add_supergroup("Ops", members=[alice, bob])
            async with (
                connected(alice.session_file(sessions / "alice")) as client,
                connected(bob.session_file(sessions / "bob")) as receiver,
            ):
                inbox = Inbox(receiver)
                late = await client.send_message(group.marked_id, "later", schedule=timedelta(hours=1))
                never = await client.send_message(group.marked_id, "never", schedule=timedelta(minutes=30))
                waiting = await client.get_messages(group.marked_id, limit=None, scheduled=True)
                await client(functions.messages.DeleteScheduledMessagesRequest(group.marked_id, [never.id]))
                await asyncio.sleep(3000)
                assert telegram.messages(group) == []
                assert await inbox.holds("later", within=700) == ["later"]

            assert [message.id for message in waiting] == [never.id, late.id]
            assert [message.from_scheduled for message in telegram.messages(group)] == [True]

    run_virtually(an_hour())


@pytest.mark.asyncio
async def test_a_bot_cannot_schedule(telegram: Telegram, sessions: Path) -> None:
    bot = telegram.add_bot("echo_bot")
    group = telegram.add_supergroup("Ops", members=[bot])

    async with connected(bot.session_file(sessions / "bot")) as client:
        with pytest.raises(errors.ScheduleBotNotAllowedError):
            await client.send_message(group.marked_id, "later", schedule=timedelta(hours=1))
