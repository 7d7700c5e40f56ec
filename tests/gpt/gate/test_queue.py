"""Who is next."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.gate.queue import Queue
from gpt.model import Priority

PERSON, BATCH = Priority.PERSON, Priority.BATCH


@dataclass(frozen=True, slots=True)
class One:
    number: int
    priority: Priority = PERSON
    bot: str = ""


COMERS = st.lists(st.tuples(st.sampled_from(list(Priority)), st.sampled_from("abcd")), max_size=30)
STEPS = st.lists(
    st.one_of(st.none(), st.integers(0, 40), st.tuples(st.sampled_from(list(Priority)), st.sampled_from("abc")))
)


def filled(comers: list[tuple[Priority, str]]) -> Queue[One]:
    queue: Queue[One] = Queue()
    for number, (priority, bot) in enumerate(comers):
        queue.push(One(number, priority, bot))
    return queue


def drained(queue: Queue[One]) -> list[One]:
    return [queue.take() for _number in range(len(queue))]


@given(COMERS)
def test_persons_go_before_batches_and_each_bot_in_the_order_it_came(comers: list[tuple[Priority, str]]) -> None:
    taken = drained(filled(comers))

    assert [one.priority for one in taken] == sorted(one.priority for one in taken)
    for lane in Priority:
        for bot in "abcd":
            numbers = [one.number for one in taken if (one.priority, one.bot) == (lane, bot)]
            assert numbers == sorted(numbers)
    assert {one.number for one in taken} == set(range(len(comers)))


def test_a_thousand_of_one_bot_do_not_starve_one_of_another() -> None:
    queue = filled([(PERSON, "busy")] * 1000 + [(PERSON, "calm")] * 2)

    assert [one.bot for one in drained(queue)[:5]] == ["busy", "calm", "busy", "calm", "busy"]


@given(COMERS, st.sampled_from(list(Priority)), st.sampled_from("abcde"))
def test_the_number_ahead_is_how_many_are_taken_before(
    comers: list[tuple[Priority, str]], priority: Priority, bot: str
) -> None:
    """Also after some turns have shifted the bots."""
    for turns in (0, 1, 3):
        queue = filled(comers)
        for _turn in range(min(turns, len(queue))):
            queue.take()
        ahead = queue.ahead(priority, bot)
        assert ahead <= queue.waiting(priority) <= len(queue)
        last = One(-1, priority, bot)
        queue.push(last)

        assert drained(queue).index(last) == ahead


@given(STEPS)
def test_whoever_leaves_is_gone_and_nobody_else(steps: list[int | tuple[Priority, str] | None]) -> None:
    """Comers, leavers and turns in any order; the length always says how many wait."""
    queue: Queue[One] = Queue()
    waiting: dict[int, One] = {}
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            waiting[number] = One(number, *step)
            queue.push(waiting[number])
        elif step is not None and step in waiting:
            queue.remove(waiting.pop(step))
        elif step is None and waiting:
            head = queue.head()
            assert queue.take() is head
            assert head is not None
            del waiting[head.number]
        assert len(queue) == len(waiting)
        assert set(queue) == set(waiting.values())


def test_whoever_could_not_use_its_turn_is_next_again() -> None:
    queue = filled([(PERSON, "a"), (PERSON, "b"), (PERSON, "a"), (BATCH, "c")])
    first = queue.take()

    queue.push_front(first)

    assert [one.number for one in drained(queue)] == [0, 1, 2, 3]


def test_a_person_comes_before_a_batch_that_missed_its_turn() -> None:
    queue = filled([(BATCH, "a"), (BATCH, "b")])
    first = queue.take()
    queue.push(One(7))
    queue.push_front(first)

    assert [one.number for one in drained(queue)] == [7, 0, 1]


def test_nobody_is_taken_from_an_empty_queue() -> None:
    queue: Queue[One] = Queue()

    assert queue.head() is None
    with pytest.raises(IndexError):
        queue.take()
