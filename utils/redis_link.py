"""The one way to Redis or Valkey: short timeouts, one retry where that is safe, errors that name the place.

Everything that is asked is a script: it runs whole or not at all, by the server's own clock, in one round trip. The
calls block, so they belong into a thread; `redis` itself is loaded with the first link (170 ms).
"""

from __future__ import annotations

import re
import threading
import time
import weakref
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from utils.redact import printable

ANSWER_WITHIN = timedelta(milliseconds=250)
"""For connecting, and again for each answer."""
_REST = 0.5
"""Seconds after a time-out in which nobody else waits for one: hundreds of bots may be asking."""
_CONNECTING = re.compile(r"Error -?\d+ connecting to .+?\. (.+)", re.DOTALL)
"""How redis says that it could not connect; the address is told by us."""


class RedisUnavailable(Exception):
    """Redis did not answer, or not as it should: whether it did what was asked is unknown."""

    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class RedisLink:
    """A pool of connections to one server; made at the first call, shared by threads.

    `url`: `redis://[user:password@]host:port/db`, `rediss://` with TLS, `unix://path`; `valkey://` means the same.
    Raises ValueError for an address that cannot be.
    """

    def __init__(self, url: str, *, answer_within: timedelta = ANSWER_WITHIN) -> None:
        from redis import ConnectionError as Disconnected
        from redis import ConnectionPool, Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        seconds = self._answer_within = answer_within.total_seconds()
        self._pool = ConnectionPool.from_url(
            url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            # A connection that the server closed meanwhile is made anew once. An answer that did not come in time is
            # not asked for again: its script may be at work.
            retry=Retry(NoBackoff(), 1, supported_errors=(Disconnected,)),
            decode_responses=True,
            client_name="gavatcore",
        )
        # Sockets that the garbage collector finds open are a warning, and open until it comes by.
        weakref.finalize(self, self._pool.disconnect).atexit = False
        self._redis = Redis(connection_pool=self._pool)
        self._scripts: dict[str, Any] = {}
        self._registering = threading.Lock()
        self._asked_again_at = 0.0

    @property
    def place(self) -> str:
        """Where it is, for people: no user, no password."""
        about = self._pool.connection_kwargs
        where = about.get("path") or f"{about.get('host', 'localhost')}:{about.get('port', 6379)}"
        return printable(f"{where}/{about.get('db', 0)}")

    def run(self, script: str, *, keys: Sequence[str] = (), args: Sequence[str | int] = ()) -> Any:
        """What a Lua script returns, texts as `str`; raises RedisUnavailable.

        The server keeps scripts by their SHA-1 and forgets them at a restart or flush; they are sent again then.
        """
        from redis import RedisError
        from redis import TimeoutError as Silent

        began = time.monotonic()
        if began < self._asked_again_at:
            raise self._unavailable("it did not answer just now")
        with self._registering:
            known = self._scripts.get(script) or self._scripts.setdefault(script, self._redis.register_script(script))
        try:
            return known(keys=list(keys), args=list(args))
        except (RedisError, OSError, UnicodeError) as error:
            # Looking up a host's name has no time limit, and is no time-out of redis either
            if isinstance(error, Silent) or time.monotonic() - began > self._answer_within:
                self._asked_again_at = time.monotonic() + _REST
            raise self._unavailable(_reason(error, silent=isinstance(error, Silent))) from error

    def _unavailable(self, why: str) -> RedisUnavailable:
        return RedisUnavailable(f"Redis at {self.place}: {why}", hint="see whether it runs, and its address")

    def after_fork(self) -> None:
        """In a child process: a thread that held the lock is not there. Connections are made anew by redis itself."""
        self._registering = threading.Lock()

    def close(self) -> None:
        """End its connections; a later call makes new ones."""
        self._pool.disconnect()


def _reason(error: Exception, *, silent: bool) -> str:
    """Why there is no answer, in few words."""
    said = printable(str(error)).rstrip(".") or type(error).__name__
    connecting = _CONNECTING.fullmatch(said)
    if connecting is None and not silent:
        return said
    why = connecting[1] if connecting is not None else said
    return f"it does not answer ({why[:1].lower()}{why[1:]})"
