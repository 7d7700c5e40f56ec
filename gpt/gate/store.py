"""What a turnstile needs of a store; all times here are microseconds of this process's monotonic clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from gpt.gate.formula import Ask

Clock = Callable[[], int]


class Grant(NamedTuple):
    """Slots of one answer: `granted` of them, the first `at`, one each `span`."""

    granted: int
    """0: the first one would have been later than the asker's patience."""
    at: int
    """Not before the slot by the store's clock: counted from when the answer had come."""
    surely: int
    """Not after it: counted from when the question went out."""
    span: int
    mark: int
    """By which they are given back."""


class Store(Protocol):
    """Hands out slots; safe from any thread."""

    def ask(self, ask: Ask, later: Callable[[Grant], None]) -> Grant | None:
        """The slots at once; or None, and `later` is called with them in another thread."""

    def is_fresh(self, now: int) -> bool:
        """Whether a pause that others have made would be known here."""

    @property
    def overdue(self) -> int:
        """An answer is not waited for longer than this."""

    def give_up(self) -> None:
        """Called when an answer is overdue: what is asked from now on is answered at once."""

    @property
    def paused(self) -> int:
        """Until when nobody goes, as far as is known."""

    @property
    def next_slot(self) -> int:
        """When the next free slot is, as far as is known; may lie in the past."""

    @property
    def share(self) -> int:
        """How many intervals lie between two slots that are handed out here."""
