"""Gates that share a Valkey: one rate, one pause, for all of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

from gpt.errors import GateBusy
from gpt.gate import Gate, Rate
from gpt.gate.scripts import KEY
from gpt.model import Priority
from tests.gpt.gate.town import EVERY_30_MS, GATES, UNLIMITED, FarLink, FartherLink, Town, until
from tests.killing import REPOSITORY, plain_environment
from tests.valkey import Valkey


def test_sends_of_all_processes_keep_the_gap(town: Town) -> None:
    asyncio.run(town.rush(*(town.gate() for _gate in range(GATES)), each=5))

    assert len(town.sent) == 15
    assert min(town.gaps) >= EVERY_30_MS.interval - EVERY_30_MS.late


def test_a_deadline_behind_the_fleets_queue_is_refused_at_once(town: Town) -> None:
    """By a process that knew nothing of the queue; it takes no slot from the others."""
    rate = Rate(interval=5.0, late=0.2)
    mine, theirs = town.gate(rate), town.gate(rate)

    async def scenario() -> None:
        await town.go(theirs)
        with pytest.raises(GateBusy) as refused:
            await town.go(mine, within=4)
        assert refused.value.retry_after == pytest.approx(5, abs=1)
        with pytest.raises(GateBusy) as refused:
            await town.go(theirs, within=4)
        assert refused.value.retry_after == pytest.approx(5, abs=1)

    asyncio.run(scenario())


def test_a_waiter_who_leaves_gives_its_slot_back_to_the_fleet(town: Town) -> None:
    rate = Rate(interval=60.0, late=2.0)
    mine, theirs = town.gate(rate), town.gate(rate)

    async def scenario() -> None:
        await town.go(mine)
        leaver = asyncio.create_task(town.go(mine, within=100))
        await until(lambda: town.scripts == 2)
        leaver.cancel()
        await asyncio.wait([leaver])
        await until(lambda: town.scripts == 3)
        with pytest.raises(GateBusy) as refused:
            await town.go(theirs, within=30)
        assert refused.value.retry_after == pytest.approx(60, abs=5)

    asyncio.run(scenario())


def test_a_pause_holds_the_whole_fleet(town: Town) -> None:
    """Those who wait with a slot in hand, and those who know nothing yet, with and without another limit."""

    async def come_and_leave(gate: Gate, after: int) -> float:
        """Every 20 ms something happens at the gate."""
        await asyncio.sleep(0.02 * after)
        task = asyncio.create_task(town.go(gate))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return 0.0

    async def scenario() -> None:
        rate = Rate(interval=0.3, late=0.2)
        waiting = town.gate(rate, link=FartherLink)  # hears of the pause after its slot has begun
        pausing, coming = town.gate(rate), town.gate(rate)
        unlimited = town.gate(UNLIMITED)
        await town.go(waiting)
        waiter = asyncio.create_task(town.go(waiting))
        await until(lambda: town.scripts == 2)

        ends_at = time.monotonic() + 0.5 - 0.001
        await pausing.pause(0.5)
        others = [town.go(coming), town.go(unlimited), *(come_and_leave(waiting, after) for after in range(20))]
        await asyncio.gather(waiter, *others)

        assert all(moment >= ends_at for moment in town.sent[1:])

    asyncio.run(scenario())


def test_without_a_limit_the_shared_pause_is_asked_for_twice_a_second(town: Town) -> None:
    gate = town.gate(UNLIMITED)

    async def scenario() -> None:
        for _number in range(200):
            await town.go(gate)

    began = time.monotonic()
    asyncio.run(scenario())

    assert town.scripts <= 2 + (time.monotonic() - began) / 0.5


def test_tokens_are_limited_for_the_whole_fleet(town: Town) -> None:
    """The first took less than it was told, which all profit from."""
    rate = Rate(interval=0, late=0, token_interval=0.001)
    mine, theirs = town.gate(rate), town.gate(rate)

    async def scenario() -> None:
        await town.go(mine, tokens=60_000)
        with pytest.raises(GateBusy):
            await town.go(theirs, within=20)
        await mine.settle(-59_700)
        await town.go(theirs, tokens=3_000)
        await town.go(mine)

    began = time.monotonic()
    asyncio.run(scenario())

    assert town.sent[2] - town.sent[1] >= 1.5
    assert time.monotonic() - began < 20


def test_persons_overtake_where_slots_are_shared_too(town: Town) -> None:
    gate, order = town.gate(), []

    async def come(name: str, priority: Priority) -> None:
        await town.go(gate, priority=priority)
        order.append(name)

    async def scenario() -> None:
        batches = [asyncio.create_task(come("batch", Priority.BATCH)) for _number in range(6)]
        await until(lambda: len(town.sent) == 2)
        await come("person", Priority.PERSON)
        await asyncio.gather(*batches)

    asyncio.run(scenario())

    assert order.index("person") in {2, 3}


def test_loops_of_several_threads_share_one_gate(town: Town) -> None:
    """One of them ends while its waiters still wait: the others do not notice."""
    gate = town.gate()

    async def abandon() -> None:
        waiting = [asyncio.create_task(town.go(gate)) for _number in range(5)]
        await asyncio.sleep(0.1)
        del waiting

    threads = [threading.Thread(target=asyncio.run, args=(town.rush(gate, each=5),)) for _thread in range(2)]
    threads.append(threading.Thread(target=asyncio.run, args=(abandon(),)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(town.sent) >= 10
    assert min(town.gaps) >= EVERY_30_MS.interval - EVERY_30_MS.late
    assert gate.stats()["waiting"] == 0
    assert town.server.ask("KEYS", "*") == [KEY % "test"]


def test_slots_for_a_loop_that_was_closed_go_back(town: Town) -> None:
    """The answer finds nobody; other loops go on."""
    rate = Rate(interval=60.0, late=2.0)
    gate = town.gate(rate, link=FarLink)
    loop = asyncio.new_event_loop()

    async def ask() -> None:
        await town.go(gate)
        asking = asyncio.ensure_future(town.go(gate, within=100))
        await until(lambda: town.scripts == 2)
        asking.cancel()
        await asyncio.wait([asking])

    loop.run_until_complete(ask())
    loop.close()

    async def other() -> None:
        await until(lambda: town.scripts == 3)
        with pytest.raises(GateBusy) as refused:
            await town.go(gate, within=30)
        assert refused.value.retry_after == pytest.approx(60, abs=5)

    asyncio.run(other())


def test_a_forked_child_has_a_gate_of_its_own(valkey: Valkey) -> None:
    """Of a parent with waiters, slots, a thread at work and every lock taken; both keep to the shared rate."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.gpt.gate.forking", valkey.url],
        cwd=REPOSITORY,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    sent = sorted((float(moment), who) for who, moment in map(str.split, told.stdout.splitlines()))

    assert sorted(who for _moment, who in sent) == ["child"] * 3 + ["parent"] * 4
    assert min(behind[0] - before[0] for before, behind in pairwise(sent)) >= 0.1 - 0.05
