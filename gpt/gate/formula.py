"""When the next request may go: GCRA with a burst of one, for requests and for tokens, and pauses of the whole fleet.

Pure: the moment is an argument, and all times are whole microseconds. `scripts` says the same in Lua; a test holds them
equal.

A store may forget: Redis is flushed, starts again with nothing or with an older snapshot, or its clock is set. So it
has a `life`, which ends there, and every asker says which life it knows and, relative to the moment, what it knows of
it. Who knows another life restores by that what was forgotten. What nobody knows any more is lost: at worst each
process sends one request that a store with its memory would have let wait.
"""

from __future__ import annotations

from typing import NamedTuple

AHEAD = 100_000
"""Slots are handed out no further ahead than this, but always one: a slot in hand is out of reach for others."""
CLOCK_STEP = 1_000_000
"""A store's clock that runs ahead of an asker's by so much was set: no answer takes so long."""


class State(NamedTuple):
    """What a store keeps, in the time of its own clock."""

    tat: int
    """The next free slot of requests ("theoretical arrival time")."""
    tokens: int
    """When the tokens that were handed out are used up."""
    paused: int
    """Until when nobody goes."""
    last: int
    """When it was last asked."""
    life: int
    serial: int
    """Grows with every reservation and pause, and is no other life's either: what somebody got is known by it."""


class Ask(NamedTuple):
    """A question; every field may be left out."""

    slots: int = 0
    """How many are wanted."""
    interval: int = 0
    charge: int = 0
    """What the tokens of the first slot take; whoever limits tokens asks for one slot at a time."""
    owed: int = 0
    """What tokens took beyond their charge; negative where they took less."""
    pause: int = 0
    back: int = 0
    """Time given back: the end of the asker's last reservation, not used."""
    mark: int = 0
    """The serial of that reservation: when another one follows it, nothing can be given back."""
    patience: int = 0
    """A first slot later than this is not wanted."""


class Known(NamedTuple):
    """What the asker knows of the store from its last answer, brought to the present by the asker's own clock."""

    life: int = 0
    serial: int = 0
    expected: int = 0
    """What the store's clock should show now."""
    tat: int = 0
    """From now on, as are the next two; 0 where it lies in the past."""
    tokens: int = 0
    paused: int = 0


class Answer(NamedTuple):
    """What the asker got, and how the store stands; times from now on unless said otherwise."""

    granted: int
    wait: int
    """Until the first slot: the one that was granted, or would have been."""
    tat: int
    tokens: int
    paused: int
    now: int
    """What the store's clock shows."""
    life: int
    serial: int


def decide(state: State | None, ask: Ask, known: Known, now: int) -> tuple[State, Answer]:
    """What the store keeps from now on, and its answer; `state` is None where it has nothing."""
    tat, tokens, paused, _last, life, serial = _restored(_believed(state, known, now), known, now)
    if ask.mark == serial:
        tat -= ask.back
    tokens = max(now, max(tokens, now) + ask.owed)
    changed = ask.pause > 0 and now + ask.pause > paused
    if changed:
        paused = now + ask.pause
    first = max(now, tat, tokens, paused)
    granted = _granted(ask, first - now)
    if granted:
        tat = first + granted * ask.interval
        tokens = max(tokens, first + ask.charge)
    if granted or changed:
        serial = max(serial + 1, now)
    answer = Answer(granted, first - now, tat - now, tokens - now, paused - now, now, life, serial)
    return State(tat, tokens, paused, now, life, serial), answer


def _believed(state: State | None, known: Known, now: int) -> State:
    """The state, in a new life where something of it must have been forgotten.

    A clock that went back takes all times along: what was to come in five seconds still comes in five. One that went
    forward has made slots and pauses seem over which are still to come.
    """
    if state is None:
        return State(now, now, 0, now, max(now, known.life + 1), max(now, known.serial + 1))
    ahead = max(state.last - now, 0)
    is_older = state.serial < known.serial or now - known.expected > CLOCK_STEP
    if not ahead and not (known.life == state.life and is_older):
        return state
    return State(
        state.tat - ahead, state.tokens - ahead, state.paused - ahead, now, max(now, state.life + 1), state.serial
    )


def _restored(state: State, known: Known, now: int) -> State:
    """The state, with what the asker knows of another life."""
    if known.life == state.life:
        return state
    return state._replace(
        tat=_later(state.tat, known.tat, now),
        tokens=_later(state.tokens, known.tokens, now),
        paused=_later(state.paused, known.paused, now),
    )


def _later(moment: int, rest: int, now: int) -> int:
    return max(moment, now + rest) if rest > 0 else moment


def _granted(ask: Ask, wait: int) -> int:
    if wait > ask.patience:
        return 0
    if not ask.interval:
        return ask.slots
    return min(ask.slots, 1 + max(AHEAD - wait, 0) // ask.interval)
