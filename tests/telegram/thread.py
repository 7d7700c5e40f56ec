"""The server in a thread of its own, for clients that live in other processes."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar, overload

from tests.server_thread import ServerThread
from tests.telegram.server import Telegram

Result = TypeVar("Result")


class TelegramThread(ServerThread):
    """`with TelegramThread() as server:` runs a Telegram in a thread; `server.call` does something there.

        alice = server.call(lambda telegram: telegram.add_user("alice"))
        server.call(lambda telegram: telegram.seen("updates.getState", account=alice))

    Reading an attribute of an account or chat is safe from anywhere; all else goes through `call`.
    """

    def __init__(self) -> None:
        super().__init__("telegram")
        self._telegram: Telegram | None = None

    @overload
    def call(self, function: Callable[[Telegram], Coroutine[Any, Any, Result]]) -> Result: ...

    @overload
    def call(self, function: Callable[[Telegram], Result]) -> Result: ...

    def call(self, function: Callable[[Telegram], Any]) -> Any:
        """Run the function, or the coroutine that it gives, in the server's loop; give or raise what it does."""
        return asyncio.run_coroutine_threadsafe(self._called(function), self.loop).result()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1."""
        assert self._telegram is not None
        return self._telegram.port

    async def _called(self, function: Callable[[Telegram], Any]) -> Any:
        assert self._telegram is not None
        result = function(self._telegram)
        return await result if inspect.isawaitable(result) else result

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        async with Telegram() as self._telegram:
            yield
