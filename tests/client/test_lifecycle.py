"""Start, stop and cancel at the same time, twice, in two loops, beside a forked child: nothing stays open or leased."""

import asyncio
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from telethon import errors

from core.client.client import GavatClient
from core.client.model import FailureKind, HealthState
from core.client.watch import quietly
from core.errors import SessionFileBusy
from core.session_files.looking.holders import own_open_files
from core.state import StateFolder, run_lock
from tests.client.test_start import SOON, lock_of
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault, Telegram
from tests.telegram.virtual_time import virtual_utc_now
from utils.leases import LeaseState


def is_open_here(session: Path) -> bool:
    """Whether this process has it open, told without opening it."""
    found = session.stat()
    return (found.st_dev, found.st_ino) in own_open_files()


def assert_nothing_is_left(town: Town) -> None:
    assert not is_open_here(town.session)
    assert lock_of(town.session) is LeaseState.FREE


@contextmanager
def mending_waits(town: Town) -> Iterator[None]:
    """The session has to be mended, and another run is at work."""
    with closing(sqlite3.connect(town.session)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    state = StateFolder(str(town.folder / "state"))
    state.make()
    with run_lock(state):
        yield


@pytest.mark.asyncio
async def test_a_start_during_a_stop_starts_anew(town: Town) -> None:
    client = await town.started()
    stopping = asyncio.create_task(client.stop())
    await asyncio.sleep(0)

    assert await client.start(), client.failure

    await stopping
    assert client.health.state is HealthState.ALIVE
    assert (await client.client.get_me()).id == town.alice.id


@pytest.mark.asyncio
async def test_a_stop_during_a_start_ends_it(town: Town) -> None:
    town.telegram.silent = True
    client = town.client()
    starting = asyncio.create_task(client.start())
    await town.telegram.until(lambda: town.telegram.live() == 1)

    async with asyncio.timeout(5):
        await asyncio.gather(client.stop(), client.stop())

    assert not await starting
    assert client.failure is not None
    assert client.failure.kind is FailureKind.STOPPED
    assert_nothing_is_left(town)
    town.telegram.silent = False
    assert await client.start(), client.failure


@pytest.mark.asyncio
async def test_stop_at_every_moment_of_a_start_leaves_nothing(town: Town) -> None:
    for steps in range(1, 60, 3):
        client = town.client()
        starting = asyncio.create_task(client.start())
        for _step in range(steps):
            await asyncio.sleep(0.0005)
        await client.stop()

        await starting
        assert client.health.state is HealthState.STOPPED
        assert_nothing_is_left(town)


@pytest.mark.asyncio
async def test_a_start_cancelled_twice_at_any_moment_leaves_nothing(town: Town) -> None:
    for steps in range(0, 40, 2):
        for gap in (0, 1, 2, 4):
            client = town.client()
            starting = asyncio.create_task(client.start())
            for _step in range(steps):
                await asyncio.sleep(0.0005)
            starting.cancel()
            for _step in range(gap):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.wait({starting})
            if not starting.cancelled():
                await client.stop()

            # The worker thread of a start that was cut short may be about to open the file, and closes it again
            await town.until(lambda: not is_open_here(town.session) and lock_of(town.session) is LeaseState.FREE)

    last = await town.started()
    await last.stop()
    assert_nothing_is_left(town)


@pytest.mark.asyncio
async def test_a_start_cancelled_twice_while_it_waits_to_mend_leaves_nothing(town: Town) -> None:
    with mending_waits(town):
        starting = asyncio.create_task(town.client().start())
        await town.until(lambda: lock_of(town.session) is LeaseState.HELD)
        starting.cancel()
        await asyncio.sleep(0.01)
        starting.cancel()
        await asyncio.wait({starting})

    await town.until(lambda: lock_of(town.session) is LeaseState.FREE)
    assert_nothing_is_left(town)


def test_a_loop_that_ends_while_a_session_is_opened_leaves_nothing(folder: Path) -> None:
    towns = list[Town]()
    release = threading.Event()

    async def lives() -> None:
        async with Telegram() as telegram:
            town = Town(telegram, folder)
            towns.append(town)
            holding, held = mending_waits(town), threading.Event()

            def hold() -> None:
                with holding:
                    held.set()
                    release.wait(30)

            threading.Thread(target=hold).start()
            held.wait(30)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await town.client().start()
            threading.Timer(0.2, release.set).start()

    asyncio.run(lives())

    assert_nothing_is_left(towns[0])


def test_a_client_of_a_loop_that_is_gone_is_given_up(folder: Path) -> None:
    """Telethon's client can live in no other loop: it was called alive, held its lease, and answered nothing."""

    async def leaves_it_running() -> tuple[Town, GavatClient]:
        async with Telegram() as telegram:
            town = Town(telegram, folder)
            return town, await town.started(settings=SOON)

    town, client = asyncio.run(leaves_it_running())

    assert client.health.state is HealthState.STOPPED
    assert_nothing_is_left(town)
    assert not asyncio.run(client.start())
    assert client.failure is not None
    assert client.failure.kind is FailureKind.UNREACHABLE
    asyncio.run(client.stop())


@pytest.mark.asyncio
async def test_a_forked_child_keeps_no_lease_of_its_parent(town: Town) -> None:
    """It has the file open, though, and is named for it."""
    client = await town.started()
    pid = os.fork()
    if not pid:
        signal.pause()
        os._exit(0)
    try:
        await client.stop()
        assert lock_of(town.session) is LeaseState.FREE
        assert not await client.start()
        assert client.failure is not None
        assert f"pid {pid}" in client.failure.reason
    finally:
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, pid, 0)
    assert await client.start(), client.failure


