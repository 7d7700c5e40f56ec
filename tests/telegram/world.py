"""Who and what there is: accounts, chats, keys; delivering messages to those whom they concern."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telethon.tl import types

from tests.telegram.accounts import Account
from tests.telegram.boxes import Arrival, Deletion, Message
from tests.telegram.chats import Chat, ChatKind
from tests.telegram.codes import Codes
from tests.telegram.keys import Keys
from tests.telegram.scheduled import Scheduled, ScheduledMessage
from tests.telegram.sessions import string_session, write_session_file
from tests.telegram.views import Cast, deletion_update, new_message_update, updates_for
from tests.telegram.virtual_time import virtual_utc_now

if TYPE_CHECKING:
    from tests.telegram.connections import Connection

FIRST_USER_ID = 100_000_001
FIRST_BASIC_GROUP_ID = 4_000_001
FIRST_CHANNEL_ID = 1_500_000_001

# Updates are made only when somebody listens: a group of two hundred costs nothing while they are away.
Push = Callable[[Account, Callable[[], Any], "Connection | None"], None]


class World:
    """The state of the server, without any network; `push` carries updates to an account's live connections."""

    def __init__(self, push: Push) -> None:
        self.keys = Keys()
        self.codes = Codes()
        self.accounts: list[Account] = []
        self.chats: list[Chat] = []
        self.messages: list[Message] = []
        # By random_id, which never expires and is kept per account and peer.
        self.sent: dict[tuple[Account, Account | Chat, int], Arrival | ScheduledMessage] = {}
        self.scheduled = Scheduled(self)
        self.port = 0
        self._push = push
        self._user_ids = count(FIRST_USER_ID)
        self._chat_ids = {True: count(FIRST_BASIC_GROUP_ID), False: count(FIRST_CHANNEL_ID)}

    def now(self) -> datetime:
        """The server's wall clock; virtual in a loop with virtual time."""
        return virtual_utc_now()

    def add_account(self, first_name: str, *, is_bot: bool, username: str | None) -> Account:
        """A new account with a login; raises ValueError when the username is taken."""
        self._check_is_free(username)
        account = Account(self, first_name, number=next(self._user_ids), is_bot=is_bot, username=username)
        self.accounts.append(account)
        return account

    def add_chat(self, kind: ChatKind, title: str, *, username: str | None, members: list[Account]) -> Chat:
        """A new chat; raises ValueError when the username is taken."""
        self._check_is_free(username)
        number = next(self._chat_ids[kind is ChatKind.BASIC_GROUP])
        chat = Chat(self, kind, title, username=username, members=members, number=number)
        self.chats.append(chat)
        return chat

    def secret_for(self, number: int) -> str:
        """The part of a bot's token after the colon."""
        return "AA" + sha256(f"token of {number}".encode()).hexdigest()[:33]

    def chats_of(self, account: Account) -> list[Chat]:
        """The chats in which the account is a member."""
        return [chat for chat in self.chats if account in chat.members]

    def find(self, username: str) -> Account | Chat | None:
        """Who or what has this username; its case does not matter."""
        wanted = username.lower()
        faces: list[Account | Chat] = [*self.accounts, *self.chats]
        return next((face for face in faces if face.username and face.username.lower() == wanted), None)

    def _check_is_free(self, username: str | None) -> None:
        if username is not None and self.find(username) is not None:
            raise ValueError(f"the username {username} is taken; give another with username=…")

    def account_by_id(self, number: int) -> Account | None:
        """The account with this id."""
        index = number - FIRST_USER_ID
        return self.accounts[index] if 0 <= index < len(self.accounts) else None

    def chat_by_id(self, number: int) -> Chat | None:
        """The chat with this id; the ranges of basic groups and channels do not overlap."""
        return next((chat for chat in self.chats if chat.id == number), None)

    def account_by_phone(self, phone: str) -> Account | None:
        """The account with this phone number, written with or without a plus sign."""
        wanted = phone.removeprefix("+")
        return next((account for account in self.accounts if account.phone == wanted), None)

    def deliver(self, message: Message, *, by: "Connection | None" = None) -> Arrival:
        """Put the message into every box that it concerns and push it, except over the connection that sent it.

        Gives the arrival in the sender's box. Raises ValueError when the sender is no member of the chat.
        """
        arrivals = self._put(message)
        self.messages.append(message)
        for viewer, arrival in arrivals.items():
            self._push(viewer, partial(self._arrival_updates, viewer, arrival), by)
        return arrivals[message.sender]

    def _arrival_updates(self, viewer: Account, arrival: Arrival) -> Any:
        cast = Cast(viewer).add(viewer).add_of([arrival.message])
        return updates_for([new_message_update(viewer, arrival)], cast, at=self.now())

    def _put(self, message: Message) -> dict[Account, Arrival]:
        if isinstance(message.chat, Account):
            return {viewer: viewer.box.put(message) for viewer in dict.fromkeys((message.sender, message.chat))}
        if message.sender not in message.chat.members:
            raise ValueError(f"{message.sender} is not in {message.chat}")
        if message.chat.box is None:
            return {viewer: viewer.box.put(message) for viewer in message.chat.members}
        arrival = message.chat.box.put(message)
        return dict.fromkeys(message.chat.members, arrival)

    def delete(self, viewer: Account, ids: list[int], *, for_all: bool, by: "Connection") -> Deletion:
        """Take messages of private chats and basic groups out of the viewer's box, or out of everyone's."""
        found = [arrival.message for number in ids if (arrival := viewer.box.find(number)) is not None]
        accounts = [account for account in self.accounts if account is viewer or for_all]
        deletions = {account: account.box.take_out(account.box.ids_of(found), at=self.now()) for account in accounts}
        for account, deletion in deletions.items():
            if deletion.ids:
                self.push_update(account, deletion_update(deletion, None), by=by)
        return deletions[viewer]

    def delete_in_channel(self, chat: Chat, ids: list[int], *, by: "Connection") -> Deletion:
        """Take messages out of a supergroup or channel."""
        assert chat.box is not None
        deletion = chat.box.take_out(ids, at=self.now())
        for account in chat.members:
            self.push_update(account, deletion_update(deletion, chat), by=by)
        return deletion

    def push_update(self, account: Account, update: Any, *, by: "Connection | None" = None) -> None:
        """Push one update that needs no company."""
        self._push(account, lambda: updates_for([update], Cast(account), at=self.now()), by)

    def announce_login(self, account: Account) -> None:
        """Tell the account's live clients that another device has logged in."""
        self.push_update(
            account,
            types.UpdateNewAuthorization(1, unconfirmed=True, date=self.now(), device="another", location="elsewhere"),
        )

    def write_session_file(self, path: Path, secret: bytes, *, viewer: Account) -> Path:
        """Write a session file of the viewer, with all that it sees."""
        chats = self.chats_of(viewer)
        fellows = (member for chat in chats for member in chat.members)
        cast = Cast(viewer).add(viewer, *viewer.contacts, *fellows, *chats)
        cast.add_of(arrival.message for arrival in viewer.box)
        return write_session_file(path, secret, port=self.open_port(), users=cast.users, chats=cast.chats)

    def string_session(self, secret: bytes) -> str:
        """A string session with this key."""
        return string_session(secret, port=self.open_port())

    def open_port(self) -> int:
        """The port of the server; raises RuntimeError before it is entered."""
        if not self.port:
            raise RuntimeError("the server has no port before `async with Telegram()`")
        return self.port
