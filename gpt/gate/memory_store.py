"""The formula with its state in this process: without Redis, and while Redis does not answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gpt.gate.formula import Ask, Known, State, decide
from gpt.gate.store import Clock, Grant

_NO_LIFE_HERE = -1
"""What is known of another life counts."""


class Memory:
    """The state of one account: gates of different rates that spend from it share it, as they share that in Redis."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.state: State | None = None


class MemoryStore:
    """Each of `share` processes keeps to its part of the rate; they know nothing of each other."""

    def __init__(self, clock: Clock, *, share: int, memory: Memory | None = None) -> None:
        self.share = share
        self._clock = clock
        self._memory = memory or Memory()

    def ask(self, ask: Ask, later: Callable[[Grant], None]) -> Grant:  # noqa: ARG002  # it is never later
        """The slots, at once."""
        return self.take(ask)

    def take(self, ask: Ask) -> Grant:
        """The slots, `share` intervals apart."""
        widened = ask._replace(
            interval=ask.interval * self.share, charge=ask.charge * self.share, owed=ask.owed * self.share
        )
        return self._decide(widened, Known())

    def raise_to(self, *, tat: int, tokens: int, paused: int) -> None:
        """Take over what another store has told, in times of this clock; what is kept here only grows by it."""
        now = self._clock()
        rests = (max(tat - now, 0), max(tokens - now, 0), max(paused - now, 0))
        self._decide(Ask(), Known(_NO_LIFE_HERE, 0, 0, *rests))

    def is_fresh(self, now: int) -> bool:  # noqa: ARG002
        """Nobody else makes pauses here."""
        return True

    @property
    def overdue(self) -> int:
        """Its answers never are."""
        return 0

    def give_up(self) -> None:
        """It always answers."""

    @property
    def paused(self) -> int:
        """Until when nobody goes."""
        state = self._memory.state
        return state.paused if state else 0

    @property
    def next_slot(self) -> int:
        """When the next free slot is; may lie in the past."""
        state = self._memory.state
        return max(state.tat, state.tokens, state.paused) if state else 0

    def after_fork(self) -> None:
        """In a child: a new lock; what was counted so far stays."""
        self._memory.lock = threading.Lock()

    def _decide(self, ask: Ask, known: Known) -> Grant:
        with self._memory.lock:
            now = self._clock()
            self._memory.state, answer = decide(self._memory.state, ask, known, now)
        at = now + answer.wait
        return Grant(answer.granted, at, at, ask.interval, answer.serial)
