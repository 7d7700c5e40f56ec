"""Messages, and the boxes that number them.

As in Telegram, a message of a private chat or a basic group has another id in each account's box, while a supergroup
or channel has one box for all its members. A box counts `pts`: one more for each message put in and each taken out,
and it keeps all events, so that a difference can be asked for from any pts on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.telegram.accounts import Account
    from tests.telegram.chats import Chat

FIRST_PTS = 1  # zero means "unknown" to Telethon


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """One delivered message; `chat` is the account it was sent to when it is private."""

    text: str
    sender: "Account"
    chat: "Account | Chat"
    date: datetime
    random_id: int | None = None
    reply_to: int | None = None
    from_scheduled: bool = False
    entities: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message came into the box, under this id."""

    pts: int
    id: int
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Messages left the box; `pts` counts one for each."""

    pts: int
    ids: tuple[int, ...]


class Box:
    """The message box of one account, or of one supergroup or channel."""

    def __init__(self) -> None:
        self.pts = FIRST_PTS
        self.changed_at: datetime | None = None
        self._events: list[Arrival | Deletion] = []
        self._arrivals: dict[int, Arrival] = {}
        self._last_id = 0

    def put(self, message: Message) -> Arrival:
        """Number the message and keep it."""
        self.pts += 1
        self.changed_at = message.date
        self._last_id += 1
        arrival = Arrival(pts=self.pts, id=self._last_id, message=message)
        self._arrivals[arrival.id] = arrival
        self._events.append(arrival)
        return arrival

    def take_out(self, ids: list[int], *, at: datetime) -> Deletion:
        """Delete those that are there."""
        present = tuple(number for number in ids if self._arrivals.pop(number, None) is not None)
        self.pts += len(present)
        deletion = Deletion(pts=self.pts, ids=present)
        if present:
            self.changed_at = at
            self._events.append(deletion)
        return deletion

    def find(self, number: int) -> Arrival | None:
        """The message with this id, unless it was never there or is deleted."""
        return self._arrivals.get(number)

    def ids_of(self, messages: Iterable[Message]) -> list[int]:
        """The ids that these messages have here, as far as they are here."""
        wanted = set(messages)
        return [arrival.id for arrival in self if arrival.message in wanted]

    def since(self, pts: int) -> list[Arrival | Deletion]:
        """The events after this pts, oldest first, without messages that are deleted by now."""
        later = [event for event in self._events if event.pts > pts]
        return [event for event in later if isinstance(event, Deletion) or event.id in self._arrivals]

    def __iter__(self) -> Iterator[Arrival]:
        """What is in the box, oldest first."""
        return iter(self._arrivals.values())
