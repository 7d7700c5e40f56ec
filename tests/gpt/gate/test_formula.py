"""The formula alone: any pattern of questions, any step of the clock."""

from __future__ import annotations

import itertools
import random

from hypothesis import assume, given
from hypothesis import strategies as st

from gpt.gate import Rate
from gpt.gate.formula import AHEAD, Answer, Ask, Known, State, decide
from tests.gpt.gate.virtual import worst_window

FOREVER = 1 << 50
START = 1_000_000_000_000
INTERVAL = 5_200_000


class Store:
    """A store and its clock."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.now = START

    def ask(self, known: Known | None = None, **fields: int) -> Answer:
        fields = {"patience": FOREVER, "interval": INTERVAL} | fields
        self.state, answer = decide(self.state, Ask(**fields), known or Known(), self.now)
        return answer

    def slots(self, count: int, interval: int = INTERVAL) -> list[int]:
        """The moments of the slots that it gives."""
        answer = self.ask(slots=count, interval=interval)
        return [self.now + answer.wait + number * interval for number in range(answer.granted)]


def knowing(answer: Answer, *, after: int) -> Known:
    """What the one who got the answer knows so much later by its own clock."""
    rests = (max(rest - after, 0) for rest in (answer.tat, answer.tokens, answer.paused))
    return Known(answer.life, answer.serial, answer.now + after, *rests)


GAPS = st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 40)), min_size=1, max_size=60)


@given(GAPS, st.integers(1, 600), st.sampled_from([0.1, 1.0, 60.0]), st.randoms(use_true_random=False))
def test_no_window_holds_more_than_its_number_even_when_sends_are_late(
    gaps: list[tuple[int, int]], requests: int, window: float, chance: random.Random
) -> None:
    """Whatever the pattern of arrivals, and each send as late as it may be."""
    rate, store = Rate.per_window(requests, window), Store()
    interval, late = round(rate.interval * 1e6), round(rate.late * 1e6)
    slots: list[int] = []
    for gap, wanted in gaps:
        store.now += gap
        slots += store.slots(wanted, interval)

    sent = [slot + chance.choice((0, late, late // 2)) for slot in slots]

    assert all(behind - slot >= interval for slot, behind in itertools.pairwise(slots))
    assert worst_window([slot / 1e6 for slot in slots], window) <= requests
    assert worst_window([float(moment) for moment in sent], window * 1e6) <= requests


@given(GAPS)
def test_slots_lie_in_the_future_and_not_far_ahead(gaps: list[tuple[int, int]]) -> None:
    """All but the first of an answer within the look-ahead, and always one."""
    store = Store()
    for gap, wanted in gaps:
        store.now += gap
        slots = store.slots(wanted, 7_000)
        assert len(slots) >= 1
        assert slots[0] >= store.now
        assert len(slots) == 1 or slots[-1] <= store.now + AHEAD


def test_an_idle_store_lets_one_go_at_once_and_the_next_after_the_interval() -> None:
    store = Store()

    assert store.slots(1) == [START]
    assert store.slots(1) == [START + INTERVAL]
    store.now += 100 * INTERVAL
    assert store.slots(5, 20_000) == [store.now + 20_000 * number for number in range(5)]
    assert store.slots(5, 20_000) == [store.now + 100_000]


def test_a_rate_without_an_interval_gives_all_at_once() -> None:
    assert Store().slots(1000, 0) == [START] * 1000


def test_who_would_wait_too_long_gets_nothing_and_changes_nothing() -> None:
    store = Store()
    store.slots(1)
    before = store.state

    answer = store.ask(slots=3, patience=INTERVAL - 1)

    assert (answer.granted, answer.wait) == (0, INTERVAL)
    assert store.state == before


@given(st.lists(st.tuples(st.integers(0, 9_000_000), st.integers(0, 9_000_000)), min_size=1))
def test_pauses_only_lengthen_and_nobody_passes_in_one(pauses: list[tuple[int, int]]) -> None:
    store, until = Store(), 0
    for gap, length in pauses:
        store.now += gap
        until = max(until, store.now + length)
        store.ask(pause=length)
        assert store.state is not None
        assert store.state.paused >= (until if until > store.now else 0)
        assert store.slots(1, 1)[0] >= until


def test_a_slot_given_back_is_the_next_ones() -> None:
    store = Store()
    store.slots(1)
    mine = store.ask(slots=1)

    store.ask(back=INTERVAL, mark=mine.serial)

    assert store.slots(1) == [START + INTERVAL]


def test_a_slot_is_exchanged_for_now_when_nobody_reserved_behind_it() -> None:
    store = Store()
    mine = store.ask(slots=1)
    store.now += 3_000_000

    assert store.ask(slots=1, back=INTERVAL, mark=mine.serial).wait == 0


def test_a_slot_before_somebody_elses_cannot_be_given_back() -> None:
    """It would be given out twice, the second time as the somebody's."""
    store = Store()
    mine = store.ask(slots=1)
    store.slots(1)

    store.ask(back=INTERVAL, mark=mine.serial)

    assert store.slots(1) == [START + 2 * INTERVAL]


