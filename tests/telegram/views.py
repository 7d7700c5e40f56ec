"""How one account sees users, chats and messages: as TL objects, with access hashes that hold for this account only."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account, Standing
from tests.telegram.boxes import Arrival, Deletion, Message
from tests.telegram.chats import Chat, ChatKind

ALL_ADMIN_RIGHTS = types.ChatAdminRights(
    change_info=True, post_messages=True, edit_messages=True, delete_messages=True, ban_users=True, invite_users=True
)


def access_hash(viewer: Account, target: Account | Chat) -> int:
    """The hash by which this viewer, and no other, may name the target."""
    digest = sha256(f"{viewer.id} sees {type(target).__name__} {target.id}".encode()).digest()
    return int(struct.unpack_from("<q", digest)[0])


def user_of(viewer: Account, account: Account) -> Any:
    """The account as a TL user."""
    is_contact = account in viewer.contacts
    return types.User(
        account.id,
        is_self=viewer is account,
        contact=is_contact,
        mutual_contact=is_contact and viewer in account.contacts,
        deleted=account.standing is Standing.BANNED,
        bot=account.is_bot,
        bot_info_version=1 if account.is_bot else None,
        access_hash=access_hash(viewer, account),
        first_name=account.first_name,
        username=account.username,
        phone=account.phone if is_contact or viewer is account else None,
    )


def chat_of(viewer: Account, chat: Chat) -> Any:
    """The chat as a TL chat or channel."""
    rights = ALL_ADMIN_RIGHTS if viewer in chat.admins else None
    creator = bool(chat.admins) and viewer is chat.admins[0]
    left = viewer not in chat.members
    if chat.box is None:
        return types.Chat(
            chat.id, chat.title, types.ChatPhotoEmpty(), len(chat.members), chat.created_at, 1,
            creator=creator, left=left, admin_rights=rights,
        )  # fmt: skip
    return types.Channel(
        chat.id,
        chat.title,
        types.ChatPhotoEmpty(),
        chat.created_at,
        creator=creator,
        left=left,
        broadcast=chat.kind is ChatKind.CHANNEL,
        megagroup=chat.kind is ChatKind.SUPERGROUP,
        access_hash=access_hash(viewer, chat),
        username=chat.username,
        admin_rights=rights,
        participants_count=len(chat.members),
    )


def other_side(viewer: Account, message: Message) -> Account | Chat:
    """The chat in which the viewer sees the message: with whom, when it is private."""
    if isinstance(message.chat, Account) and viewer is message.chat:
        return message.sender
    return message.chat


def message_of(viewer: Account, arrival: Arrival) -> Any:
    """The message as a TL message."""
    message = arrival.message
    is_post = isinstance(message.chat, Chat) and message.chat.kind is ChatKind.CHANNEL
    is_out = viewer is message.sender
    # As in Telegram, an incoming private message names its sender only as the chat.
    named = not is_post and (isinstance(message.chat, Chat) or is_out)
    return types.Message(
        arrival.id,
        other_side(viewer, message).tl_peer,
        message.date,
        message.text,
        out=is_out,
        post=is_post,
        from_scheduled=message.from_scheduled,
        from_id=message.sender.tl_peer if named else None,
        reply_to=types.MessageReplyHeader(reply_to_msg_id=message.reply_to) if message.reply_to else None,
        entities=message.entities,
    )


def new_message_update(viewer: Account, arrival: Arrival, *, pts_count: int = 1) -> Any:
    """The update that brings a message."""
    in_own_box = isinstance(arrival.message.chat, Chat) and arrival.message.chat.box is not None
    kind = types.UpdateNewChannelMessage if in_own_box else types.UpdateNewMessage
    return kind(message_of(viewer, arrival), arrival.pts, pts_count)


def deletion_update(deletion: Deletion, channel: Chat | None) -> Any:
    """The update that takes messages away."""
    if channel is None:
        return types.UpdateDeleteMessages(list(deletion.ids), deletion.pts, len(deletion.ids))
    return types.UpdateDeleteChannelMessages(channel.id, list(deletion.ids), deletion.pts, len(deletion.ids))


@dataclass(slots=True)
class Cast:
    """Users and chats that have to come along with an answer, each once."""

    viewer: Account
    accounts: dict[int, Account] = field(default_factory=dict)
    rooms: dict[int, Chat] = field(default_factory=dict)

    def add(self, *faces: Account | Chat) -> "Cast":
        """Take these along."""
        for face in faces:
            if isinstance(face, Account):
                self.accounts[face.id] = face
            else:
                self.rooms[face.id] = face
        return self

    def add_of(self, messages: Iterable[Message]) -> "Cast":
        """Take along who wrote these messages, and where."""
        for message in messages:
            self.add(message.sender, message.chat)
        return self

    @property
    def users(self) -> list[Any]:
        """Them as TL users."""
        return [user_of(self.viewer, account) for account in self.accounts.values()]

    @property
    def chats(self) -> list[Any]:
        """Them as TL chats."""
        return [chat_of(self.viewer, chat) for chat in self.rooms.values()]


def updates_for(updates: list[Any], cast: Cast, *, at: datetime) -> Any:
    """Updates as they are pushed: without a sequence number, since order is what pts is for."""
    return types.Updates(updates, cast.users, cast.chats, at, 0)
