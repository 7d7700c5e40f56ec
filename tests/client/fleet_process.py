"""What runs in the child processes of the kill tests: clients that hear, send and save, and tell the test of each."""

import asyncio
import logging
import os
import random
import sys
from contextlib import suppress
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from telethon import events

from core.gavat_client import GavatClient
from tests.crash.nursery import acknowledge
from tests.telegram.loopback import stay_on_loopback

LONGEST_HANDLING = 0.03
PAUSE = 0.1
TRY_AGAIN = 0.05


class Did(StrEnum):
    """What a client tells when it is done."""

    STARTED = "started"
    """The value is the process."""
    REFUSED = "refused"
    """The value is the failure in words."""
    HEARD = "heard"
    """A handler has finished with a message; the value is its text."""
    SENT = "sent"
    """The caller has got the message it sent; the value is its text."""
    SAVED = "saved"
    """The value is what the file holds: pts by id, 0 for the account."""
    STOPPED = "stopped"


class Deed(NamedTuple):
    """One acknowledgement."""

    did: Did
    name: str
    value: Any = None


def run_clients(folder: Path, names: tuple[str, ...], friend: int) -> None:
    """Start a client for each session of the folder and let all work until SIGTERM; `friend` is whom they write to."""
    log_to_stdout()
    asyncio.run(_run_all([Worker(folder / name, friend) for name in names]))


def insist(session: Path, friend: int) -> None:
    """Try to start until it succeeds, then work until SIGTERM."""
    log_to_stdout()
    asyncio.run(Worker(session, friend).insist())


def log_to_stdout() -> None:
    """Every line of every logger that an operator would see, into the file that the test reads."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)


async def _run_all(workers: "list[Worker]") -> None:
    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.run())


class Worker:
    """One client at work."""

    def __init__(self, session: Path, friend: int) -> None:
        self._name = session.name
        self._friend = friend
        self._client = make_client(session)
        self._client.add_event_handler(self._hear, events.NewMessage(incoming=True))

    async def run(self) -> None:
        """Start, work, stop on SIGTERM."""
        if not await self._client.start():
            self._tell(Did.REFUSED, str(self._client.failure))
            return
        work = asyncio.create_task(self._work())
        try:
            await self._client.run_until_disconnected()
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):  # what was under way when it was stopped
                await work
        self._tell(Did.STOPPED)

    async def insist(self) -> None:
        """Start as soon as it is let."""
        while not await self._client.start():
            self._tell(Did.REFUSED, str(self._client.failure))
            await asyncio.sleep(TRY_AGAIN)
        await self.run()  # a started client stays as it is

    async def _hear(self, event: Any) -> None:
        await asyncio.sleep(random.uniform(0, LONGEST_HANDLING))
        self._tell(Did.HEARD, event.raw_text)

    async def _work(self) -> None:
        self._tell(Did.STARTED, os.getpid())  # told from here: SIGTERM is waited for by now
        telethon = self._client.client
        run = random.getrandbits(64)
        for number in count():
            await asyncio.sleep(random.uniform(0, PAUSE))
            text = f"{self._name} {run:x} {number}"
            await telethon.send_message(self._friend, text)
            self._tell(Did.SENT, text)
            await telethon._save_states_and_entities()
            telethon.session.save()  # as Telethon does each minute
            if telethon.session.stats.rows_kept == 0:
                self._tell(Did.SAVED, {one: state.pts for one, state in telethon.session.get_update_states()})

    def _tell(self, did: Did, value: object = None) -> None:
        acknowledge(Deed(did, self._name, value))


def make_client(session: Path, **options: Any) -> GavatClient:
    """A client of ours with its state beside the sessions, that cannot leave this machine."""
    stay_on_loopback()
    return GavatClient(session, 1, "hash", state=session.parent / "state", **options)
