"""What was seen unchanged, and for how long, by the clock of who looks."""

from __future__ import annotations

from utils.leases.sightings import Sightings


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def missing(seen: Sightings, what: str, name: str = "a") -> float:
    return seen.note(name, what, enough=30, step=10)


def test_looks_add_up_while_nothing_changes() -> None:
    """The last of them says that it was long enough."""
    seen, clock = _seen()
    left = []
    for _look in range(5):
        left.append(missing(seen, "x"))
        clock.now += 8

    assert left == [30, 22, 14, 6, 0]
    assert seen.long_enough("a") == "x"


def test_a_change_begins_anew() -> None:
    """Also one back to what was there before."""
    seen, clock = _seen()
    missing(seen, "x")
    for what in ("y", "x"):
        clock.now += 10
        assert missing(seen, what) == 30


def test_a_long_gap_counts_for_one_step() -> None:
    """A thousand seconds between two looks prove no more than ten."""
    seen, clock = _seen()
    missing(seen, "x")
    clock.now += 1000

    assert missing(seen, "x") == 20
    assert seen.long_enough("a") == ""


def test_names_are_watched_apart_and_forgotten_on_demand() -> None:
    """What was watched under one name says nothing of another."""
    seen, clock = _seen()
    for _look in range(4):
        missing(seen, "x")
        clock.now += 10
    assert missing(seen, "x", "b") == 30

    seen.forget("a")

    assert seen.long_enough("a") == ""
    assert missing(seen, "x") == 30


def test_only_ten_thousand_names_are_remembered() -> None:
    """Those unseen for longest go first."""
    seen, clock = _seen()
    for number in range(10_001):
        missing(seen, "x", str(number))
    clock.now += 10

    assert missing(seen, "x", "0") == 30
    assert missing(seen, "x", "2") == 20


def _seen() -> tuple[Sightings, Clock]:
    clock = Clock()
    return Sightings(clock), clock
