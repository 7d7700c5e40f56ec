"""One call for all who ask the same; whoever leaves harms nobody."""

import asyncio
import contextvars
import threading
import time

import pytest

from tests.gpt.waiting import until
from utils.single_flight import Grounded, SingleFlight


class Work:
    """A call that ends when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.end = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        await self.end.wait()
        return 7


async def ask(flights: SingleFlight[int], work: Work) -> int:
    flight, _joined = flights.begin("k", work, marks=("prices", "shop"))
    return await flights.wait(flight)


async def asking(flights: SingleFlight[int], work: Work, count: int = 10) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(ask(flights, work)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


@pytest.mark.asyncio
@pytest.mark.parametrize("leaving", [0, 4, 9])
async def test_any_one_may_leave(leaving: int) -> None:
    """The first one too, whose call it is."""
    flights, work = SingleFlight[int](), Work()
    tasks = await asking(flights, work)
    tasks[leaving].cancel()
    await asyncio.sleep(0)
    work.end.set()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert work.calls == 1
    assert [one for one in outcomes if one == 7] == [7] * 9
    assert isinstance(outcomes[leaving], asyncio.CancelledError)


@pytest.mark.asyncio
async def test_when_all_leave_it_still_ends() -> None:
    flights, work = SingleFlight[int](), Work()
    for task in await asking(flights, work):
        task.cancel()
    await asyncio.sleep(0)
    assert len(flights) == 1
    work.end.set()
    await asyncio.sleep(0.01)

    assert len(flights) == 0


@pytest.mark.asyncio
async def test_what_ended_is_not_joined() -> None:
    flights, work = SingleFlight[int](), Work()
    work.end.set()
    await ask(flights, work)
    await ask(flights, work)

    assert work.calls == 2


@pytest.mark.asyncio
async def test_what_is_to_be_forgotten_is_not_joined_but_ends() -> None:
    flights, work, other = SingleFlight[int](), Work(), Work()
    (first,) = await asking(flights, work, 1)
    flights.forget("prices")
    (second,) = await asking(flights, other, 1)
    work.end.set()
    other.end.set()

    assert (await first, await second, work.calls, other.calls) == (7, 7, 1, 1)


@pytest.mark.asyncio
async def test_what_has_another_mark_is_joined_all_the_same() -> None:
    flights, work = SingleFlight[int](), Work()
    tasks = await asking(flights, work, 1)
    flights.forget("opening hours")
    tasks += await asking(flights, work, 1)
    work.end.set()

    assert (await asyncio.gather(*tasks), work.calls) == ([7, 7], 1)


@pytest.mark.asyncio
async def test_an_error_is_everybodys() -> None:
    flights = SingleFlight[int]()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    flight, _ = flights.begin("k", fail)
    outcomes = await asyncio.gather(*(flights.wait(flight) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in outcomes] == [ZeroDivisionError] * 3


@pytest.mark.asyncio
async def test_the_call_does_not_run_in_the_first_callers_context() -> None:
    """A request id of one caller would stand in the logs of a call for ten."""
    whose = contextvars.ContextVar("whose", default="nobody's")
    whose.set("the first caller's")

    async def call() -> str:
        return whose.get()

    flights = SingleFlight[str]()
    flight, _ = flights.begin("k", call)
    assert await flights.wait(flight) == "nobody's"


def test_callers_of_two_event_loops_share_one_flight() -> None:
    flights = SingleFlight[int]()
    joined, begun = threading.Event(), threading.Event()
    calls = []

    async def slow() -> int:
        calls.append(1)
        begun.set()
        await until(joined.is_set)
        return 7

    async def first() -> int:
        flight, _ = flights.begin("k", slow)
        return await flights.wait(flight)

    async def second() -> tuple[int, bool]:
        flight, was_there = flights.begin("k", slow)
        waiting = asyncio.create_task(flights.wait(flight))
        await asyncio.sleep(0)
        joined.set()
        return await waiting, was_there

    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(first())))
    thread.start()
    begun.wait()
    assert asyncio.run(second()) == (7, True)
    thread.join()
    assert (answers, len(calls)) == ([7], 1)


def test_a_flight_ends_with_its_event_loop() -> None:
    """Whoever waits in another loop learns it, and a later caller begins anew."""
    flights = SingleFlight[int]()
    begun, waiting = threading.Event(), threading.Event()

    async def forever() -> int:
        begun.set()
        await asyncio.Event().wait()
        return 7

    async def first() -> None:
        flights.begin("k", forever)
        await until(waiting.is_set)

    async def second() -> None:
        flight, _ = flights.begin("k", forever)
        task = asyncio.create_task(flights.wait(flight))
        await asyncio.sleep(0)
        waiting.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(first()))
    thread.start()
    begun.wait()
    with pytest.raises(Grounded):
        asyncio.run(second())
    thread.join()
    assert len(flights) == 0


@pytest.mark.asyncio
async def test_all_can_be_ended() -> None:
    flights, work = SingleFlight[int](), Work()
    tasks = await asking(flights, work, 2)
    flights.cancel_all()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [Grounded, Grounded]


def test_a_mistake_reaches_callers_of_every_event_loop() -> None:
    flights = SingleFlight[int]()
    begun, waiting = threading.Event(), threading.Event()

    async def wrong() -> int:
        begun.set()
        await until(waiting.is_set)
        raise ZeroDivisionError

    async def first() -> None:
        flight, _ = flights.begin("k", wrong)
        with pytest.raises(ZeroDivisionError):
            await flights.wait(flight)

    async def second() -> None:
        flight, _ = flights.begin("k", wrong)
        task = asyncio.create_task(flights.wait(flight))
        await asyncio.sleep(0)
        waiting.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(first()))
    thread.start()
    begun.wait()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(second())
    thread.join()


def test_a_flight_of_a_loop_that_was_stopped_is_not_joined() -> None:
    flights, stopped = SingleFlight[int](), asyncio.new_event_loop()

    async def forever() -> int:
        await asyncio.Event().wait()
        return 7

    async def quick() -> int:
        return 8

    async def begin() -> None:
        flights.begin("k", forever)

    async def ask_quick() -> int:
        flight, joined = flights.begin("k", quick)
        assert joined is False
        return await flights.wait(flight)

    stopped.run_until_complete(begin())
    assert asyncio.run(ask_quick()) == 8
    for task in asyncio.all_tasks(stopped):
        task.cancel()
    stopped.run_until_complete(asyncio.sleep(0))
    stopped.close()


@pytest.mark.asyncio
async def test_thousands_may_leave_at_once() -> None:
    """Each leaves at the same small cost: 20,000 were a stall of eight seconds once."""

    async def leaving(count: int) -> float:
        flights, work = SingleFlight[int](), Work()
        tasks = await asking(flights, work, count)
        began = time.process_time()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        took = time.process_time() - began
        work.end.set()
        await until(lambda: len(flights) == 0)
        return took

    assert await leaving(10_000) < 40 * await leaving(1_000), "not by the square of their number"


@pytest.mark.asyncio
async def test_who_waits_no_longer_leaves_the_flight_alone() -> None:
    flights, work = SingleFlight[int](), Work()
    flight, _ = flights.begin("k", work)
    with pytest.raises(TimeoutError):
        await flights.wait(flight, within=0.01)
    work.end.set()

    assert await flights.wait(flight) == 7


@pytest.mark.asyncio
async def test_one_may_be_ended_by_its_key() -> None:
    flights, work = SingleFlight[int](), Work()
    tasks = await asking(flights, work, 2)
    flights.end("another")
    flights.end("k")

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in outcomes] == [Grounded, Grounded]


def test_one_more_costs_the_same_with_thousands_under_way() -> None:
    """2 ms each with 8,000 under way, once: all of them were looked at."""
    looks = []

    class Watched(asyncio.SelectorEventLoop):
        def is_closed(self) -> bool:
            looks.append(self)
            return super().is_closed()

    async def story() -> None:
        flights, work = SingleFlight[int](), Work()
        for number in range(1000):
            flights.begin(number, work)
        looks.clear()
        flights.begin("one more", work)

        assert len(looks) == 1, "one look for each event loop"
        work.end.set()
        await until(lambda: len(flights) == 0)

    with asyncio.Runner(loop_factory=Watched) as runner:
        runner.run(story())


def test_a_loop_that_is_stopped_while_another_waits_is_noticed() -> None:
    """It goes on one day, or never: who waits asks again instead of hanging until the deadline."""
    flights, stopped = SingleFlight[int](), asyncio.new_event_loop()
    begun = threading.Event()

    async def forever() -> int:
        begun.set()
        await asyncio.Event().wait()
        return 7

    def first() -> None:
        stopped.call_soon(lambda: flights.begin("k", forever))
        stopped.run_forever()

    async def second() -> None:
        flight, joined = flights.begin("k", forever)
        assert joined is True
        waiting = asyncio.create_task(flights.wait(flight, within=20))
        await asyncio.sleep(0)
        stopped.call_soon_threadsafe(stopped.stop)
        await waiting

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait()
    with pytest.raises(Grounded):
        asyncio.run(second())
    thread.join()
    for task in asyncio.all_tasks(stopped):
        task.cancel()
    stopped.run_until_complete(asyncio.sleep(0))
    stopped.close()
