"""Pushed messages, and those that were missed."""

from pathlib import Path

import pytest

from tests.telegram import Telegram
from tests.telegram.clients import Inbox, connected

pytestmark = pytest.mark.asyncio


async def test_private_and_group_messages_are_pushed(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    basic = telegram.add_basic_group("Basic", members=[alice, bob])
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with connected(alice.session_file(sessions / "alice")) as client:
        inbox = Inbox(client)
        alice.receives("private", sender=bob)
        basic.receives("basic", sender=bob)
        group.receives("super", sender=bob)
        await inbox.holds("private", "basic", "super")

    assert sorted((event.raw_text, event.chat_id, event.sender_id) for event in inbox.events) == [
        ("basic", basic.marked_id, bob.id),
        ("private", bob.id, bob.id),
        ("super", group.marked_id, bob.id),
    ]


async def test_every_pushed_message_counts_one_pts(telegram: Telegram, sessions: Path) -> None:
    """So that no client ever asks for a difference while all goes well."""
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    basic = telegram.add_basic_group("Basic", members=[alice, bob])
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with connected(alice.session_file(sessions / "alice")) as client:
        inbox = Inbox(client)
        for number in range(5):
            alice.receives(f"private {number}", sender=bob)
            await client.send_message("me", f"own {number}")
            basic.receives(f"basic {number}", sender=bob)
            await client.send_message(group.marked_id, f"own {number}")
            group.receives(f"super {number}", sender=bob)
        await inbox.holds("private 4", "basic 4", "super 4")

    assert len(inbox.texts) == 15
    assert len(telegram.requests("updates.getDifference")) == 1
    assert telegram.requests("updates.getChannelDifference") == []


async def test_missed_messages_come_with_catch_up(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    basic = telegram.add_basic_group("Basic", members=[alice, bob])
    group = telegram.add_supergroup("Ops", members=[alice, bob])
    path = alice.session_file(sessions / "alice")
    async with connected(path) as client:
        inbox = Inbox(client)
        group.receives("before", sender=bob)
        await inbox.holds("before")
    alice.receives("private", sender=bob)
    basic.receives("basic", sender=bob)
    group.receives("super", sender=bob)

    async with connected(path, catch_up=True) as client:
        texts = await Inbox(client).holds("private", "basic", "super")

    assert sorted(texts) == ["basic", "private", "super"]


async def test_a_gap_is_filled_by_asking_for_the_difference(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with connected(alice.session_file(sessions / "alice")) as client:
        inbox = Inbox(client)
        group.receives("heard", sender=bob)
        await inbox.holds("heard")
        telegram.deafen(alice)
        alice.receives("missed", sender=bob)
        group.receives("missed in the group", sender=bob)
        telegram.undeafen(alice)
        alice.receives("next", sender=bob)
        group.receives("next in the group", sender=bob)
        await inbox.holds("missed", "next", "missed in the group", "next in the group")

    assert len(telegram.requests("updates.getChannelDifference")) == 1


async def test_a_long_absence_is_made_good_in_slices(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    path = alice.session_file(sessions / "alice")
    async with connected(path):
        pass
    for number in range(250):
        alice.receives(f"message {number}", sender=bob)

    async with connected(path, catch_up=True) as client:
        texts = await Inbox(client).holds("message 249")

    assert sorted(texts) == sorted(f"message {number}" for number in range(250))
    assert len(telegram.requests("updates.getDifference")) == 4


async def test_a_deaf_connection_gets_answers_and_no_updates(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with connected(alice.session_file(sessions / "alice")) as client:
        inbox = Inbox(client)
        telegram.deafen(alice)
        group.receives("unheard", sender=bob)
        history = await client.get_messages(group.marked_id)
        (connection,) = telegram.connections_of(alice)

    assert [message.raw_text for message in history] == ["unheard"]
    assert (connection.pushed, inbox.texts) == (0, [])


async def test_a_deaf_account_stays_deaf_after_a_reconnection(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    alice.deaf = True

    async with connected(alice.session_file(sessions / "alice"), retry_delay=0) as client:
        inbox = Inbox(client)
        telegram.drop_connections(alice)
        await telegram.seen("users.getUsers", account=alice, count=2)
        alice.receives("unheard", sender=bob)
        assert [connection.pushed for connection in telegram.connections] == [0]
        alice.deaf = False
        alice.receives("heard", sender=bob)
        await inbox.holds("unheard", "heard")


async def test_a_client_without_updates_is_pushed_none(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")

    async with connected(alice.session_file(sessions / "alice"), receive_updates=False) as client:
        inbox = Inbox(client)
        alice.receives("unheard", sender=bob)
        await client.get_me()
        (connection,) = telegram.connections_of(alice)

    assert (connection.wants_updates, connection.pushed, inbox.texts) == (False, 0, [])


async def test_two_clients_of_one_account_both_hear(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    desk = connected(alice.session_file(sessions / "desk"))
    phone = connected(alice.session_file(sessions / "phone", key=alice.log_in_elsewhere()))

    async with desk as first, phone as second:
        inboxes = [Inbox(first), Inbox(second)]
        alice.receives("hello", sender=bob)
        assert [await inbox.holds("hello") for inbox in inboxes] == [["hello"], ["hello"]]


async def test_deleted_messages_are_gone_for_both_sides(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with connected(alice.session_file(sessions / "alice")) as client:
        inbox = Inbox(client)
        await client.delete_messages(group.marked_id, [(await client.send_message(group.marked_id, "oops")).id])
        await client.delete_messages(None, [(await client.send_message("bob", "oops")).id])
        group.receives("after", sender=bob)
        alice.receives("after too", sender=bob)
        await inbox.holds("after", "after too")

        assert [message.raw_text for message in await client.get_messages(group.marked_id, 9)] == ["after"]
        assert [message.raw_text for message in await client.get_messages("bob", 9)] == ["after too"]
    assert [arrival.message.text for arrival in bob.box] == ["after too"]
    assert len(telegram.requests("updates.getDifference")) == 1
