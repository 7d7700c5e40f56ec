"""The server: what a test enters, asks and turns."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from telethon import TelegramClient

from tests.telegram.accounts import Account
from tests.telegram.boxes import Message
from tests.telegram.chats import Chat, ChatKind
from tests.telegram.connections import Connection
from tests.telegram.dispatch import Dispatcher
from tests.telegram.faults import Duplicates, Faults
from tests.telegram.keys import Key
from tests.telegram.peer import Peer
from tests.telegram.requests import WAIT_SECONDS, Changes, Pattern, Request, RequestLog
from tests.telegram.sessions import ADDRESS, write_session_file
from tests.telegram.settings import Settings
from tests.telegram.world import World

BACKLOG = 4096


class Telegram(Settings):
    """A Telegram of one's own on loopback; see the package's docstring for how to use it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self._push)
        self.faults = Faults()
        self.log = RequestLog()
        self.changes = Changes()
        self.connections: list[Connection] = []
        self.accepted = 0
        self.unknown_methods: set[str] = set()
        self.failures: list[Exception] = []  # of the server itself; raised when the test leaves it
        self.salt = int.from_bytes(os.urandom(8), signed=True) or 1
        self._dispatcher = Dispatcher(self)
        self._listener: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None

    def __repr__(self) -> str:
        return f"<Telegram on port {self.world.port} with {len(self.connections)} connections>"

    async def __aenter__(self) -> Self:
        # Telethon keeps the data centres of the last server it asked on the class, for every client to come.
        TelegramClient._config = None
        await self.come_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.go_down()
        assert self._placeholder is not None
        self._placeholder.close()
        self._dispatcher.close()
        self.world.scheduled.close()
        TelegramClient._config = None
        if self.failures and error is None:
            raise ExceptionGroup("the server itself failed", self.failures)
        for failure in self.failures:
            assert error is not None
            error.add_note(f"The server itself failed: {failure!r}")

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1, the same after an outage."""
        return self.world.open_port()

    def add_user(self, first_name: str, *, username: str | None = None, password: str | None = None) -> Account:
        """A user with a phone number and a login, by default with the first name as username.

        `password` is for the second step of a login by code.
        """
        if username is None and first_name.isidentifier():
            username = first_name.lower()
        account = self.world.add_account(first_name, is_bot=False, username=username)
        account.password = password
        return account

    def add_bot(self, username: str) -> Account:
        """A bot with a token and a login."""
        return self.world.add_account(username, is_bot=True, username=username)

    def add_basic_group(self, title: str, *, members: list[Account]) -> Chat:
        """A basic group; the first member made it."""
        return self.world.add_chat(ChatKind.BASIC_GROUP, title, username=None, members=members)

    def add_supergroup(self, title: str, *, members: list[Account], username: str | None = None) -> Chat:
        """A supergroup; one with a username is public."""
        return self.world.add_chat(ChatKind.SUPERGROUP, title, username=username, members=members)

    def add_channel(self, title: str, *, members: list[Account], username: str | None = None) -> Chat:
        """A channel; its first member posts, the others read."""
        return self.world.add_chat(ChatKind.CHANNEL, title, username=username, members=members)

    def new_key_session(self, path: Path) -> Path:
        """Write a session file with a key that the server knows and nobody is logged in with; give its path."""
        return write_session_file(path, self.world.keys.make().secret, port=self.port, users=[], chats=[])

    def blank_session(self, path: Path) -> Path:
        """Write a session file without any key (the client makes one with the server); give its path."""
        return write_session_file(path, None, port=self.port, users=[], chats=[])

    @property
    def public_key(self) -> str:
        """The server's RSA key in PEM, for `telethon.crypto.rsa.add_key(public_key, old=False)`."""
        return self._dispatcher.public_key

    def messages(self, peer: Peer, other: Account | None = None) -> list[Message]:
        """What was delivered, in order: in a chat, to and from an account, or between two accounts."""
        if isinstance(peer, Chat):
            return [message for message in self.world.messages if message.chat is peer]
        wanted = {peer} if other is None else {peer, other}
        return [
            message
            for message in self.world.messages
            if isinstance(message.chat, Account) and wanted <= {message.chat, message.sender}
        ]

    def expire_codes(self) -> None:
        """The login codes that were sent so far have expired."""
        self.world.codes.expire()

    def requests(
        self,
        method: str | None = None,
        *,
        account: Account | None = None,
        peer: Peer | None = None,
        executed: bool | None = None,
    ) -> list[Request]:
        """The requests so far that fit, oldest first; the keep-alive pings are those of the method "ping"."""
        found = self.log.tally(Pattern(method=method, account=account, peer=peer)).found()
        return [request for request in found if executed in {None, request.executed}]

    async def seen(
        self,
        method: str | None = None,
        *,
        account: Account | None = None,
        peer: Peer | None = None,
        count: int = 1,
        within: float = WAIT_SECONDS,
    ) -> list[Request]:
        """Wait until so many requests fit, and give them; raises TimeoutError after `within` seconds of loop time."""
        tally = self.log.tally(Pattern(method=method, account=account, peer=peer))
        await self.changes.until(
            lambda: len(tally.found()) >= count,
            within=within,
            what=lambda: f"{len(tally.found())} of {count} × {method} of {account} to {peer}",
        )
        return tally.found()

    async def until(self, condition: Callable[[], bool], *, within: float = WAIT_SECONDS) -> None:
        """Wait until a condition on the server's state holds; looked at after every request, connection and message."""
        await self.changes.until(condition, within=within, what=lambda: f"{self.live()} live connections")

    def live(self, account: Account | None = None, *, key: bytes | None = None) -> int:
        """How many connections are live now: in all, of an account, or with a key."""
        return len(self.connections_of(account, key=key))

    def connections_of(self, account: Account | None = None, *, key: bytes | None = None) -> list[Connection]:
        """The live connections: all, an account's, or those with a key."""
        found = self.connections if account is None else [each for login in account.keys for each in login.connections]
        return [each for each in found if key is None or (each.key is not None and each.key.secret == key)]

    def drop_connections(self, account: Account | None = None) -> None:
        """Cut the live connections of an account, or all."""
        for connection in self.connections_of(account):
            connection.drop()

    def silence(self, account: Account | None = None) -> None:
        """The live connections of an account, or all, are read and never answered again; new ones are."""
        for connection in self.connections_of(account):
            connection.silent = True

    def deafen(self, account: Account | None = None) -> None:
        """Withhold updates from the live connections of an account, or from all; new ones hear."""
        for connection in self.connections_of(account):
            connection.deaf = True

    def undeafen(self, account: Account | None = None) -> None:
        """Push updates again; those that were withheld are not sent later, as with Telegram."""
        for connection in self.connections_of(account):
            connection.deaf = False

    async def go_down(self) -> None:
        """An outage: every connection is cut and the port refuses, until `come_back`."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        self.drop_connections()
        await self.until(lambda: not self.connections)
        # Bound but not listening: connections are refused, and nobody else is given the port.
        self._placeholder = _bound_socket(self.port)

    async def come_back(self) -> None:
        """Listen again on the same port."""
        if self._placeholder is not None:
            self._placeholder.close()
        listening = _bound_socket(self.world.port)
        self.world.port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self), sock=listening, backlog=BACKLOG)

    def opened(self, connection: Connection) -> None:
        """A connection was accepted."""
        self.accepted += 1
        connection.number = self.accepted
        self.connections.append(connection)
        if self.accept_and_close:
            connection.close()
        self.changes.happened()

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.remove(connection)
        if connection.key is not None:
            connection.key.connections.remove(connection)
        self.changes.happened()

    def identified(self, connection: Connection) -> None:
        """A connection has shown its key; a key that is used twice is burnt for ever."""
        assert connection.key is not None
        rivals = [other for other in connection.key.connections if other.is_open]
        connection.key.connections.append(connection)
        strangers = [rival for rival in rivals if rival.address != connection.address]
        is_burnt = (rivals and Duplicates.TWO_CONNECTIONS in self.duplicates) or (
            strangers and Duplicates.TWO_ADDRESSES in self.duplicates
        )
        connection.key.burnt |= bool(is_burnt)
        self.changes.happened()

    def dispatch(self, connection: Connection, number: int, message: Any) -> None:
        """A message came in."""
        self._dispatcher.handle(connection, number, message)

    def _push(self, account: Account, make: Callable[[], Any], by: Connection | None) -> None:
        hearing = [
            connection
            for connection in self.connections_of(account)
            if connection is not by and connection.wants_updates and not connection.deaf and not account.deaf
            and _may_hear(connection.key)
        ]  # fmt: skip
        for connection in hearing:
            connection.push(make())
        self.changes.happened()


def _may_hear(key: Key | None) -> bool:
    return key is not None and key.error is None and not key.burnt


def _bound_socket(port: int) -> socket.socket:
    # with its protocol named asyncio sends at once; else an answer may wait 40 ms, which virtual time would jump over
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((ADDRESS, port))
    return bound
