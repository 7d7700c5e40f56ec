"""A Valkey that dies, forgets, stands still, or is told another time, while gates are at work."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import weakref

import pytest

from gpt.errors import GateBusy
from gpt.gate import Rate
from tests.gpt.gate.town import EVERY_30_MS, GATES, REFUSED_AFTER, FarLink, StuckLink, Town, until, watched_loop
from tests.gpt.gate.virtual import worst_window


def test_a_dead_server_costs_nobody_more_than_a_moment(doomed: Town, caplog: pytest.LogCaptureFixture) -> None:
    """Each goes on at its part of the rate from its last slot on; it is said once, and once that it is back."""
    caplog.set_level(logging.INFO, logger="gavatcore.openai")
    gates = [doomed.gate() for _gate in range(GATES)]

    async def scenario() -> None:
        await doomed.rush(*gates, each=2)
        doomed.server.kill()
        killed_at = time.monotonic()
        stall = await watched_loop(doomed.rush(*gates, each=3))
        assert stall < REFUSED_AFTER
        assert [gate.stats()["local"] for gate in gates] == [1, 1, 1]
        assert worst_window([moment for moment in doomed.sent if moment > killed_at], 0.09) <= 2 * GATES
        doomed.server.start()
        await until(lambda: not any(gate.stats()["local"] for gate in gates))
        before = len(doomed.sent)
        await doomed.rush(*gates, each=3)
        assert doomed.closest_three(before + GATES) >= EVERY_30_MS.interval - EVERY_30_MS.late

    asyncio.run(scenario())

    said = [
        (record.levelname, record.getMessage()) for record in caplog.records if "waiting" not in record.getMessage()
    ]
    assert [level for level, _text in said] == ["WARNING"] * GATES + ["INFO"] * GATES
    assert said[0][1].startswith("rate limit: each process keeps to 1/3 of it: Redis at 127.0.0.1:")


def test_no_burst_stands_at_the_change(doomed: Town) -> None:
    """One process alone keeps its gap through the death of the server and its return."""
    gate = doomed.gate(processes=1)

    async def scenario() -> None:
        running = asyncio.create_task(doomed.rush(gate, each=1000))
        await until(lambda: len(doomed.sent) == 3)
        doomed.server.kill()
        await until(lambda: gate.stats()["local"] == 1)
        doomed.server.start()
        await until(lambda: gate.stats()["local"] == 0)
        before = len(doomed.sent)
        await until(lambda: len(doomed.sent) > before + 3)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scenario())

    assert doomed.closest_three() >= EVERY_30_MS.interval - EVERY_30_MS.late
    assert max(doomed.gaps) < REFUSED_AFTER


def test_a_frozen_server_stalls_one_question_and_never_the_loop(doomed: Town) -> None:
    """It remembers all when it goes on, but for what was sent meanwhile: that it is told."""
    rate = Rate(interval=0.12, late=0.02)
    doomed.url = f"{doomed.server.plain_url}?socket_timeout=1"
    gate = doomed.gate(rate, processes=1)

    async def scenario() -> None:
        running = asyncio.create_task(doomed.rush(gate, each=1000))
        await until(lambda: len(doomed.sent) == 2)
        with doomed.server.frozen():
            stall = await watched_loop(until(lambda: len(doomed.sent) == 5))
            assert gate.stats()["local"] == 1
        assert stall < 0.9, "a call on the loop would take a second"
        await until(lambda: gate.stats()["local"] == 0)
        before = len(doomed.sent)
        await until(lambda: len(doomed.sent) > before + 2)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(scenario())

    assert doomed.closest_three() >= rate.interval - rate.late
    assert sum(gap > 0.9 for gap in doomed.gaps) <= 2
    assert max(doomed.gaps) < 1 + REFUSED_AFTER


def test_a_pause_made_while_the_server_is_down_reaches_the_others(doomed: Town) -> None:
    """By itself, as soon as it is back."""
    mine, theirs = doomed.gate(), doomed.gate()

    async def scenario() -> None:
        await doomed.rush(mine, theirs, each=1)
        doomed.server.kill()
        await mine.pause(60)
        doomed.server.start()
        await until(lambda: not mine.stats()["local"])
        with pytest.raises(GateBusy) as refused:
            await doomed.go(theirs, within=50)
        assert refused.value.retry_after == pytest.approx(60, abs=5)

    asyncio.run(scenario())


@pytest.mark.parametrize("forget", ["FLUSHALL", "SCRIPT FLUSH", "restart"])
def test_a_server_that_forgot_is_told(doomed: Town, forget: str) -> None:
    """Who asks next restores its slots and its pause, which others overrun by one send each; scripts are sent again."""
    gates = [doomed.gate() for _gate in range(GATES)]

    async def scenario() -> None:
        await doomed.rush(*gates, each=2)
        ends_at = time.monotonic() + 0.3 - 0.001
        await gates[0].pause(0.3)
        before = len(doomed.sent)
        if forget == "restart":
            doomed.server.restart_empty()
        else:
            doomed.server.ask(*forget.split())
        await doomed.go(gates[0])
        assert doomed.sent[before] >= ends_at
        await doomed.rush(*gates, each=2)
        assert not any(gate.stats()["local"] for gate in gates)

    asyncio.run(scenario())

    too_near = sum(gap < EVERY_30_MS.interval - EVERY_30_MS.late for gap in doomed.gaps)
    assert too_near <= (0 if forget == "SCRIPT FLUSH" else GATES)


def test_a_flush_lets_each_process_send_one_too_many_at_most(town: Town) -> None:
    """Here the last slots are known to those who got them: who asks first knows least."""
    rate = Rate(interval=0.2, late=0.08)
    gates = [town.gate(rate) for _gate in range(GATES)]

    async def scenario() -> None:
        waiting = [asyncio.create_task(town.rush(gate, each=2)) for gate in gates]
        await until(lambda: town.scripts >= GATES)
        await asyncio.sleep(0.05)
        town.server.empty()
        await asyncio.gather(*waiting)

    asyncio.run(scenario())

    assert sum(gap < rate.interval - rate.late for gap in town.gaps) <= GATES


@pytest.mark.parametrize("steps", [(-3600, 3600), (3600, -3600), (5, -5, 5)])
def test_a_clock_that_is_set_lets_nobody_wait_nor_run(town: Town, steps: tuple[float, ...]) -> None:
    """Back and forth in mid-run; it is put right again afterwards."""
    gates = [town.gate() for _gate in range(GATES)]

    async def scenario() -> None:
        running = asyncio.create_task(town.rush(*gates, each=6))
        for step in steps:
            await asyncio.sleep(0.12)
            town.server.move_clock(step)
        await running

    try:
        asyncio.run(scenario())
    finally:
        town.server.move_clock(-sum(steps))

    assert max(town.gaps) < REFUSED_AFTER
    assert sum(gap < EVERY_30_MS.interval - EVERY_30_MS.late for gap in town.gaps) <= GATES * len(steps)


def test_a_way_longer_than_a_send_may_be_late_slows_a_process_and_breaks_nothing(town: Town) -> None:
    """Slots that begin before their answer comes are over when it does: wider ones are taken."""
    rate = Rate(interval=0.05, late=0.01)
    far, near = town.gate(rate, link=FarLink), town.gate(rate)

    async def scenario() -> None:
        await town.go(far)
        await asyncio.gather(town.rush(near, each=6), *(town.go(far) for _number in range(3)))

    asyncio.run(scenario())

    assert far.stats()["late"] >= 2
    assert min(town.gaps) >= rate.interval - rate.late


def test_an_answer_that_does_not_come_is_not_waited_for(town: Town) -> None:
    """And the slots of one that comes after all are not lost in anybody's hands."""
    town.url = town.server.plain_url
    gate = town.gate(link=StuckLink)

    async def scenario() -> None:
        assert 0.4 < await town.go(gate) < 0.5 + REFUSED_AFTER
        assert gate.stats()["local"] == 1
        assert await town.go(gate) < REFUSED_AFTER
        stuck = town.links[0]
        assert isinstance(stuck, StuckLink)
        stuck.found.set()
        await until(lambda: gate.stats()["local"] == 0)
        await town.rush(gate, each=3)

    asyncio.run(scenario())

    assert min(town.gaps) >= EVERY_30_MS.interval - EVERY_30_MS.late


def test_a_gate_that_is_gone_is_not_tried_for_any_longer(doomed: Town) -> None:
    doomed.server.kill()
    gate = doomed.gate()
    asyncio.run(doomed.go(gate))
    alive = weakref.ref(gate)

    del gate
    ends_at = time.monotonic() + 10
    while alive() is not None:  # the thread may still be on its way out of the last question
        assert time.monotonic() < ends_at
        gc.collect()
    asked = doomed.scripts
    time.sleep(0.9)
    assert doomed.scripts == asked
