"""One client in a child process that is interrupted with something in flight, and how its program then ends."""

import asyncio
import signal
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from telethon import events

from tests.client.fleet_process import log_to_stdout, make_client
from tests.crash.nursery import acknowledge

STUBBORN_SECONDS = 2.0
STARTED, CONNECTS_AGAIN = "started", "connects again"
SOMETHING = "something to do"
"""The message whose handler does what is in flight."""


class InFlight(StrEnum):
    """What goes on when the interruption comes."""

    NOTHING = "nothing"
    SLEEPING_HANDLER = "a handler that sleeps"
    STUBBORN_HANDLER = "a handler that ignores cancellation"
    HANGING_REQUEST = "a request that hangs"
    START = "a start against a silent server"
    OUTAGE = "an outage"


class Style(StrEnum):
    """How the program uses its client."""

    RUN = "run_until_disconnected"
    WITH = "async with"


def be_interrupted(session: Path, friend: int, in_flight: InFlight, style: Style) -> str:
    """Run a program on the session and say how it ended; SIGUSR1 cancels its main task."""
    log_to_stdout()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent without a terminal may have had it ignored
    try:
        return run_program(session, friend, in_flight, style)
    except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as end:
        return repr(end)


def run_program(session: Path, friend: int, in_flight: InFlight, style: Style) -> str:
    """What a bot's author writes."""
    program = Program(session, friend, in_flight)
    asyncio.run(program.run() if style is Style.RUN else program.run_with())
    return "returned"


class Program:
    """A bot that tells what it hears, that it has started, and that it has lost its connection."""

    def __init__(self, session: Path, friend: int, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._friend = friend
        self._client = make_client(session)
        self._client.add_event_handler(self._hear, events.NewMessage(incoming=True))

    async def run(self) -> None:
        self._listen_to_usr1()
        if await self._client.start():
            work = asyncio.create_task(self._work())
            await self._client.run_until_disconnected()
            work.cancel()

    async def run_with(self) -> None:
        self._listen_to_usr1()
        async with self._client:
            await self._work()

    def _listen_to_usr1(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, task.cancel)

    async def _hear(self, event: Any) -> None:
        acknowledge(event.raw_text)
        if event.raw_text != SOMETHING:
            return
        if self._in_flight is InFlight.SLEEPING_HANDLER:
            await asyncio.sleep(3600)
        elif self._in_flight is InFlight.STUBBORN_HANDLER:
            await _ignore_cancellation(STUBBORN_SECONDS)

    async def _work(self) -> None:
        acknowledge(STARTED)
        if self._in_flight is InFlight.HANGING_REQUEST:
            await self._client.client.send_message(self._friend, "hello")
        while self._in_flight is InFlight.OUTAGE and self._client.health.connects == 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody tells of a connection that is tried
        acknowledge(CONNECTS_AGAIN)
        await asyncio.sleep(3600)


async def _ignore_cancellation(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(until - loop.time())
