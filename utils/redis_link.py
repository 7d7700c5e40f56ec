"""The one way to Redis or Valkey: no answer is waited for longer than a quarter of a second, and errors name the place.

Everything that is asked is a script: it runs whole or not at all, by the server's own clock, in one round trip. The
calls block, so they belong into a thread; `redis` itself is loaded with the first link (170 ms).
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, ClassVar, Protocol

from utils.redact import printable

_ANSWER_WITHIN = 0.25
"""Seconds for one question in all: a connection where there is none, and the answer."""
_LONGEST_ANSWER = 10.0
"""Of what an address may ask for: who is given up on later than that holds the bots up."""
_REST = 0.5
"""Seconds after a time-out in which nobody else waits for one: hundreds of bots may be asking."""
_CONNECTING = re.compile(r"Error -?\d+ connecting to .+?\. (.+)", re.DOTALL)
"""How redis says that it could not connect; the address is told by us."""
_LONGEST_REST = 2.0
"""The rest doubles up to this while connecting takes too long again and again."""


class Connection(Protocol):
    """Of redis, as far as it is used here."""

    @property
    def is_connected(self) -> bool:
        """Whether its socket is open."""

    def connect(self) -> None:
        """Blocks, for as long as looking up the name takes and then some; raises redis.RedisError."""

    def send_command(self, *words: str | int, check_health: bool) -> None:
        """Raises redis.RedisError, and closes it."""

    def read_response(self, *, timeout: float) -> Any:
        """Raises redis.RedisError; unless that is the answer itself, it closes it."""

    def disconnect(self) -> None:
        """Close it."""


class RedisUnavailable(Exception):
    """Redis did not answer, or not as it should: whether it did what was asked is unknown."""

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class RedisLink:
    """Connections to one server; made when they are needed, shared by threads.

    `url`: `redis://[user:password@]host:port/db`, `rediss://` with TLS, `unix://path`; `valkey://` means the same.
    `?socket_timeout=2` behind it waits for answers of a far server as many seconds (up to 10; 0.25 without it).
    Raises ValueError for an address that cannot be.
    """

    def __init__(self, url: str) -> None:
        from redis import ConnectionPool
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # It reads the address; the connections are kept here, since its own are made by whoever asks, however long a
        # name is looked up.
        self._pool = ConnectionPool.from_url(
            url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
            socket_timeout=_ANSWER_WITHIN,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            client_name="gavatcore",
        )
        self.answer_within: float = self._pool.connection_kwargs["socket_timeout"]
        """Seconds that one question takes at most."""
        if not 0 < self.answer_within <= _LONGEST_ANSWER:
            raise ValueError(f"socket_timeout is more than 0 and at most {_LONGEST_ANSWER:g} seconds")
        self._pool.connection_kwargs["socket_connect_timeout"] = self.answer_within
        try:
            self._pool.connection_class(**self._pool.connection_kwargs)
        except TypeError as error:
            raise ValueError(f"an option that Redis does not know: {error}") from None
        self._idle: list[Connection] = []
        # Sockets that the garbage collector finds open are a warning, and open until it comes by.
        weakref.finalize(self, _disconnect, self._idle).atexit = False
        self._asked_again_at = 0.0
        self._failed_connects = 0
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._overdue: set[Future[Connection]] = set()
        """Connections that are still being made, and that nobody waits for any more."""

    @property
    def place(self) -> str:
        """Where it is, for people: no user, no password."""
        about = self._pool.connection_kwargs
        where = about.get("path") or f"{about.get('host', 'localhost')}:{about.get('port', 6379)}"
        return printable(f"{where}/{about.get('db', 0)}")

    def run(self, script: str, *, keys: Sequence[str] = (), args: Sequence[str | int] = ()) -> Any:
        """What a Lua script returns, texts as `str`; raises RedisUnavailable, after `socket_timeout` at the latest.

        The server keeps scripts by their SHA-1 and forgets them at a restart or flush; they are sent again then.
        """
        from redis import RedisError
        from redis import TimeoutError as Silent

        if self._process != os.getpid():
            self.after_fork()
        began = time.monotonic()
        if began < self._asked_again_at:
            raise self._unavailable("it did not answer just now")
        try:
            return self._answer(script, (len(keys), *keys, *args), until=began + self.answer_within)
        except (RedisError, OSError, UnicodeError) as error:
            is_silent = isinstance(error, Silent | TimeoutError)
            if is_silent:
                self._asked_again_at = time.monotonic() + self._rest()
            raise self._unavailable(_reason(error, silent=is_silent)) from error

    def _rest(self) -> float:
        return min(_REST * 2.0 ** max(self._failed_connects - 1, 0), _LONGEST_REST)

    def _answer(self, script: str, words: tuple[str | int, ...], *, until: float) -> Any:
        """By a connection that is there; one that the server closed meanwhile is made anew once.

        An answer that did not come in time is not asked for again: its script may be at work.
        """
        from redis import ConnectionError as Disconnected

        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            try:
                return self._ask(connection, script, words, until=until)
            except Disconnected:
                self.close()  # a server that was restarted has closed the others too
        return self._ask(self._connected(until), script, words, until=until)

    def _ask(self, connection: Connection, script: str, words: tuple[str | int, ...], *, until: float) -> Any:
        from redis.exceptions import NoScriptError

        try:
            try:
                return _said(connection, "EVALSHA", _sha1(script), *words, until=until)
            except NoScriptError:
                return _said(connection, "EVAL", script, *words, until=until)
        finally:
            if connection.is_connected:
                with self._lock:
                    self._idle.append(connection)

    def _connected(self, until: float) -> Connection:
        """A new connection, made in a thread: looking up a name has no time limit.

        One that comes too late is kept for who asks next; until it has come, or failed, nobody waits for another.
        Raises TimeoutError.
        """
        if self._overdue:
            raise TimeoutError("timeout: a connection is still being made")
        made: Future[Connection] = Future()
        threading.Thread(target=self._connect, args=(made,), name="gavat-redis", daemon=True).start()
        try:
            connection = made.result(max(until - time.monotonic(), 0))
        except TimeoutError:
            with self._lock:
                if not made.done():
                    self._overdue.add(made)
                elif made.exception() is None:
                    self._idle.append(made.result())
            self._failed_connects += 1
            raise TimeoutError("timeout: no connection in time") from None
        self._failed_connects = 0
        return connection

    def _connect(self, made: Future[Connection]) -> None:
        connection: Connection = self._pool.connection_class(**self._pool.connection_kwargs)
        failure: Exception | None = None
        try:
            connection.connect()
        except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
            failure = error
        with self._lock:
            is_overdue = made in self._overdue
            self._overdue.discard(made)
            if failure is not None:
                made.set_exception(failure)
            elif is_overdue:
                self._idle.append(connection)
            else:
                made.set_result(connection)

    def _unavailable(self, why: str) -> RedisUnavailable:
        return RedisUnavailable(f"Redis at {self.place}: {why}", hint="see whether it runs, and its address")

    def after_fork(self) -> None:
        """In a child process: connections are its parent's, and a thread that held the lock is not there."""
        self._begin()
        self._idle.clear()

    def close(self) -> None:
        """End its connections; a later call makes new ones."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        _disconnect(idle)


def _reason(error: Exception, *, silent: bool) -> str:
    """Why there is no answer, in few words."""
    said = printable(str(error)).rstrip(".") or type(error).__name__
    connecting = _CONNECTING.fullmatch(said)
    if connecting is None and not silent:
        return said
    why = connecting[1] if connecting is not None else said
    return f"it does not answer ({why[:1].lower()}{why[1:]})"


def _said(connection: Connection, *words: str | int, until: float) -> Any:
    """Raises redis.TimeoutError after that moment, and closes the connection: the answer may still come."""
    connection.send_command(*words, check_health=False)
    return connection.read_response(timeout=max(until - time.monotonic(), 0.001))


def _disconnect(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.disconnect()


@lru_cache(maxsize=256)
def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
