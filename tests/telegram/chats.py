"""Basic groups, supergroups and channels."""

from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING

from telethon.tl import types

from tests.telegram.boxes import Box, Message
from tests.telegram.peer import Peer

if TYPE_CHECKING:
    from tests.telegram.accounts import Account
    from tests.telegram.world import World


class ChatKind(Enum):
    """What sort of chat it is; only a basic group has no box of its own."""

    BASIC_GROUP = auto()
    SUPERGROUP = auto()
    CHANNEL = auto()


class Chat(Peer):
    """One chat. The first member is its creator; in a channel only admins post."""

    def __init__(
        self, world: "World", kind: ChatKind, title: str, *, username: str | None, members: "list[Account]", number: int
    ) -> None:
        self._world = world
        self.kind = kind
        self.id = number
        self.title = title
        self.username = username
        self.members = list(members)
        self.admins = list(members[:1])
        self.banned: list[Account] = []
        self.read_only = False  # only admins may write
        self.created_at: datetime = world.now()
        self.box: Box | None = None if kind is ChatKind.BASIC_GROUP else Box()

    def __repr__(self) -> str:
        return f"<{self.kind.name.lower()} {self.title!r} {self.id}>"

    @property
    def marked_id(self) -> int:
        """The id as Telethon's `chat_id` shows it: negative, with -100 in front for supergroups and channels."""
        return -self.id if self.box is None else -(1_000_000_000_000 + self.id)

    @property
    def tl_peer(self) -> "types.TypePeer":
        """The chat as a TL peer."""
        return types.PeerChat(self.id) if self.box is None else types.PeerChannel(self.id)

    def receives(self, text: str, *, sender: "Account") -> Message:
        """Deliver a message of a member to everyone here."""
        return self._world.deliver(Message(text=text, sender=sender, chat=self, date=self._world.now())).message

    def add(self, account: "Account") -> None:
        """Make the account a member, without a word to anyone's client."""
        if account not in self.members:
            self.members.append(account)

    def remove(self, account: "Account") -> None:
        """The account is a member no more; its client hears of it on its next try."""
        self.members.remove(account)

    def ban(self, account: "Account") -> None:
        """Remove the account and refuse it from now on."""
        if account in self.members:
            self.remove(account)
        self.banned.append(account)
