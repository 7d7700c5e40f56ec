"""Groups and channels: what they are, who is in them, coming and going."""

from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account
from tests.telegram.chats import Chat
from tests.telegram.methods.registry import Call, method
from tests.telegram.refusals import Refusal
from tests.telegram.views import ALL_ADMIN_RIGHTS, Cast, chat_of, updates_for


@method("messages.getChats")
def get_chats(call: Call) -> Any:
    """Basic groups by their ids."""
    return types.messages.Chats([chat_of(call.viewer, call.peers.basic_group(number)) for number in call.query.id])


@method("channels.getChannels")
def get_channels(call: Call) -> Any:
    """Supergroups and channels."""
    return types.messages.Chats([chat_of(call.viewer, call.peers.channel(channel)) for channel in call.query.id])


@method("messages.getFullChat")
def get_full_chat(call: Call) -> Any:
    """A basic group with its members."""
    chat = call.peers.basic_group(call.query.chat_id)
    members = [types.ChatParticipant(member.id, chat.admins[0].id, chat.created_at) for member in chat.members]
    full = types.ChatFull(chat.id, "", types.ChatParticipants(chat.id, members, 1), types.PeerNotifySettings())
    cast = Cast(call.viewer).add(chat, *chat.members)
    return types.messages.ChatFull(full, cast.chats, cast.users)


@method("channels.getFullChannel")
def get_full_channel(call: Call) -> Any:
    """A supergroup or channel with the little that is known besides."""
    chat = call.peers.channel(call.query.channel)
    assert chat.box is not None
    full = types.ChannelFull(
        chat.id, "", 0, 0, 0, types.PhotoEmpty(0), types.PeerNotifySettings(), [], chat.box.pts,
        can_view_participants=True, participants_count=len(chat.members),
    )  # fmt: skip
    return types.messages.ChatFull(full, Cast(call.viewer).add(chat).chats, [])


@method("channels.getParticipants")
def get_participants(call: Call) -> Any:
    """A page of the members."""
    chat = call.peers.channel(call.query.channel)
    page = chat.members[call.query.offset :][: call.query.limit]
    cast = Cast(call.viewer).add(chat, *page)
    participants = [_participant(call, chat, member) for member in page]
    return types.channels.ChannelParticipants(len(chat.members), participants, cast.chats, cast.users)


@method("channels.getParticipant")
def get_participant(call: Call) -> Any:
    """One member."""
    chat = call.peers.channel(call.query.channel)
    account = call.peers.any(call.query.participant)
    if not isinstance(account, Account) or account not in chat.members:
        raise Refusal("USER_NOT_PARTICIPANT")
    cast = Cast(call.viewer).add(chat, account)
    return types.channels.ChannelParticipant(_participant(call, chat, account), cast.chats, cast.users)


@method("channels.joinChannel")
def join_channel(call: Call) -> Any:
    """Become a member of a public chat."""
    chat = call.peers.channel(call.query.channel)
    chat.add(call.viewer)
    return _changed(call, chat)


@method("channels.leaveChannel")
def leave_channel(call: Call) -> Any:
    """Be a member no more."""
    chat = call.peers.channel(call.query.channel)
    if call.viewer not in chat.members:
        raise Refusal("USER_NOT_PARTICIPANT")
    chat.remove(call.viewer)
    return _changed(call, chat)


@method("channels.inviteToChannel", for_bots=False)
def invite_to_channel(call: Call) -> Any:
    """Make others members."""
    chat = call.peers.channel(call.query.channel)
    for user in call.query.users:
        chat.add(call.peers.user(user))
    return types.messages.InvitedUsers(_changed(call, chat), [])


@method("messages.addChatUser", for_bots=False)
def add_chat_user(call: Call) -> Any:
    """Make another a member of a basic group."""
    chat = call.peers.basic_group(call.query.chat_id)
    chat.add(call.peers.user(call.query.user_id))
    return types.messages.InvitedUsers(_changed(call, chat), [])


@method("messages.deleteChatUser")
def delete_chat_user(call: Call) -> Any:
    """Leave a basic group, or remove another from it."""
    chat = call.peers.basic_group(call.query.chat_id)
    account = call.peers.user(call.query.user_id)
    if account is not call.viewer and call.viewer not in chat.admins:
        raise Refusal("CHAT_ADMIN_REQUIRED")
    if account not in chat.members:
        raise Refusal("USER_NOT_PARTICIPANT")
    chat.remove(account)
    return _changed(call, chat)


def _changed(call: Call, chat: Chat) -> Any:
    updates = [] if chat.box is None else [types.UpdateChannel(chat.id)]
    return updates_for(updates, Cast(call.viewer).add(chat), at=call.world.now())


def _participant(call: Call, chat: Chat, member: Account) -> Any:
    if chat.admins and member is chat.admins[0]:
        return types.ChannelParticipantCreator(member.id, ALL_ADMIN_RIGHTS)
    if member is call.viewer:
        return types.ChannelParticipantSelf(member.id, member.id, chat.created_at)
    return types.ChannelParticipant(member.id, chat.created_at)
