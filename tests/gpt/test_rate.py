"""Fifty different questions at a provider that allows twelve in a window: all answered, and not one 429."""

import asyncio
import logging
import time
from itertools import pairwise

import pytest

from gpt.errors import GateBusy
from gpt.openai_utils import GptHelper, Priority
from tests.gpt.conftest import Helpers
from tests.openai_server import Answer, Kind, OpenAIServer

pytestmark = pytest.mark.asyncio
WINDOW, ALLOWED = 2.0, 12
INTERVAL = WINDOW / ALLOWED


async def stalls(worst: list[float]) -> None:
    """Notes how late this loop is at worst."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        worst[0] = max(worst[0], time.monotonic() - began - 0.005)


@pytest.mark.parametrize("kind", list(Kind))
async def test_nobody_is_refused(server: OpenAIServer, helpers: Helpers, kind: Kind) -> None:
    helper = helpers(min_request_interval=INTERVAL)
    await helper.ask("to load the SDK")
    server.limit(ALLOWED, WINDOW, kind=kind)
    worst = [0.0]
    watching = asyncio.create_task(stalls(worst))
    replies = await asyncio.gather(*(helper.ask(f"question {number}") for number in range(20)))
    watching.cancel()

    assert len({reply.text for reply in replies}) == 20
    assert (server.rate_limited, helper.stats()["rate_limited"], len(server.requests)) == (0, 0, 21)
    assert worst[0] < WINDOW, "a wait is no stall of the loop"


async def test_a_wait_is_told(helpers: Helpers, caplog: pytest.LogCaptureFixture) -> None:
    helper = helpers(min_request_interval=0.3)
    with caplog.at_level(logging.INFO, "gavatcore.openai"):
        await helper.ask("When?")
        await helper.ask("Where?")

    assert any(line.startswith("rate limit: waiting 0.") and line.endswith(" s") for line in caplog.messages)
    assert helper.stats()["waits"] == 1
    assert 0 < helper.stats()["waited_seconds"] < 10


async def test_a_hit_waits_for_nobody(helpers: Helpers) -> None:
    """Also while the gate is closed for long."""
    helper = helpers(min_request_interval=60)
    await helper.ask("When?")
    began = time.monotonic()
    await helper.ask("When?")

    assert time.monotonic() - began < 30


async def test_a_person_goes_before_a_batch(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(min_request_interval=0.1)
    await helper.ask("first")
    batch = [asyncio.create_task(helper.ask(f"batch {number}", priority=Priority.BATCH)) for number in range(5)]
    await asyncio.sleep(0.02)
    await helper.ask("a person's")
    await asyncio.gather(*batch)

    asked = [request.body["messages"][-1]["content"] for request in server.requests]
    assert asked.index("a person's") <= 2


async def test_who_could_not_be_served_in_time_is_told_at_once(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(min_request_interval=60)
    await helper.ask("first")
    began = time.monotonic()
    with pytest.raises(GateBusy) as refused:
        await helper.ask("second", deadline=20)

    assert time.monotonic() - began < 15
    assert 40 < (refused.value.retry_after or 0) < 63
    assert len(server.requests) == 1


async def test_helpers_of_one_key_share_the_gate(server: OpenAIServer, helpers: Helpers) -> None:
    one, other = helpers(min_request_interval=0.3), helpers(min_request_interval=0.3)
    await one.ask("to load the SDK")
    await asyncio.gather(one.ask("When?"), other.ask("Where?"))

    first, second, third = (request.at for request in server.requests)
    assert min(second - first, third - second) >= 0.28


async def test_tries_wait_for_their_turn_too(server: OpenAIServer, helper: GptHelper, helpers: Helpers) -> None:
    """A retry is a request like any other."""
    await helper.ask("to load the SDK")
    spaced = helpers(min_request_interval=0.2)
    server.script(Answer.failing(), Answer.failing())
    await spaced.ask("When?")

    at = [request.at for request in server.requests][1:]
    assert len(at) == 3
    assert min(later - earlier for earlier, later in pairwise(at)) >= 0.1, "without the gate: 0.01 s"
