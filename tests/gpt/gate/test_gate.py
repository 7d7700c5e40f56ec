"""One process's gate, in virtual time: who gets through, when, and who is sent away."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt.errors import GateBusy
from gpt.gate import Rate
from gpt.gate.queue import Queue
from gpt.model import Priority
from tests.gpt.gate.virtual import Street, in_virtual_time, worst_window

EVERY_TEN = Rate(interval=10.0, late=0.4)
FAST = Rate.per_window(500, 1.0)
BATCH = Priority.BATCH

Scenario = Callable[[Street], Coroutine[Any, Any, None]]


def virtually(scenario: Scenario) -> Callable[[], None]:
    """A test that runs in virtual time."""

    def test() -> None:
        in_virtual_time(scenario)

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test


@virtually
async def test_the_first_goes_at_once_and_the_others_an_interval_apart(street: Street) -> None:
    """Each is told how long it waited."""
    gate = street.gate(EVERY_TEN)

    waited = await asyncio.gather(*(street.come(gate) for _one in range(4)))

    assert street.times == [0, 10, 20, 30]
    assert waited == [0, 10, 20, 30]
    assert gate.stats() == {
        "entered": 4, "waits": 3, "waited_seconds": 60.0, "refused": 0, "late": 0,
        "waiting": 0, "paused_seconds": 0, "local": 0,
    }  # fmt: skip


@virtually
async def test_a_rest_is_not_saved_up(street: Street) -> None:
    gate = street.gate(EVERY_TEN)
    await street.come(gate)
    await asyncio.sleep(100)

    await asyncio.gather(street.come(gate), street.come(gate))

    assert street.times == [0, 100, 110]


@virtually
async def test_a_person_overtakes_batches_until_the_last_moment(street: Street) -> None:
    """The slot was reserved for a batch."""
    gate = street.gate(EVERY_TEN)
    batches = [street.come(gate, f"batch {number}", priority=BATCH) for number in range(3)]
    await asyncio.sleep(9.9)

    await street.come(gate, "person")
    await asyncio.gather(*batches)

    assert street.order == ["batch 0", "person", "batch 1", "batch 2"]


@virtually
async def test_in_fast_rates_a_person_waits_for_no_batch_either(street: Street) -> None:
    """Slots are in hand a tenth of a second ahead; who gets one is decided when it is due."""
    gate = street.gate(FAST)
    batches = [street.come(gate, "batch", priority=BATCH) for _number in range(300)]
    await asyncio.sleep(0.3)
    before = len(street.sent)

    await street.come(gate, "person")

    assert street.order.index("person") == before
    for batch in batches:
        batch.cancel()
    await asyncio.wait(batches)


@virtually
async def test_one_bots_thousand_do_not_starve_anothers_one(street: Street) -> None:
    gate = street.gate(FAST)
    crowd = [street.come(gate, "crowd", bot="busy") for _number in range(1000)]
    await asyncio.sleep(0)

    one = street.come(gate, "one", bot="calm")
    await asyncio.gather(one, *crowd)

    assert street.order.index("one") <= 2
    assert worst_window([at for at, _name in street.sent], 1.0) <= 500


@virtually
async def test_whose_turn_would_come_after_its_deadline_is_sent_away_at_once(street: Street) -> None:
    """And is told when to come again."""
    gate = street.gate(EVERY_TEN)
    waiting = [street.come(gate) for _number in range(4)]
    await asyncio.sleep(1)

    with pytest.raises(GateBusy, match=r"in 39\.0 s") as refused:
        await street.pass_through(gate, within=38.9)

    assert refused.value.retry_after == pytest.approx(39)
    assert gate.stats()["refused"] == 1
    assert gate.stats()["waiting"] == 3
    await asyncio.gather(street.come(gate, within=39.1), *waiting)
    assert street.times == [0, 10, 20, 30, 40]


@virtually
async def test_with_nobody_waiting_a_late_turn_is_refused_too(street: Street) -> None:
    gate = street.gate(EVERY_TEN)
    await street.come(gate)

    with pytest.raises(GateBusy) as refused:
        await street.pass_through(gate, within=9)

    assert refused.value.retry_after == pytest.approx(10)
    assert street.now == 1000


@virtually
async def test_a_deadline_that_has_passed_lets_nobody_through(street: Street) -> None:
    for rate in (EVERY_TEN, Rate.of(min_request_interval=0)):
        with pytest.raises(GateBusy):
            await street.gate(rate).enter(until=street.now - 1)


@virtually
async def test_who_is_overtaken_too_often_is_refused_at_its_deadline(street: Street) -> None:
    gate = street.gate(EVERY_TEN)
    first, batch = street.come(gate), street.come(gate, "batch", priority=BATCH, within=15)
    await asyncio.sleep(1)
    person = street.come(gate, "person")

    with pytest.raises(GateBusy) as refused:
        await batch

    assert street.now == 1015
    assert refused.value.retry_after == pytest.approx(5)
    await asyncio.gather(first, person)
    assert street.times == [0, 10]


@pytest.mark.parametrize("leaver", [1, 2, 4])
def test_a_cancelled_waiter_costs_the_others_nothing(leaver: int) -> None:
    """The first, one in the middle, the last of those who wait."""

    async def scenario(street: Street) -> None:
        gate = street.gate(EVERY_TEN)
        tasks = [street.come(gate, str(number)) for number in range(5)]
        await asyncio.sleep(5)
        tasks[leaver].cancel()
        await asyncio.wait(tasks)

        assert tasks[leaver].cancelled()
        assert street.times == [0, 10, 20, 30]
        assert str(leaver) not in street.order
        assert gate.stats()["waiting"] == 0

    in_virtual_time(scenario)


@virtually
async def test_the_slot_of_the_last_waiter_who_leaves_goes_back(street: Street) -> None:
    gate = street.gate(EVERY_TEN)
    await street.come(gate)
    leaver = street.come(gate)
    await asyncio.sleep(5)

    leaver.cancel()
    await asyncio.wait([leaver])
    await street.come(gate)

    assert street.times == [0, 10]


@virtually
async def test_who_is_cancelled_with_its_turn_in_its_pocket_leaves_it_to_the_next(street: Street) -> None:
    """Granted and cancelled in the same turn of the loop."""
    gate = street.gate(EVERY_TEN)
    await street.come(gate)
    leaver, patient = street.come(gate), street.come(gate, "patient")
    await asyncio.sleep(0)
    street.loop.call_later(10.1, leaver.cancel)
    street.loop.now += 10.2  # so that both are due: its turn first, then the end of it

    await asyncio.wait([leaver, patient])

    assert (leaver.cancelled(), street.times, street.order[1:]) == (True, [0, 10.2], ["patient"])


@virtually
async def test_who_was_just_cancelled_gets_no_turn(street: Street) -> None:
    """Its turn has come, and somebody else asks before it could leave."""
    gate = street.gate(EVERY_TEN)
    await street.come(gate)
    leaver = street.come(gate)
    await asyncio.sleep(0)
    street.loop.now += 10.1

    leaver.cancel()
    await street.pass_through(gate, "patient")
    await asyncio.wait([leaver])

    assert (leaver.cancelled(), street.times, street.order[1:]) == (True, [0, 10.1], ["patient"])
    assert gate.stats()["waiting"] == 0


@virtually
async def test_who_was_just_cancelled_is_not_refused_either(street: Street) -> None:
    """A pause makes its deadline hopeless, and another one's step comes before it could leave."""
    gate = street.gate(EVERY_TEN)
    await street.come(gate)
    leaver = street.come(gate, within=15)
    await asyncio.sleep(0)
    await gate.pause(60)
    street.loop.now += 10.1

    leaver.cancel()
    await street.pass_through(gate, "patient")
    await asyncio.wait([leaver])

    assert (leaver.cancelled(), street.times, gate.stats()["refused"]) == (True, [0, 60], 0)


