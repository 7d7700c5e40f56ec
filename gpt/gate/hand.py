"""The slots that one event loop has in hand, and what of them goes back: no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True, eq=False)
class Slot:
    """The right to send one request; times in microseconds of this process's monotonic clock."""

    at: int
    """Not before this moment …"""
    good_until: int
    """… nor after this one: the next slot, somebody else's perhaps, would be too near."""
    span: int
    """Up to the next slot."""
    charge: int
    """What the tokens of whoever uses it take."""
    mark: int


class Hand:
    """In the order of their times. What is not used adds up until somebody can tell the store, by `claim`."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []
        self._mark = 0
        self._end = 0
        """Of the latest reservation: only from there on backwards can it be given back."""
        self._back = 0
        self._owed = 0

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def first(self) -> Slot:
        """The next one."""
        return self._slots[0]

    @property
    def last(self) -> Slot:
        """The furthest one."""
        return self._slots[-1]

    def at(self, place: int) -> int:
        """The time of the slot in this place."""
        return self._slots[place].at

    @property
    def has_leftovers(self) -> bool:
        """Whether there is anything that could go back: time, or tokens that are not accounted for."""
        return bool(self._slots or self._back or self._owed)

    def add(self, slots: Iterable[Slot]) -> None:
        """Those of one answer: of the latest reservation."""
        before = len(self._slots)
        self._slots.extend(slots)
        if len(self._slots) > before:
            last = self._slots[-1]
            self._mark, self._end, self._back = last.mark, last.at + last.span, 0
            self._slots.sort(key=_time)

    def take(self, charge: int) -> Slot:
        """The next one, for somebody whose tokens take so long."""
        slot = self._slots.pop(0)
        self._owed += charge - slot.charge
        slot.charge = charge
        return slot

    def put_back(self, slot: Slot) -> None:
        """One that was taken and not used."""
        self._slots.append(slot)
        self._slots.sort(key=_time)

    def drop_unusable(self, now: int, paused: int) -> int:
        """Throw away what is over or lies in a pause; how much too late the worst of them was, or 0."""
        late = count = 0
        for slot in self._slots:
            if slot.good_until >= now and slot.at >= paused:
                break
            late = max(late, now - slot.good_until)
            count += 1
        if count:
            self._drop(count)
        return late

    def drop_all(self) -> None:
        """Nobody is left to use them."""
        self._drop(len(self._slots))

    def claim(self) -> tuple[int, int, int]:
        """What goes back: time, of which reservation, and tokens (negative) or tokens that were not paid for."""
        claimed = self._back, self._mark, self._owed
        self._back = self._owed = 0
        return claimed

    def _drop(self, count: int) -> None:
        dropped, self._slots = self._slots[:count], self._slots[count:]
        for slot in reversed(dropped):
            self._owed -= slot.charge
            if slot.mark == self._mark and slot.at + slot.span == self._end:
                self._end = slot.at
                self._back += slot.span


def _time(slot: Slot) -> int:
    return slot.at
