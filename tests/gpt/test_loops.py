"""One helper in several event loops, in threads, and in a forked child; and a loop that nothing holds up."""

import asyncio
import gc
import os
import sys
import threading
import time
import weakref

import pytest

from gpt.openai_utils import GptHelper, GptSettings, Source
from tests.gpt.conftest import API_KEY, QUICK
from tests.killing import REPOSITORY, plain_environment
from tests.openai_server import Answer, Manner, OpenAIServer
from tests.valkey import Valkey


def helper_of(server: OpenAIServer, **settings: float) -> GptHelper:
    return GptHelper(api_key=API_KEY, base_url=server.base_url, settings=GptSettings(**{**QUICK, **settings}))  # type: ignore[arg-type]


def test_one_loop_after_the_other_may_use_it(server: OpenAIServer) -> None:
    helper = helper_of(server)
    first = asyncio.run(helper.ask("When?"))
    second = asyncio.run(helper.ask("Where?"))
    again = asyncio.run(helper.ask("When?"))
    asyncio.run(helper.aclose())

    assert (first.source, second.source, again.source) == (Source.MODEL, Source.MODEL, Source.CACHE)


def test_two_loops_at_a_time_share_a_call(server: OpenAIServer) -> None:
    helper = helper_of(server)
    server.script(Answer(text="yes", manner=Manner.HELD))
    sources: list[Source] = []

    def ask() -> None:
        sources.append(asyncio.run(helper.ask("When?")).source)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    asyncio.run(server.arrived(1))
    time.sleep(0.2)  # the other one has joined by then, or makes a second call
    server.release()
    for thread in threads:
        thread.join()

    assert sorted(sources) == [Source.JOINED, Source.MODEL]
    assert len(server.requests) == 1
    asyncio.run(helper.aclose())


def test_a_loop_that_ends_in_mid_flight_takes_no_other_along(server: OpenAIServer) -> None:
    helper = helper_of(server)
    server.script(Answer(manner=Manner.HANGING))

    async def leaving() -> None:
        asked = asyncio.create_task(helper.ask("When?"))
        await server.arrived(1)
        asked.cancel()

    asyncio.run(leaving())
    assert asyncio.run(helper.ask("When?")).source == Source.MODEL
    asyncio.run(helper.aclose())


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_may_use_it(server: OpenAIServer) -> None:
    """With connections and threads of its own; what was kept, it has too."""
    helper = helper_of(server)
    asyncio.run(helper.ask("When?"))
    child = os.fork()
    if child == 0:
        try:
            kept = asyncio.run(helper.ask("When?"))
            asked = asyncio.run(helper.ask("Where?"))
            os._exit(0 if (kept.source, asked.source) == (Source.CACHE, Source.MODEL) else 1)
        finally:
            os._exit(2)
    _pid, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert asyncio.run(helper.ask("Why?")).source == Source.MODEL
    assert len(server.requests) == 3
    asyncio.run(helper.aclose())


@pytest.mark.asyncio
async def test_loading_the_sdk_does_not_hold_the_loop_up(server: OpenAIServer) -> None:
    """Half a second of imports, in a thread; whoever else runs on the loop goes on."""
    script = f"""
import asyncio, time
from gpt.openai_utils import GptHelper, GptSettings
async def main():
    helper = GptHelper(api_key="k", base_url={server.base_url!r}, settings=GptSettings(model="m"))
    worst, done, asked_at = 0.0, asyncio.create_task(helper.ask("When?")), time.monotonic()
    while not done.done():
        began = time.monotonic()
        await asyncio.sleep(0.001)
        worst = max(worst, time.monotonic() - began)
    print(worst / (time.monotonic() - asked_at), done.result().source)
    await helper.aclose()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=REPOSITORY, env=plain_environment(), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()

    stalled, source = told.decode().split()
    assert (process.returncode, source) == (0, "model")
    assert float(stalled) < 0.5, "most of the first question is the import"


def test_no_event_loop_is_kept_alive(server: OpenAIServer) -> None:
    """A program that calls asyncio.run for each question lost a megabyte with each."""
    helper = helper_of(server)
    loops: list[weakref.ref[asyncio.AbstractEventLoop]] = []

    async def ask(question: str) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await helper.ask(question)

    for number in range(4):
        asyncio.run(ask(str(number)))
    gc.collect()

    assert [loop() for loop in loops] == [None] * 4
    asyncio.run(helper.aclose())


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_hears_what_is_taken_back(server: OpenAIServer, valkey: Valkey) -> None:
    """It serves what its parent kept, so it must learn what is no longer true."""
    helper = GptHelper(
        api_key=API_KEY,
        base_url=server.base_url,
        redis_url=valkey.url,
        settings=GptSettings(**QUICK),  # type: ignore[arg-type]
    )
    asyncio.run(helper.ask("How much?"))
    child = os.fork()
    if child == 0:
        try:
            ends_at = time.monotonic() + 10
            while helper.stats()["entries"] and time.monotonic() < ends_at:
                time.sleep(0.02)
            os._exit(0 if not helper.stats()["entries"] else 1)
        finally:
            os._exit(2)
    time.sleep(0.1)
    helper.invalidate()
    _pid, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    asyncio.run(helper.aclose())
