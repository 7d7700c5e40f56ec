"""One TCP connection: bytes to messages, messages to bytes, and what is known of whoever is at the other end."""

import asyncio
import os
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import types
from telethon.tl.core import GzipPacked, MessageContainer

from tests.telegram.accounts import Account
from tests.telegram.encryption import BadMessage, Envelope, decrypt, encrypt
from tests.telegram.keys import Key
from tests.telegram.message_ids import MessageIds
from tests.telegram.transport import Framing, FramingError, FullFraming, choose_framing

if TYPE_CHECKING:
    from tests.telegram.server import Telegram

WRONG_SALT = 48
UNKNOWN_KEY = -404
TOO_MANY = -429
RPC_RESULT = 0xF35C6D01
GZIP_FROM = 1024
UNENCRYPTED = bytes(8)


class Connection(asyncio.Protocol):
    """A live connection. A deaf one gets its answers but no updates; a silent one is read and never written to."""

    def __init__(self, telegram: "Telegram") -> None:
        self._telegram = telegram
        self._framing: Framing | None = None
        self._transport: asyncio.Transport | None = None
        self._ids = MessageIds(telegram.world.now)
        self._session_id: int | None = None
        self.number = 0
        self.address = ""
        self.key: Key | None = None
        self.init: Any = None  # the InitConnectionRequest that came last: device_model, app_version, …
        self.wants_updates = False
        self.pushed = 0  # updates that were sent to it unasked
        self.deaf = False
        self.silent = False

    def __repr__(self) -> str:
        return f"<connection {self.number} from {self.address} of {self.account}>"

    @property
    def account(self) -> Account | None:
        """Who is logged in with the key of this connection."""
        return None if self.key is None else self.key.account

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, and close it at once when that is the order of the day."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.address = transport.get_extra_info("peername")[0]
        self._telegram.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Forget the connection."""
        self._transport = None
        self._telegram.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take the bytes apart into payloads and handle each."""
        if self._framing is None:
            self._framing = choose_framing(data[0])
        try:
            for payload in self._framing.feed(data):
                if self.is_open:
                    self._received(payload)
        except Exception as error:  # noqa: BLE001  # kept, and raised when the test leaves the server
            self._telegram.failures.append(error)
            self.drop()

    def drop(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def fail(self, code: int) -> None:
        """Send a bare transport error, and close."""
        word = struct.pack("<i", code)
        # Telegram sends -429 as three bare words, which is what Telethon looks for.
        as_it_is = code == TOO_MANY and isinstance(self._framing, FullFraming)
        self._write(word * 3) if as_it_is else self._send_payload(word)
        self.close()

    def answer_plainly(self, result: bytes) -> None:
        """Send an answer unencrypted, as long as there is no key."""
        self._send_payload(UNENCRYPTED + struct.pack("<qi", self._ids.next_id(answer=True), len(result)) + result)

    def answer(self, request_id: int, result: bytes) -> None:
        """Send the result of a request."""
        body = bytes(GzipPacked(result)) if len(result) > GZIP_FROM else result
        self._send(struct.pack("<Iq", RPC_RESULT, request_id) + body, is_answer=True)

    def push(self, updates: Any) -> None:
        """Send updates that nobody asked for."""
        self.pushed += 1
        body = bytes(updates)
        self._send(bytes(GzipPacked(body)) if len(body) > GZIP_FROM else body)

    def send_service(self, message: Any, *, is_answer: bool = True) -> None:
        """Send a service message, which needs no acknowledgement."""
        self._send(bytes(message), is_answer=is_answer, content_related=False)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self.is_open and not self.is_mute:
            self._transport.write(data)

    @property
    def is_mute(self) -> bool:
        """Whether it reads and says nothing."""
        return self.silent or self._telegram.silent

    def _send(self, body: bytes, *, is_answer: bool = False, content_related: bool = True) -> None:
        if self.key is None or self._session_id is None or not self.is_open:
            return
        envelope = Envelope(
            salt=self._telegram.salt,
            session_id=self._session_id,
            msg_id=self._ids.next_id(answer=is_answer),
            seq_no=self._ids.next_seq_no(content_related=content_related),
            body=body,
        )
        self._send_payload(encrypt(self.key.secret, envelope))

    def _send_payload(self, payload: bytes) -> None:
        assert self._framing is not None
        self._write(self._framing.frame(payload))

    def _received(self, payload: bytes) -> None:
        if payload[:8] == UNENCRYPTED:
            for _, message in _messages(0, payload[20:]):
                self._telegram.dispatch(self, 0, message)
            return
        key = self._telegram.world.keys.find(payload[:8])
        if key is None or self.key not in {None, key}:
            self.fail(UNKNOWN_KEY)
            return
        try:
            envelope = decrypt(key.secret, payload)
        except BadMessage:
            self.fail(UNKNOWN_KEY)
            return
        if self.key is None:
            self.key = key
            self._telegram.identified(self)
        self._open(envelope)

    def _open(self, envelope: Envelope) -> None:
        is_new = envelope.session_id != self._session_id
        self._session_id = envelope.session_id
        if envelope.salt != self._telegram.salt:
            self.send_service(types.BadServerSalt(envelope.msg_id, envelope.seq_no, WRONG_SALT, self._telegram.salt))
            # The session is announced with the first message that has the right salt.
            self._session_id = None
            return
        if is_new:
            unique_id = int.from_bytes(os.urandom(8), signed=True)
            self.send_service(types.NewSessionCreated(envelope.msg_id, unique_id, self._telegram.salt), is_answer=False)
        for number, message in _messages(envelope.msg_id, envelope.body):
            if self.is_open:
                self._telegram.dispatch(self, number, message)


def _messages(number: int, body: bytes) -> Iterable[tuple[int, Any]]:
    with BinaryReader(body) as reader:
        try:
            yield from _unpacked(number, reader.tgread_object())
        except TypeNotFoundError as error:
            raise FramingError(f"no such constructor: {error.invalid_constructor_id:08x}") from error


def _unpacked(number: int, message: Any) -> Iterable[tuple[int, Any]]:
    if isinstance(message, MessageContainer):
        for inner in message.messages:
            yield from _unpacked(inner.msg_id, inner.obj)
    elif isinstance(message, GzipPacked):
        yield from _messages(number, message.data)
    else:
        yield number, message