@virtually
async def test_a_pause_holds_all_and_only_lengthens(street: Street) -> None:
    gate = street.gate(EVERY_TEN)
    tasks = [street.come(gate) for _number in range(4)]
    await asyncio.sleep(12)

    await gate.pause(60)
    await gate.pause(5)

    assert gate.stats()["paused_seconds"] == 60
    with pytest.raises(GateBusy) as refused:
        await street.pass_through(gate, within=50)
    assert refused.value.retry_after == pytest.approx(70)
    await asyncio.gather(*tasks)
    assert street.times == [0, 10, 72, 82]


@virtually
async def test_a_pause_holds_where_there_is_no_other_limit(street: Street) -> None:
    gate = street.gate(Rate.of(min_request_interval=0))
    await asyncio.gather(*(street.come(gate) for _number in range(100)))
    await gate.pause(7)

    await asyncio.gather(*(street.come(gate) for _number in range(100)))

    assert street.times == [0] * 100 + [7] * 100
    await gate.pause(3)
    with pytest.raises(GateBusy):
        await street.pass_through(gate, within=2)


@virtually
async def test_a_short_pause_moves_no_slot_that_comes_later(street: Street) -> None:
    gate = street.gate(EVERY_TEN)
    tasks = [street.come(gate) for _number in range(3)]
    await asyncio.sleep(1)

    await gate.pause(3)

    await asyncio.gather(*tasks)
    assert street.times == [0, 10, 20]


