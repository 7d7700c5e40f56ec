"""Who is next: persons before batches, the bots of one priority in turn, the requests of one bot as they came."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from gpt.model import Priority


class Queueing(Hashable, Protocol):
    """What stands in a queue, once."""

    @property
    def priority(self) -> Priority:
        """Its lane."""

    @property
    def bot(self) -> str:
        """Whose it is."""


W = TypeVar("W", bound=Queueing)


class Queue(Generic[W]):
    """Every operation but `ahead` and iteration takes the same time, however many wait."""

    def __init__(self) -> None:
        self._lanes: dict[Priority, OrderedDict[str, OrderedDict[W, None]]] = {
            priority: OrderedDict() for priority in sorted(Priority)
        }
        self._waiting = dict.fromkeys(self._lanes, 0)

    def __len__(self) -> int:
        return sum(self._waiting.values())

    def __iter__(self) -> Iterator[W]:
        """All of them, by lane and bot, not in the order of their turns."""
        for lane in self._lanes.values():
            for line in lane.values():
                yield from line

    def __contains__(self, one: W) -> bool:
        return one in self._lanes[one.priority].get(one.bot, ())

    def waiting(self, priority: Priority) -> int:
        """How many may go before a newcomer of that priority, whoever they are."""
        return sum(count for lane, count in self._waiting.items() if lane <= priority)

    def push(self, one: W) -> None:
        """Behind the others of its bot; a bot that was not there goes behind the other bots."""
        self._lanes[one.priority].setdefault(one.bot, OrderedDict())[one] = None
        self._waiting[one.priority] += 1

    def push_front(self, one: W) -> None:
        """To the very front of its lane: it had its turn and could not use it."""
        self.push(one)
        lane = self._lanes[one.priority]
        lane[one.bot].move_to_end(one, last=False)
        lane.move_to_end(one.bot, last=False)

    def head(self) -> W | None:
        """Who is next."""
        for lane in self._lanes.values():
            for line in lane.values():
                return next(iter(line))
        return None

    def take(self) -> W:
        """Who is next, taken out; its bot goes behind the others. Raises IndexError where nobody is."""
        one = self.head()
        if one is None:
            raise IndexError("nobody waits")
        self.remove(one)
        lane = self._lanes[one.priority]
        if one.bot in lane:
            lane.move_to_end(one.bot)
        return one

    def remove(self, one: W) -> None:
        """Take out one that stands there."""
        lane = self._lanes[one.priority]
        del lane[one.bot][one]
        if not lane[one.bot]:
            del lane[one.bot]
        self._waiting[one.priority] -= 1

    def ahead(self, priority: Priority, bot: str) -> int:
        """How many would go before a new one of this bot, if nobody else came."""
        lane = self._lanes[priority]
        own = len(lane.get(bot, ()))
        before = sum(count for lower, count in self._waiting.items() if lower < priority) + own
        rounds = own + 1  # which those in front of its bot get until then; those behind get one less
        for other, line in lane.items():
            if other == bot:
                rounds = own
            else:
                before += min(len(line), rounds)
        return before
