"""The log of every request, and waiting for something to happen without sleeping."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.telegram.peer import Peer

if TYPE_CHECKING:
    from tests.telegram.accounts import Account
    from tests.telegram.connections import Connection

WAIT_SECONDS = 30.0


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One request as it came in.

    `at` is loop time in seconds. `executed` says whether the method ran (a refused one ran to its error);
    `error` is the name of the RPC error that it was answered with; `answered` whether anything was sent back.
    """

    at: float
    method: str
    query: Any
    account: "Account | None"
    peer: Peer | None
    connection: "Connection"
    executed: bool = False
    answered: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Which requests are meant; None means any."""

    method: str | None = None
    account: "Account | None" = None
    peer: Peer | None = None

    def fits(self, request: Request) -> bool:
        """Whether the request is one of them."""
        return (
            self.method in {None, request.method}
            and (self.account is None or self.account is request.account)
            and (self.peer is None or self.peer is request.peer)
        )


class Tally:
    """The requests that fit a pattern, found anew only among those that came since the last look."""

    def __init__(self, requests: Sequence[Request], pattern: Pattern) -> None:
        self._requests = requests
        self._pattern = pattern
        self._looked_at = 0
        self._found: list[Request] = []

    def found(self) -> list[Request]:
        """All that fit so far."""
        new = self._requests[self._looked_at :]
        self._looked_at = len(self._requests)
        self._found += [request for request in new if self._pattern.fits(request)]
        return self._found


class RequestLog:
    """All requests in the order in which they came."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        """Write one down."""
        self._requests.append(request)

    def tally(self, pattern: Pattern) -> Tally:
        """Those that fit, for looking more than once."""
        return Tally(self._requests, pattern)


class Changes:
    """Wakes those who wait for a condition, after everything that may have changed it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def happened(self) -> None:
        """Look at all conditions again."""
        for entry in list(self._waiting):
            condition, future = entry
            if condition():
                self._waiting.remove(entry)
                if not future.done():
                    future.set_result(None)

    async def until(self, condition: Callable[[], bool], *, within: float, what: Callable[[], str]) -> None:
        """Return when the condition holds; raise TimeoutError, saying what there is, after so much loop time."""
        if condition():
            return
        entry = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(within):
                await entry[1]
        except TimeoutError:
            raise TimeoutError(f"not within {within:g} s: {what()}") from None
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
