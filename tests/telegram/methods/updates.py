"""The state of an account's updates, and what it has missed."""

from typing import Any

from telethon.tl import types

from tests.telegram.boxes import Arrival, Box, Deletion
from tests.telegram.chats import Chat
from tests.telegram.methods.registry import Call, method
from tests.telegram.refusals import Refusal
from tests.telegram.views import Cast, deletion_update, message_of

SLICE = 100


@method("updates.getState")
def get_state(call: Call) -> Any:
    """The state up to which the account's box has come."""
    return state_at(call, call.viewer.box.pts)


@method("updates.getDifference")
def get_difference(call: Call) -> Any:
    """The account's events since a pts, at most a hundred at a time."""
    missed = _missed(call.viewer.box, call.query.pts)
    channels = _changed_channels(call)
    if not missed and not channels:
        return types.updates.DifferenceEmpty(call.world.now(), 0)
    part = missed[:SLICE]
    messages, others, cast = _parted(call, part, None)
    cast.add(*channels)
    others += [types.UpdateChannelTooLong(chat.id) for chat in channels]
    state = state_at(call, part[-1].pts if part else call.viewer.box.pts)
    kind = types.updates.Difference if len(part) == len(missed) else types.updates.DifferenceSlice
    return kind(messages, [], others, cast.chats, cast.users, state)


@method("updates.getChannelDifference")
def get_channel_difference(call: Call) -> Any:
    """A channel's events since a pts, at most `limit` at a time."""
    chat = call.peers.channel(call.query.channel)
    if call.viewer not in chat.members:
        raise Refusal("CHANNEL_PRIVATE")
    assert chat.box is not None
    missed = _missed(chat.box, call.query.pts)
    if not missed:
        return types.updates.ChannelDifferenceEmpty(chat.box.pts, final=True, timeout=30)
    part = missed[: min(call.query.limit, SLICE)]
    messages, others, cast = _parted(call, part, chat)
    final = len(part) == len(missed)
    return types.updates.ChannelDifference(
        part[-1].pts, messages, others, cast.chats, cast.users, final=final, timeout=30
    )


def state_at(call: Call, pts: int) -> Any:
    """A TL state with this pts; there are no secret chats and no sequence numbers."""
    return types.updates.State(pts, 0, call.world.now(), 0, 0)


def _changed_channels(call: Call) -> list[Chat]:
    """Those with news since the client's date, to the second; the client asks for their differences by itself."""
    since = int(call.query.date.timestamp())
    boxed = [(chat, chat.box) for chat in call.world.chats_of(call.viewer) if chat.box is not None]
    return [chat for chat, box in boxed if box.changed_at is not None and int(box.changed_at.timestamp()) >= since]


def _missed(box: Box, pts: int) -> list[Arrival | Deletion]:
    if not 0 < pts <= box.pts:
        raise Refusal("PERSISTENT_TIMESTAMP_INVALID")
    return box.since(pts)


def _parted(call: Call, events: list[Arrival | Deletion], channel: Chat | None) -> tuple[list[Any], list[Any], Cast]:
    arrivals = [event for event in events if isinstance(event, Arrival)]
    others = [deletion_update(event, channel) for event in events if isinstance(event, Deletion)]
    cast = Cast(call.viewer).add(call.viewer).add_of(arrival.message for arrival in arrivals)
    return [message_of(call.viewer, arrival) for arrival in arrivals], others, cast