def test_a_stop_ends_though_telethon_swallows_a_cancellation(folder: Path) -> None:
    """Its `disconnect` awaits a task that it has cancelled itself, and takes our cancellation for that task's."""

    async def story(town: Town) -> None:
        client = await town.started()
        await asyncio.sleep(1)
        sender, disconnect = client.client._sender, client.client._disconnect
        entered = asyncio.Event()

        async def ends_slowly() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.2)

        async def disconnects() -> None:
            entered.set()
            await disconnect()

        sender._reconnect_task = asyncio.create_task(ends_slowly())
        client.client._disconnect = disconnects
        town.telegram.faults.add(Fault.error("AUTH_RESTART", method="help.getConfig"))
        await sender._disconnect(error=ConnectionError("over"))
        await entered.wait()
        await asyncio.sleep(0.05)

        async with asyncio.timeout(5):
            await client.stop()
        assert_nothing_is_left(town)

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_a_cancellation_that_an_ending_swallows_is_raised() -> None:
    entered = asyncio.Event()

    async def swallows() -> None:
        entered.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    ending = asyncio.create_task(quietly(swallows()))
    await entered.wait()
    ending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await ending


def test_a_save_that_fails_for_a_changed_login_does_not_end_the_watch(folder: Path) -> None:
    """Health said alive for ever, whatever happened."""

    async def story(town: Town) -> None:
        client = await town.started()
        await asyncio.sleep(1)
        session = client.client.session
        with closing(sqlite3.connect(town.session, isolation_level=None)) as writer:
            writer.execute("BEGIN EXCLUSIVE")
            session.set_dc(2, "localhost", town.telegram.port)
            with pytest.raises(SessionFileBusy):
                session.save()
            await town.state_within(client, HealthState.LOCKED_OUT, 90)

        await town.state_within(client, HealthState.ALIVE, 90)
        await town.telegram.go_down()
        await town.state_within(client, HealthState.OFFLINE, 90)

    in_virtual_time(folder, story)


def test_a_clock_set_back_does_not_lengthen_a_flood_wait(folder: Path) -> None:
    async def story(town: Town) -> None:
        back = timedelta(0)
        client = await town.started(clock=lambda: virtual_utc_now() - back)
        town.telegram.faults.add(Fault.error("FLOOD_WAIT_60", method="messages.sendMessage", times=1))
        with pytest.raises(errors.FloodWaitError):
            await client.client.send_message(town.group.marked_id, "one")
        back = timedelta(days=1)
        await asyncio.sleep(61)

        assert await client.client.send_message(town.group.marked_id, "two")

    in_virtual_time(folder, story)
