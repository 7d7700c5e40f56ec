"""Chats, their members, and how accounts find each other."""

from pathlib import Path

import pytest
from telethon import errors, functions, types

from tests.telegram import Telegram
from tests.telegram.clients import client_for, connected

pytestmark = pytest.mark.asyncio


async def test_ids_resolve_without_a_request(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    chats = [telegram.add_basic_group("Basic", members=[alice, bob]), telegram.add_supergroup("Ops", members=[alice])]

    client = client_for(alice.session_file(sessions / "alice"))
    for face in (bob, *chats):
        assert await client.get_input_entity(face.marked_id)
    await client.disconnect()

    assert telegram.requests() == []


async def test_access_hashes_hold_for_one_account_only(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])

    async with (
        connected(alice.session_file(sessions / "alice")) as client,
        connected(bob.session_file(sessions / "bob")) as other,
    ):
        for face in (alice, group):
            with pytest.raises((errors.PeerIdInvalidError, errors.ChannelInvalidError)):
                await client.send_message(await other.get_input_entity(face.marked_id), "stolen hash")
        assert (await client.get_input_entity(bob.id)).access_hash != (await other.get_me()).access_hash


async def test_dialogs_come_with_the_latest_message_first(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    groups = [telegram.add_supergroup(f"Group {number}", members=[alice, bob]) for number in range(120)]
    groups[50].receives("news", sender=bob)

    async with connected(alice.session_file(sessions / "alice")) as client:
        dialogs = await client.get_dialogs()

    assert {dialog.name for dialog in dialogs} == {group.title for group in groups}
    assert next(dialog.message.raw_text for dialog in dialogs if dialog.name == "Group 50") == "news"


async def test_history_comes_in_pages(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
    group = telegram.add_supergroup("Ops", members=[alice, bob])
    for number in range(1, 251):
        group.receives(f"message {number}", sender=bob)

    async with connected(alice.session_file(sessions / "alice")) as client:
        everything = await client.get_messages(group.marked_id, limit=300)
        forwards = [message async for message in client.iter_messages(group.marked_id, limit=3, reverse=True)]
        found = await client.get_messages(group.marked_id, limit=20, search="message 24")
        one = await client.get_messages(group.marked_id, ids=7)

    assert [message.id for message in everything] == list(range(250, 0, -1))
    assert [message.id for message in forwards] == [1, 2, 3]
    assert [message.id for message in found] == [*range(249, 239, -1), 24]
    assert one.raw_text == "message 7"


async def test_names_and_numbers_are_resolved(telegram: Telegram, sessions: Path) -> None:
    alice, bob = telegram.add_user("alice"), telegram.add_user("bob", username="Robert")
    news = telegram.add_channel("News", members=[bob], username="news_of_bob")

    async with connected(alice.session_file(sessions / "alice")) as client:
        assert (await client.get_entity("@robert")).id == bob.id
        assert (await client.get_entity("news_of_bob")).title == "News"
        assert (await client(functions.contacts.ResolvePhoneRequest(bob.phone))).users[0].id == bob.id
        with pytest.raises(ValueError, match="nobody"):
            await client.get_entity("nobody")
        with pytest.raises(ValueError, match="Could not find the input entity"):
            await client.get_input_entity(telegram.add_user("stranger").id)
        assert (await client.get_me()).username == "alice"
    assert news.members == [bob]


async def test_contacts_are_added_imported_and_deleted(telegram: Telegram, sessions: Path) -> None:
    alice, bob, carol = (telegram.add_user(name) for name in ("alice", "bob", "carol"))

    async with connected(alice.session_file(sessions / "alice")) as client:
        await client(functions.contacts.AddContactRequest("bob", "Bob", "", bob.phone))
        cards = [
            types.InputPhoneContact(1, f"+{carol.phone}", "Carol", ""),
            types.InputPhoneContact(2, "+999000000", "Nobody", ""),
        ]
        imported = await client(functions.contacts.ImportContactsRequest(cards))
        contacts = await client(functions.contacts.GetContactsRequest(0))
        await client(functions.contacts.DeleteContactsRequest(["bob"]))

    assert [entry.user_id for entry in imported.imported] == [carol.id]
    assert {user.phone for user in contacts.users} == {bob.phone, carol.phone}
    assert alice.contacts == [carol]


async def test_members_come_and_go(telegram: Telegram, sessions: Path) -> None:
    alice, bob, carol = (telegram.add_user(name) for name in ("alice", "bob", "carol"))
    club = telegram.add_supergroup("Club", members=[bob], username="the_club")
    basic = telegram.add_basic_group("Basic", members=[alice, bob])
    secret = telegram.add_supergroup("Secret", members=[bob, alice])
    path = alice.session_file(sessions / "alice")
    secret.remove(alice)

    async with connected(path) as client:
        await client(functions.channels.JoinChannelRequest("the_club"))
        await client(functions.channels.InviteToChannelRequest("the_club", ["carol"]))
        members = await client.get_participants("the_club")
        full = await client(functions.channels.GetFullChannelRequest("the_club"))
        await client(functions.channels.LeaveChannelRequest("the_club"))
        await client(functions.messages.AddChatUserRequest(basic.id, "carol", 0))
        await client.kick_participant(basic.marked_id, "bob")
        with pytest.raises(errors.ChannelPrivateError):
            await client.get_entity(secret.marked_id)

    assert [member.id for member in members] == [bob.id, alice.id, carol.id]
    assert full.full_chat.participants_count == 3
    assert (club.members, basic.members) == ([bob, carol], [alice, carol])


async def test_a_bot_may_not_read_history(telegram: Telegram, sessions: Path) -> None:
    bot = telegram.add_bot("echo_bot")
    group = telegram.add_supergroup("Ops", members=[bot])

    async with connected(bot.session_file(sessions / "bot")) as client:
        with pytest.raises(errors.BotMethodInvalidError):
            await client.get_messages(group.marked_id)
        with pytest.raises(errors.BotMethodInvalidError):
            await client.get_dialogs()


async def test_a_bot_needs_no_access_hash(telegram: Telegram) -> None:
    bot, alice = telegram.add_bot("echo_bot"), telegram.add_user("alice")
    group = telegram.add_supergroup("Ops", members=[bot, alice])

    async with connected(bot.string_session()) as client:
        await client.send_message(group.marked_id, "to the group")
        await client.send_message(types.PeerUser(alice.id), "to the user")

    assert [message.text for message in telegram.world.messages] == ["to the group", "to the user"]


async def test_a_username_is_given_once(telegram: Telegram) -> None:
    telegram.add_user("alice")

    with pytest.raises(ValueError, match="Alice is taken"):
        telegram.add_bot("Alice")
    assert telegram.add_user("Alice Smith").username is None
