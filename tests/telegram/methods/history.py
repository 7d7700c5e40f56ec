"""Messages of the past: reading them, deleting them, having read them."""

from collections.abc import Iterable
from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account
from tests.telegram.boxes import Arrival
from tests.telegram.chats import Chat
from tests.telegram.methods.registry import Call, method
from tests.telegram.views import Cast, message_of, other_side


def arrivals_in(viewer: Account, peer: Account | Chat) -> list[Arrival]:
    """What the viewer finds in a chat, newest first."""
    if isinstance(peer, Chat) and peer.box is not None:
        found = list(peer.box)
    else:
        found = [arrival for arrival in viewer.box if other_side(viewer, arrival.message) is peer]
    return found[::-1]


@method("messages.getHistory", for_bots=False)
def get_history(call: Call) -> Any:
    """A page of a chat's messages, newest first."""
    peer = call.peers.any(call.query.peer)
    return _page(call, peer, arrivals_in(call.viewer, peer))


@method("messages.search", for_bots=False)
def search(call: Call) -> Any:
    """A page of those of a chat's messages that contain a text, or come from somebody."""
    query = call.query
    peer = call.peers.any(query.peer)
    sender = call.peers.any(query.from_id) if query.from_id else None
    found = [
        arrival
        for arrival in arrivals_in(call.viewer, peer)
        if query.q.lower() in arrival.message.text.lower() and sender in {None, arrival.message.sender}
    ]
    return _page(call, peer, found)


@method("messages.getMessages")
def get_messages(call: Call) -> Any:
    """Messages of private chats and basic groups by their ids."""
    return _by_ids(call, [call.viewer.box.find(item.id) for item in call.query.id])


@method("channels.getMessages")
def get_channel_messages(call: Call) -> Any:
    """Messages of a supergroup or channel by their ids."""
    chat = call.peers.channel(call.query.channel)
    assert chat.box is not None
    return _by_ids(call, [chat.box.find(item.id) for item in call.query.id])


@method("messages.deleteMessages")
def delete_messages(call: Call) -> Any:
    """Delete messages of private chats and basic groups, for oneself or for all."""
    deletion = call.world.delete(call.viewer, call.query.id, for_all=bool(call.query.revoke), by=call.connection)
    return types.messages.AffectedMessages(deletion.pts, len(deletion.ids))


@method("channels.deleteMessages")
def delete_channel_messages(call: Call) -> Any:
    """Delete messages of a supergroup or channel for everyone."""
    chat = call.peers.channel(call.query.channel)
    deletion = call.world.delete_in_channel(chat, call.query.id, by=call.connection)
    return types.messages.AffectedMessages(deletion.pts, len(deletion.ids))


@method("messages.readHistory")
def read_history(call: Call) -> Any:
    """Having read is kept nowhere."""
    call.peers.any(call.query.peer)
    return types.messages.AffectedMessages(call.viewer.box.pts, 0)


@method("channels.readHistory")
def read_channel_history(call: Call) -> Any:
    """Having read is kept nowhere."""
    call.peers.channel(call.query.channel)
    return True


def _page(call: Call, peer: Account | Chat, newest_first: list[Arrival]) -> Any:
    query = call.query
    start = sum(query.offset_id and arrival.id >= query.offset_id for arrival in newest_first) + query.add_offset
    page = newest_first[max(0, start) : max(0, start + query.limit)]
    page = [arrival for arrival in page if arrival.id > query.min_id and arrival.id < (query.max_id or arrival.id + 1)]
    messages, cast = _shown(call, page)
    if isinstance(peer, Chat) and peer.box is not None:
        return types.messages.ChannelMessages(
            peer.box.pts, len(newest_first), messages, [], cast.add(peer).chats, cast.users
        )
    return types.messages.MessagesSlice(len(newest_first), messages, [], cast.chats, cast.users)


def _by_ids(call: Call, found: list[Arrival | None]) -> Any:
    messages, cast = _shown(call, [arrival for arrival in found if arrival is not None])
    return types.messages.Messages(messages, [], cast.chats, cast.users)


def _shown(call: Call, arrivals: Iterable[Arrival]) -> tuple[list[Any], Cast]:
    shown = list(arrivals)
    cast = Cast(call.viewer).add(call.viewer).add_of(arrival.message for arrival in shown)
    return [message_of(call.viewer, arrival) for arrival in shown], cast
