"""Faults on purpose: which requests go wrong, how, and how often."""

from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TYPE_CHECKING, TypedDict, Unpack

from tests.telegram.peer import Peer
from tests.telegram.refusals import Refusal
from tests.telegram.requests import Pattern, Request

if TYPE_CHECKING:
    from tests.telegram.accounts import Account


class Duplicates(Flag):
    """When one key counts as used twice, and is burnt: two live connections, or two from two addresses."""

    ALLOWED = 0
    TWO_CONNECTIONS = auto()
    TWO_ADDRESSES = auto()


class Repeats(Enum):
    """What a repeated random_id is answered with: the message that the first call made, or RANDOM_ID_DUPLICATE."""

    FIRST_MESSAGE = auto()
    ERROR = auto()


class FaultKind(Enum):
    """How a request goes wrong."""

    ERROR = auto()
    ERROR_AFTER = auto()
    HANG = auto()
    DELAY = auto()
    DROP_BEFORE = auto()
    DROP_AFTER = auto()
    TRANSPORT = auto()


class Where(TypedDict, total=False):
    """Which requests a fault hits (None or absent: any), and which of those: the first `times`, or only the `nth`."""

    method: str | None
    account: "Account | None"
    peer: Peer | None
    times: int | None
    nth: int | None


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One fault, made by the class methods; once added it counts the requests that it `met` and those that it `hit`."""

    kind: FaultKind
    pattern: Pattern
    times: int | None = None
    nth: int | None = None
    refusal: Refusal | None = None
    seconds: float = 0
    code: int = 0
    met: int = 0
    hit: int = 0

    @classmethod
    def error(cls, name: str, *, code: int | None = None, **where: Unpack[Where]) -> "Fault":
        """Answer with this RPC error instead of executing; `code` is needed only for names that Telethon lacks."""
        return cls._made(FaultKind.ERROR, where, refusal=Refusal(name, code))

    @classmethod
    def error_after(cls, name: str, *, code: int | None = None, **where: Unpack[Where]) -> "Fault":
        """Execute, and answer with this RPC error all the same."""
        return cls._made(FaultKind.ERROR_AFTER, where, refusal=Refusal(name, code))

    @classmethod
    def hang(cls, **where: Unpack[Where]) -> "Fault":
        """Neither execute nor answer, ever."""
        return cls._made(FaultKind.HANG, where)

    @classmethod
    def delay(cls, seconds: float, **where: Unpack[Where]) -> "Fault":
        """Execute and answer after so many seconds of loop time, even when the connection is gone by then."""
        return cls._made(FaultKind.DELAY, where, seconds=seconds)

    @classmethod
    def drop_before(cls, **where: Unpack[Where]) -> "Fault":
        """Cut the connection instead of executing."""
        return cls._made(FaultKind.DROP_BEFORE, where)

    @classmethod
    def drop_after(cls, **where: Unpack[Where]) -> "Fault":
        """Execute, and cut the connection instead of answering: the reply is lost."""
        return cls._made(FaultKind.DROP_AFTER, where)

    @classmethod
    def transport(cls, code: int, **where: Unpack[Where]) -> "Fault":
        """Answer with a bare transport error (-404 unknown key, -429 too many connections) and close."""
        return cls._made(FaultKind.TRANSPORT, where, code=code)

    @classmethod
    def _made(
        cls, kind: FaultKind, where: Where, *, refusal: Refusal | None = None, seconds: float = 0, code: int = 0
    ) -> "Fault":
        return cls(
            kind=kind,
            pattern=Pattern(method=where.get("method"), account=where.get("account"), peer=where.get("peer")),
            times=where.get("times"),
            nth=where.get("nth"),
            refusal=refusal,
            seconds=seconds,
            code=code,
        )

    def strikes(self, request: Request) -> bool:
        """Whether this request is one to hit; counts it."""
        if not self.pattern.fits(request):
            return False
        self.met += 1
        due = self.met == self.nth if self.nth is not None else self.times is None or self.met <= self.times
        self.hit += due
        return due


class Faults:
    """The faults in force, in the order in which they were added.

    The first that strikes is the one that happens, and those after it do not count that request: two faults with
    `times=1` on one method hit two requests, one after the other.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force, and give it back for its counts."""
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """End one fault."""
        self._faults.remove(fault)

    def clear(self) -> None:
        """End all faults; what hangs goes on hanging."""
        self._faults.clear()

    def striking(self, request: Request) -> Fault | None:
        """The fault that hits this request, if any."""
        return next((fault for fault in self._faults if fault.strikes(request)), None)
