"""From a message to its answer: unwrap, log, fault or execute, answer."""

import asyncio
import struct
from typing import TYPE_CHECKING, Any

from telethon.tl import functions, types
from telethon.tl.tlobject import TLRequest

from tests.telegram.accounts import Standing
from tests.telegram.connections import UNKNOWN_KEY, Connection
from tests.telegram.faults import Fault, FaultKind
from tests.telegram.key_exchange import STEPS, KeyExchange
from tests.telegram.keys import Key
from tests.telegram.methods import METHODS, Call, method_name
from tests.telegram.peers import peer_of
from tests.telegram.refusals import Refusal
from tests.telegram.requests import Request

if TYPE_CHECKING:
    from tests.telegram.server import Telegram

VECTOR = 0x1CB5C415
TRUE, FALSE = 0x997275B5, 0xBC799737
WRAPPERS = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
    functions.InvokeAfterMsgRequest,
)
PINGS = (functions.PingRequest, functions.PingDelayDisconnectRequest)
# Answered even to a key that is revoked; and all that a frozen account may do, besides whatever only gets.
OPEN_AREAS = ("help.", "auth.")
FROZEN_MAY = ("updates.", "users.", "help.", "auth.", "account.")


class Dispatcher:
    """Handles the messages of all connections, each at once and in order; only a fault delays."""

    def __init__(self, telegram: "Telegram") -> None:
        self._telegram = telegram
        self._exchange = KeyExchange(telegram.world)
        self._delayed: set[asyncio.TimerHandle] = set()
        self._running: set[tuple[Any, ...]] = set()  # sends under way: account, peer, random_id

    def handle(self, connection: Connection, number: int, message: Any) -> None:
        """Handle one message with its id; acknowledgements and the like need nothing."""
        if isinstance(message, TLRequest):
            self._request(connection, number, _unwrapped(connection, message))

    @property
    def public_key(self) -> str:
        """The server's RSA key in PEM."""
        return self._exchange.public_key

    def close(self) -> None:
        """Drop what is delayed."""
        for timer in self._delayed:
            timer.cancel()

    def _request(self, connection: Connection, number: int, query: Any) -> None:
        request = Request(
            at=asyncio.get_running_loop().time(),
            method=method_name(query),
            query=query,
            account=connection.account,
            peer=peer_of(self._telegram.world, connection.account, query),
            connection=connection,
        )
        self._telegram.log.add(request)
        if not connection.is_mute:
            fault = self._telegram.faults.striking(request)
            if fault is None:
                self._finish(request, number)
            else:
                self._go_wrong(request, number, fault)
        self._telegram.changes.happened()

    def _go_wrong(self, request: Request, number: int, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.ERROR:
                self._answer(request, number, self._burnt(request) or fault.refusal)
            case FaultKind.ERROR_AFTER:
                self._execute(request)
                self._answer(request, number, fault.refusal)
            case FaultKind.DELAY:
                self._delay(request, number, fault.seconds)
            case FaultKind.DROP_BEFORE:
                request.connection.drop()
            case FaultKind.DROP_AFTER:
                self._execute(request)
                request.connection.drop()
            case FaultKind.TRANSPORT:
                request.connection.fail(fault.code)
            case FaultKind.HANG:
                pass

    def _delay(self, request: Request, number: int, seconds: float) -> None:
        sending = _sending(request)

        def later() -> None:
            self._delayed.discard(timer)
            self._running.discard(sending)
            self._finish(request, number)
            self._telegram.changes.happened()

        if sending in self._running:
            self._finish(request, number)
            return
        if sending:
            self._running.add(sending)
        timer = asyncio.get_running_loop().call_later(seconds, later)
        self._delayed.add(timer)

    def _finish(self, request: Request, number: int) -> None:
        self._answer(request, number, self._execute(request))

    def _answer(self, request: Request, number: int, result: Any) -> None:
        if isinstance(result, Refusal):
            request.error = result.name
        if not request.connection.is_open:
            return
        request.answered = True
        if isinstance(request.query, STEPS):
            _answer_step(request.connection, result)
        elif isinstance(result, types.Pong):
            request.connection.send_service(types.Pong(number, result.ping_id))
        else:
            request.connection.answer(number, _serialized(result))

    def _execute(self, request: Request) -> Any:
        request.executed = True
        if isinstance(request.query, PINGS):
            return types.Pong(0, request.query.ping_id)
        try:
            if isinstance(request.query, STEPS):
                return self._exchange.answer(request.query)
            key = request.connection.key
            assert key is not None
            self._check(request, key)
            return self._run(request, key)
        except Refusal as refusal:
            return refusal

    def _run(self, request: Request, key: Key) -> Any:
        found = METHODS.get(request.method)
        if found is None:
            self._telegram.unknown_methods.add(request.method)
            raise Refusal("INPUT_METHOD_INVALID", 400)
        if found.needs_login and key.account is None:
            raise Refusal("SESSION_PASSWORD_NEEDED" if key.awaiting_password else "AUTH_KEY_UNREGISTERED")
        if key.account is not None and key.account.is_bot and not found.for_bots:
            raise Refusal("BOT_METHOD_INVALID")
        call = Call(
            world=self._telegram.world,
            settings=self._telegram,
            connection=request.connection,
            key=key,
            query=request.query,
        )
        return found.run(call)

    def _check(self, request: Request, key: Key) -> None:
        if burnt := self._burnt(request):
            raise burnt
        if _sending(request) in self._running:
            raise Refusal("RANDOM_ID_DUPLICATE")
        if request.method.startswith(OPEN_AREAS):
            return
        if key.error is not None:
            raise Refusal(key.error, 401)
        standing = key.account.standing if key.account else Standing.GOOD
        if standing is Standing.BANNED:
            raise Refusal("USER_DEACTIVATED_BAN")
        if standing is Standing.FROZEN and not _only_looks(request.method):
            raise Refusal("FROZEN_METHOD_INVALID")

    def _burnt(self, request: Request) -> Refusal | None:
        key = request.connection.key
        return Refusal("AUTH_KEY_DUPLICATED") if key is not None and key.burnt else None


def _unwrapped(connection: Connection, query: Any) -> Any:
    with_updates = True
    while isinstance(query, WRAPPERS):
        if isinstance(query, functions.InitConnectionRequest):
            connection.init = query
        with_updates = with_updates and not isinstance(query, functions.InvokeWithoutUpdatesRequest)
        query = query.query
    if with_updates and not isinstance(query, PINGS):
        connection.wants_updates = True
    return query


def _answer_step(connection: Connection, result: Any) -> None:
    if isinstance(result, Refusal):
        connection.fail(UNKNOWN_KEY)
    else:
        connection.answer_plainly(bytes(result))


def _sending(request: Request) -> tuple[Any, ...]:
    random_id = getattr(request.query, "random_id", None)
    return () if random_id is None else (request.account, request.peer, random_id)


def _only_looks(method: str) -> bool:
    return method.startswith(FROZEN_MAY) or method.rpartition(".")[2].startswith("get")


def _serialized(result: Any) -> bytes:
    if isinstance(result, bool):
        return struct.pack("<I", TRUE if result else FALSE)
    if isinstance(result, list):
        return struct.pack("<Ii", VECTOR, len(result)) + b"".join(bytes(item) for item in result)
    return bytes(result)
