"""The list of an account's chats."""

from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account
from tests.telegram.boxes import Arrival
from tests.telegram.chats import Chat
from tests.telegram.methods.history import arrivals_in
from tests.telegram.methods.registry import Call, method
from tests.telegram.methods.updates import state_at
from tests.telegram.views import Cast, message_of, other_side


@method("messages.getDialogs", for_bots=False)
def get_dialogs(call: Call) -> Any:
    """A page of the account's chats, the latest message first."""
    peers = _latest_first(call)
    offset = call.query.offset_peer
    if not isinstance(offset, types.InputPeerEmpty):
        peers = peers[peers.index(call.peers.any(offset)) + 1 :]
    page = peers[: call.query.limit]
    dialogs, messages, cast = _shown(call, page)
    if len(page) == len(peers) and isinstance(offset, types.InputPeerEmpty):
        return types.messages.Dialogs(dialogs, messages, cast.chats, cast.users)
    return types.messages.DialogsSlice(len(_latest_first(call)), dialogs, messages, cast.chats, cast.users)


@method("messages.getPeerDialogs", for_bots=False)
def get_peer_dialogs(call: Call) -> Any:
    """The dialogs of certain chats."""
    peers = [call.peers.any(item.peer) for item in call.query.peers]
    dialogs, messages, cast = _shown(call, peers)
    state = state_at(call, call.viewer.box.pts)
    return types.messages.PeerDialogs(dialogs, messages, cast.chats, cast.users, state)


def _latest_first(call: Call) -> list[Account | Chat]:
    partners = (other_side(call.viewer, arrival.message) for arrival in call.viewer.box)
    peers = list(dict.fromkeys([*call.world.chats_of(call.viewer), *partners]))
    return sorted(peers, key=lambda peer: _date(call, peer), reverse=True)


def _date(call: Call, peer: Account | Chat) -> float:
    latest = _latest(call, peer)
    if latest is not None:
        return latest.message.date.timestamp()
    return peer.created_at.timestamp() if isinstance(peer, Chat) else 0


def _latest(call: Call, peer: Account | Chat) -> Arrival | None:
    return next(iter(arrivals_in(call.viewer, peer)), None)


def _shown(call: Call, peers: list[Account | Chat]) -> tuple[list[Any], list[Any], Cast]:
    latest = {peer: _latest(call, peer) for peer in peers}
    arrivals = [arrival for arrival in latest.values() if arrival is not None]
    cast = Cast(call.viewer).add(call.viewer, *peers).add_of(arrival.message for arrival in arrivals)
    dialogs = [_dialog(peer, arrival) for peer, arrival in latest.items()]
    return dialogs, [message_of(call.viewer, arrival) for arrival in arrivals], cast


def _dialog(peer: Account | Chat, latest: Arrival | None) -> Any:
    number = latest.id if latest else 0
    box = peer.box if isinstance(peer, Chat) else None
    return types.Dialog(
        peer.tl_peer, number, number, number, 0, 0, 0, 0, types.PeerNotifySettings(), pts=box.pts if box else None
    )
