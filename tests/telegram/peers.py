"""From the TL peers of a request to accounts and chats: strictly, as a method does, or leniently, for the log."""

from typing import TYPE_CHECKING, Any

from telethon.tl import types

from tests.telegram.accounts import Account
from tests.telegram.chats import Chat
from tests.telegram.refusals import Refusal
from tests.telegram.views import access_hash

if TYPE_CHECKING:
    from tests.telegram.world import World

# In which fields of a request its peer stands, the first that is there.
FIELDS = ("peer", "to_peer", "channel", "chat_id", "user_id", "id")


class Peers:
    """Resolves the peers that one account names; without an account (nobody logged in) nothing but names resolve."""

    def __init__(self, world: "World", viewer: Account) -> None:
        self._world = world
        self._viewer = viewer

    def any(self, peer: Any) -> Account | Chat:
        """The account or chat; raises Refusal when it is unknown or the access hash is another account's."""
        if isinstance(peer, types.InputPeerChat):
            return self.basic_group(peer.chat_id)
        if isinstance(peer, types.InputPeerChannel):
            return self.channel(peer)
        return self.user(peer, refusal="PEER_ID_INVALID")

    def user(self, user: Any, *, refusal: str = "USER_ID_INVALID") -> Account:
        """The account that an InputUser or InputPeerUser names."""
        if isinstance(user, types.InputUserSelf | types.InputPeerSelf):
            return self._viewer
        account = self._world.account_by_id(getattr(user, "user_id", 0))
        if account is None or not self._knows(account, user.access_hash):
            raise Refusal(refusal)
        return account

    def basic_group(self, number: int) -> Chat:
        """The basic group with this id, of which the viewer has to be a member."""
        chat = self._world.chat_by_id(number)
        if chat is None or chat.box is not None or self._viewer not in chat.members:
            raise Refusal("CHAT_ID_INVALID")
        return chat

    def channel(self, channel: Any) -> Chat:
        """The supergroup or channel: the viewer's, or one that is public."""
        chat = self._world.chat_by_id(getattr(channel, "channel_id", 0))
        if chat is None or chat.box is None or not self._knows(chat, channel.access_hash):
            raise Refusal("CHANNEL_INVALID")
        if self._viewer not in chat.members and (chat.username is None or self._viewer in chat.banned):
            raise Refusal("USER_BANNED_IN_CHANNEL" if self._viewer in chat.banned else "CHANNEL_PRIVATE")
        return chat

    def _knows(self, target: Account | Chat, given: int) -> bool:
        # Bots may leave out the hash.
        return given == access_hash(self._viewer, target) or (self._viewer.is_bot and given == 0)


def peer_of(world: "World", viewer: Account | None, query: Any) -> Account | Chat | None:
    """Whom or what a request is about, by ids alone: what the log and the faults go by."""
    peer = next((value for name in FIELDS if (value := getattr(query, name, None)) is not None), None)
    if isinstance(peer, types.InputUserSelf | types.InputPeerSelf):
        return viewer
    if isinstance(peer, int):
        return world.chat_by_id(peer)
    if (number := getattr(peer, "user_id", None)) is not None:
        return world.account_by_id(number)
    number = getattr(peer, "channel_id", None) or getattr(peer, "chat_id", None)
    return None if number is None else world.chat_by_id(number)
