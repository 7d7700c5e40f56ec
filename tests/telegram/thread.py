"""The server in a thread of its own, for clients that live in other processes."""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from tests.telegram.server import Telegram

Result = TypeVar("Result")

START_SECONDS = 30


class TelegramThread:
    """`with TelegramThread() as server:` runs a Telegram in a thread; `server.call` does something there.

        alice = server.call(lambda telegram: telegram.add_user("alice"))
        server.call(lambda telegram: telegram.seen("updates.getState", account=alice))

    Reading an attribute of an account or chat is safe from anywhere; all else goes through `call`.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telegram: Telegram | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="telegram")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(START_SECONDS)
        if self._error is not None:
            self._thread.join()
            raise self._error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    @overload
    def call(self, function: Callable[[Telegram], Coroutine[Any, Any, Result]]) -> Result: ...

    @overload
    def call(self, function: Callable[[Telegram], Result]) -> Result: ...

    def call(self, function: Callable[[Telegram], Any]) -> Any:
        """Run the function, or the coroutine that it gives, in the server's loop; give or raise what it does."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._called(function), self._loop).result()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        assert self._telegram is not None
        return self._telegram.port

    async def _called(self, function: Callable[[Telegram], Any]) -> Any:
        assert self._telegram is not None
        result = function(self._telegram)
        return await result if inspect.isawaitable(result) else result

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever entered
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        async with Telegram() as telegram:
            self._telegram = telegram
            self._loop = asyncio.get_running_loop()
            self._over = asyncio.Event()
            self._ready.set()
            await self._over.wait()
