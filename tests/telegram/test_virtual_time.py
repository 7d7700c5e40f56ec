"""An hour in moments."""

import asyncio
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from telethon import errors

from tests.telegram import Fault, Telegram
from tests.telegram.clients import Inbox, connected
from tests.telegram.virtual_time import VirtualTimeLoop, run_virtually, virtual_utc_now
from utils.clock import utc_now

HOUR = 3600


def test_a_healthy_client_lives_an_hour_with_a_ping_a_minute(sessions: Path) -> None:
    async def live() -> tuple[int, int]:
        async with Telegram() as telegram:
            alice, bob = telegram.add_user("alice"), telegram.add_user("bob")
            async with connected(alice.session_file(sessions / "alice")) as client:
                inbox = Inbox(client)
                await asyncio.sleep(HOUR)
                alice.receives("still there?", sender=bob)
                await inbox.holds("still there?")
            pings = telegram.requests("ping", account=alice)
            assert all(ping.answered for ping in pings)
            return len(pings), telegram.accepted

    began = time.monotonic()
    pings, accepted = run_virtually(live())

    assert 58 <= pings <= 60
    assert accepted == 1
    assert time.monotonic() - began < HOUR / 10


def test_all_clocks_lead_by_the_same(sessions: Path) -> None:
    """Telethon remembers flood waits by `time.time()`: after the virtual wait it may send again."""

    async def flood() -> None:
        async with Telegram() as telegram:
            alice = telegram.add_user("alice")
            telegram.faults.add(Fault.error("FLOOD_WAIT_900", method="messages.sendMessage", times=1))
            async with connected(alice.session_file(sessions / "alice")) as client:
                with pytest.raises(errors.FloodWaitError):
                    await client.send_message("me", "too fast")
                await asyncio.sleep(901)
                sent = await client.send_message("me", "in time")
            assert sent.date - utc_now() > timedelta(seconds=890)
            assert virtual_utc_now() - utc_now() == pytest.approx(timedelta(seconds=901), abs=timedelta(seconds=5))
            assert time.time() - utc_now().timestamp() > 890  # noqa: TID251  # the clock that is under test

    run_virtually(flood())
    assert virtual_utc_now() - utc_now() < timedelta(seconds=5)


def test_work_in_a_thread_is_awaited_in_real_time() -> None:
    async def work() -> float:
        gate = threading.Event()
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Were the clock to jump while the thread works, the time limit would be over at once.
        async with asyncio.timeout(HOUR):
            waiting = asyncio.create_task(asyncio.to_thread(gate.wait, 30))
            await asyncio.sleep(0)
            threading.Timer(0.1, gate.set).start()
            assert await waiting
        return loop.time() - began

    assert run_virtually(work()) < 30


def test_what_the_loop_cannot_see_holds_it() -> None:
    async def wait_for_a_stranger() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        done = asyncio.Event()
        began = loop.time()
        with loop.real_time():
            threading.Timer(0.1, loop.call_soon_threadsafe, [done.set]).start()
            async with asyncio.timeout(HOUR):
                await done.wait()
        return loop.time() - began

    assert run_virtually(wait_for_a_stranger()) < 30


def test_bytes_under_way_are_seen_before_the_clock_jumps() -> None:
    async def echo() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line)
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0, family=socket.AF_INET) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for number in range(500):
                async with asyncio.timeout(HOUR):
                    writer.write(b"%d\n" % number)
                    assert await reader.readline() == b"%d\n" % number
            writer.close()
            await writer.wait_closed()

    run_virtually(echo())


def test_the_order_of_timers_is_kept() -> None:
    async def sleep_long() -> list[int]:
        woken: list[int] = []

        async def sleeper(seconds: int) -> None:
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(sleeper(seconds) for seconds in (HOUR, 1, 60, 86_400)))
        return woken

    assert run_virtually(sleep_long()) == [1, 60, HOUR, 86_400]