@virtually
async def test_tokens_are_limited_beside_requests(street: Street) -> None:
    """Ten tokens a second, a request each second."""
    gate = street.gate(Rate(interval=1.0, late=0.04, token_interval=0.1))

    await asyncio.gather(*(street.come(gate, tokens=tokens) for tokens in (50, 5, 5, 30, 1)))

    assert street.times == [0, 5, 6, 7, 10]


@virtually
async def test_a_reply_that_took_other_tokens_than_told_is_settled(street: Street) -> None:
    gate = street.gate(Rate(interval=0, late=0, token_interval=0.1))
    await street.come(gate, tokens=50)
    await gate.settle(-30)
    await street.come(gate, tokens=10)
    await gate.settle(40)
    await street.come(gate, tokens=10)

    assert street.times == [0, 2, 7]


@virtually
async def test_who_overtakes_pays_its_own_tokens(street: Street) -> None:
    """The slot was reserved with those of a small batch, and those of a waiter who left come back."""
    gate = street.gate(Rate(interval=0, late=0, token_interval=0.1))
    await street.come(gate, tokens=100)
    batch = street.come(gate, "batch", priority=BATCH, tokens=10)
    await asyncio.sleep(1)
    person = street.come(gate, "person", tokens=200)
    await asyncio.gather(person, batch)
    leaver = street.come(gate, tokens=1000)
    await asyncio.sleep(0.1)
    leaver.cancel()
    await asyncio.wait([leaver])
    await street.come(gate)

    assert street.times == [0, 10, 30, 31]


@virtually
async def test_a_loop_that_was_busy_sends_nothing_too_near_to_the_next_slot(street: Street) -> None:
    """Slots that are over by more than a send may be late are exchanged; the others are used."""
    gate = street.gate(EVERY_TEN)
    tasks = [street.come(gate) for _number in range(4)]
    await asyncio.sleep(1)
    street.loop.now += 9.3  # 0.3 late: allowed
    await asyncio.sleep(5)
    street.loop.now += 10  # 5.3 late

    await asyncio.gather(*tasks)

    assert street.times == [0, 10.3, 25.3, 35.3]
    assert gate.stats()["late"] == 1


@virtually
async def test_who_wakes_after_its_slot_is_over_takes_another_before_all_others(street: Street) -> None:
    """The loop was busy between the word that it may go and its going."""
    gate = street.gate(EVERY_TEN)
    await street.come(gate)
    waiting = [street.come(gate, name) for name in ("first", "second")]
    await asyncio.sleep(0)

    def be_busy() -> None:
        street.loop.now += 5

    street.loop.call_later(10.1, be_busy)
    street.loop.now += 10.2  # so that both are due: its turn first, then the work
    await asyncio.gather(*waiting)

    assert (street.times, street.order[1:]) == ([0, 20, 30], ["first", "second"])