def test_nothing_is_given_back_twice() -> None:
    store = Store()
    store.slots(1)
    mine = store.ask(slots=1)
    again = store.ask(slots=1, back=INTERVAL, mark=mine.serial)

    assert again.serial > mine.serial
    assert store.ask(slots=1, back=INTERVAL, mark=mine.serial).wait == 2 * INTERVAL


@given(st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 20_000_000)), min_size=2))
def test_tokens_are_spread_over_time(requests: list[tuple[int, int]]) -> None:
    """Each next request waits for what the tokens of the one before take."""
    store, free_at = Store(), START
    for gap, charge in requests:
        store.now += gap
        answer = store.ask(slots=1, interval=0, charge=charge)
        at = store.now + answer.wait
        assert at == max(store.now, free_at)
        free_at = at + charge


def test_more_tokens_than_told_are_waited_for_and_fewer_are_not() -> None:
    store = Store()
    store.ask(slots=1, interval=0, charge=4_000_000)
    store.now += 1_000_000

    assert store.ask(owed=2_000_000).tokens == 5_000_000
    assert store.ask(owed=-4_500_000).tokens == 500_000
    assert store.ask(owed=-4_500_000).tokens == 0
    assert store.ask(owed=3_000_000).tokens == 3_000_000


@given(st.integers(1, 10**11), st.integers(0, 30_000_000))
def test_a_clock_that_goes_back_lengthens_no_wait(step: int, pause: int) -> None:
    """Of requests, tokens and pauses alike."""
    store = Store()
    before = store.ask(slots=3, charge=3_000_000, pause=pause)
    store.now -= step

    after = store.ask()

    assert (after.tat, after.tokens, after.paused) == (before.tat, before.tokens, before.paused)
    assert after.life > before.life


@given(st.integers(2_000_000, 10**11), st.integers(0, 8_000_000))
def test_a_clock_that_goes_forward_frees_nothing_for_who_knows_better(step: int, passed: int) -> None:
    """The pause and the slots in others' hands are as far away as they were."""
    store = Store()
    assume(step + passed > 2_000_000)
    before = store.ask(slots=2, pause=9_000_000)
    store.now += step + passed

    after = store.ask(knowing(before, after=passed), slots=1)

    assert after.wait == before.tat - passed
    assert after.paused == 9_000_000 - passed


def test_what_was_forgotten_is_restored_by_each_who_knows_of_it() -> None:
    """Flushed: whoever asks first tells what it knows, and the others add to that what they know."""
    store = Store()
    first = store.ask(slots=1)
    second = store.ask(slots=1, pause=1_000_000)
    store.state = None
    store.now += 500_000

    a = store.ask(knowing(first, after=500_000), slots=1)
    b = store.ask(knowing(second, after=500_000), slots=1)

    assert a.wait == INTERVAL - 500_000
    assert (b.wait, b.paused) == (2 * INTERVAL - 500_000, 500_000)


def test_an_older_snapshot_is_known_as_such() -> None:
    store = Store()
    store.slots(1)
    snapshot = store.state
    mine, others = store.ask(slots=1), store.ask(slots=1)
    store.state = snapshot

    assert store.ask(knowing(mine, after=0), slots=1).wait == 2 * INTERVAL
    assert store.ask(knowing(others, after=0), slots=1).wait == 3 * INTERVAL


def test_what_others_gave_back_is_not_restored_by_who_did_not_hear_of_it() -> None:
    """In the same life the store knows better."""
    store = Store()
    store.slots(1)
    heard = store.ask(slots=1)
    heard_by_me = store.ask()
    store.ask(back=INTERVAL, mark=heard.serial)

    assert store.ask(knowing(heard_by_me, after=0), slots=1).wait == INTERVAL


def test_who_knows_nothing_changes_nothing() -> None:
    """Times that are over stay over: a slot in somebody's hand must not seem to lie in a pause."""
    store = Store()
    store.ask(slots=1, pause=1)
    before = store.state
    store.now += 20 * INTERVAL

    store.ask()
    store.ask(Known(life=7))

    assert before is not None
    assert store.state == before._replace(last=store.now, tokens=store.now)
