"""Sending, now or later, and the rules of the random_id."""

from datetime import timedelta
from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account, Standing
from tests.telegram.boxes import Arrival, Message
from tests.telegram.chats import Chat, ChatKind
from tests.telegram.faults import Repeats
from tests.telegram.methods.registry import Call, method
from tests.telegram.refusals import Refusal
from tests.telegram.scheduled import MOST_PER_CHAT, ScheduledMessage
from tests.telegram.views import Cast, message_of, new_message_update, updates_for

LONGEST_TEXT = 4096
SENT_AT_ONCE = timedelta(seconds=10)  # a schedule nearer than this is none
FARTHEST_SCHEDULE = timedelta(days=365)


@method("messages.sendMessage")
def send_message(call: Call) -> Any:
    """Deliver a message, unless its random_id was used in this chat before: then it is that message again."""
    query = call.query
    peer = call.peers.any(query.peer)
    first = call.world.sent.get((call.viewer, peer, query.random_id))
    if first is not None:
        if call.settings.repeats is Repeats.ERROR:
            raise Refusal("RANDOM_ID_DUPLICATE")
        return _scheduled(call, first) if isinstance(first, ScheduledMessage) else _repeated(call, first)
    check_may_write(call.viewer, peer)
    if not query.message or len(query.message) > LONGEST_TEXT:
        raise Refusal("MESSAGE_TOO_LONG" if query.message else "MESSAGE_EMPTY")
    message = Message(
        text=query.message,
        sender=call.viewer,
        chat=peer,
        date=call.world.now(),
        random_id=query.random_id,
        reply_to=getattr(query.reply_to, "reply_to_msg_id", None),
        entities=query.entities or [],
    )
    if query.schedule_date and query.schedule_date - call.world.now() >= SENT_AT_ONCE:
        return _schedule(call, message)
    arrival = call.world.deliver(message, by=call.connection)
    call.world.sent[call.viewer, peer, query.random_id] = arrival
    return _delivered(call, arrival)


def check_may_write(account: Account, peer: Account | Chat) -> None:
    """Raise the refusal that Telegram has for an account that may not write there."""
    if isinstance(peer, Account):
        if peer.standing is Standing.BANNED:
            raise Refusal("INPUT_USER_DEACTIVATED")
        if account in peer.blocked:
            raise Refusal("USER_IS_BLOCKED")
        return
    if account in peer.banned:
        raise Refusal("USER_BANNED_IN_CHANNEL")
    if account not in peer.members or (peer.read_only and account not in peer.admins):
        raise Refusal("CHAT_WRITE_FORBIDDEN")
    if peer.kind is ChatKind.CHANNEL and account not in peer.admins:
        raise Refusal("CHAT_ADMIN_REQUIRED")


def _delivered(call: Call, arrival: Arrival) -> Any:
    message = arrival.message
    if isinstance(message.chat, Chat) and message.chat.box is not None:
        return _with_id(call, arrival, new_message_update(call.viewer, arrival))
    return types.UpdateShortSentMessage(arrival.id, arrival.pts, 1, message.date, out=True, entities=message.entities)


def _repeated(call: Call, first: Arrival) -> Any:
    return _with_id(call, first, new_message_update(call.viewer, first, pts_count=0))


def _with_id(call: Call, arrival: Arrival, update: Any) -> Any:
    # Without UpdateMessageID Telethon cannot tell which message is the answer, and `send_message` gives None.
    updates = [types.UpdateMessageID(arrival.id, call.query.random_id), update]
    cast = Cast(call.viewer).add(call.viewer).add_of([arrival.message])
    return updates_for(updates, cast, at=arrival.message.date)


def _schedule(call: Call, message: Message) -> Any:
    due = call.query.schedule_date
    if call.viewer.is_bot:
        raise Refusal("SCHEDULE_BOT_NOT_ALLOWED")
    if due - call.world.now() > FARTHEST_SCHEDULE:
        raise Refusal("SCHEDULE_DATE_TOO_LATE")
    if len(call.world.scheduled.of(call.viewer, message.chat)) >= MOST_PER_CHAT:
        raise Refusal("SCHEDULE_TOO_MUCH")
    entry = call.world.scheduled.add(message, due)
    call.world.sent[call.viewer, message.chat, call.query.random_id] = entry
    return _scheduled(call, entry)


def _scheduled(call: Call, entry: ScheduledMessage) -> Any:
    updates = [
        types.UpdateMessageID(entry.id, call.query.random_id),
        types.UpdateNewScheduledMessage(scheduled_message(call.viewer, entry)),
    ]
    return updates_for(updates, Cast(call.viewer).add_of([entry.message]), at=call.world.now())


def scheduled_message(viewer: Account, entry: ScheduledMessage) -> Any:
    """A scheduled message as its author sees it: under its own id, dated when it is due."""
    message = message_of(viewer, Arrival(pts=0, id=entry.id, message=entry.message))
    message.date = entry.due
    return message


@method("messages.getScheduledHistory")
def get_scheduled_history(call: Call) -> Any:
    """What the account has scheduled in a chat, the latest first."""
    peer = call.peers.any(call.query.peer)
    entries = call.world.scheduled.of(call.viewer, peer)[::-1]
    cast = Cast(call.viewer).add_of(entry.message for entry in entries)
    return types.messages.Messages(
        [scheduled_message(call.viewer, entry) for entry in entries], [], cast.chats, cast.users
    )


@method("messages.deleteScheduledMessages")
def delete_scheduled_messages(call: Call) -> Any:
    """Take scheduled messages back."""
    peer = call.peers.any(call.query.peer)
    entries = [entry for entry in call.world.scheduled.of(call.viewer, peer) if entry.id in call.query.id]
    call.world.scheduled.cancel(entries)
    gone = types.UpdateDeleteScheduledMessages(peer.tl_peer, [entry.id for entry in entries])
    return updates_for([gone], Cast(call.viewer).add(peer), at=call.world.now())


@method("messages.setTyping")
def set_typing(call: Call) -> Any:
    """Nobody is shown the typing."""
    call.peers.any(call.query.peer)
    return True