@given(st.integers(0, 2**32), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_no_window_is_overrun_whatever_happens(seed: int, requests: int) -> None:
    """Arrivals, departures, pauses and a busy loop in any order; and in the end nothing is left waiting."""

    async def scenario(street: Street) -> None:
        chance = random.Random(seed)
        gate = street.gate(Rate.per_window(requests, 1.0))
        tasks: list[asyncio.Task[float]] = []
        pauses = []
        for _step in range(60):
            match chance.randrange(8):
                case 0:
                    street.loop.now += chance.choice((0.001, 0.015, 0.3))
                case 1 if tasks:
                    chance.choice(tasks).cancel()
                case 2 if not chance.randrange(4):
                    length = chance.uniform(0, 0.5)
                    await gate.pause(length)
                    pauses.append((street.now, street.now + length))
                case _:
                    more: dict[str, Any] = {"priority": chance.choice(list(Priority)), "bot": chance.choice("ab")}
                    tasks += [street.come(gate, within=chance.choice((0.2, 100)), **more) for _one in range(7)]
            await asyncio.sleep(chance.choice((0, 0.001, 0.05, 0.4)))
        await asyncio.wait(tasks)

        moments = [at for at, _name in street.sent]
        assert worst_window(moments, 1.0) <= requests
        assert not any(begin < at < end - 1e-5 for at in moments for begin, end in pauses)
        assert gate.stats()["waiting"] == 0
        assert gate.stats()["entered"] == len(moments)
        passed = [task for task in tasks if not task.cancelled() and task.exception() is None]
        assert len(passed) == len(moments)

    in_virtual_time(scenario)


@virtually
async def test_each_of_several_processes_without_redis_keeps_to_its_part(street: Street) -> None:
    gate = street.gate(EVERY_TEN, processes=4)

    await asyncio.gather(*(street.come(gate) for _number in range(3)))

    assert street.times == [0, 40, 80]


def test_each_wait_is_logged_once_and_none_where_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="gavatcore.openai")

    async def scenario(street: Street) -> None:
        gate = street.gate(Rate.of(min_request_interval=5.0))
        await asyncio.gather(*(street.come(gate) for _number in range(3)))

    in_virtual_time(scenario)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "rate limit: waiting 5.2 s"),
        ("INFO", "rate limit: waiting 10.4 s"),
    ]


def test_a_wait_that_nobody_foresaw_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    """And short ones are not."""
    caplog.set_level(logging.DEBUG, logger="gavatcore.openai")

    async def scenario(street: Street) -> None:
        gate = street.gate(Rate.per_window(500, 1.0))
        tasks = [street.come(gate, within=9) for _number in range(2)]
        await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert not caplog.messages
        tasks = [street.come(gate) for _number in range(2)]
        await asyncio.sleep(0)
        await gate.pause(3)
        await asyncio.gather(*tasks)

    in_virtual_time(scenario)

    assert caplog.messages == ["rate limit: waiting 3.0 s"] * 2


@virtually
async def test_a_thousand_waiters_cost_one_timer_more_each_and_no_task(street: Street) -> None:
    """A step wakes whose turn it is, and nobody else."""
    gate = street.gate(EVERY_TEN)
    tasks = [street.come(gate) for _number in range(1000)]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1000  # of which 999 wait

    await asyncio.sleep(95)

    assert sum(task.done() for task in tasks) == 10
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert gate.stats()["waiting"] == 0


@virtually
async def test_thousands_of_bots_are_not_counted_one_by_one(street: Street) -> None:
    """Who goes before whom matters to a deadline alone: counted for each, 3,000 bots were a stall of four seconds."""
    gate = street.gate(EVERY_TEN)
    with mock.patch.object(Queue, "ahead", autospec=True, side_effect=Queue.ahead) as counted:
        tasks = [street.come(gate, bot=str(number)) for number in range(1000)]
        await asyncio.sleep(0)

    assert counted.call_count < 300
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
