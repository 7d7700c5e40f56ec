"""Several helpers of one process with one key: one queue, one spacing, and figures that count each wait once."""

import asyncio
import time

import pytest

from gpt.figures import add_figures, process_figures
from tests.gpt.conftest import Helpers
from tests.openai_server import OpenAIServer

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("alone")]


async def test_a_gate_that_two_helpers_share_is_counted_once(helpers: Helpers) -> None:
    one, other = helpers(min_request_interval=0.2), helpers(min_request_interval=0.2)
    for number in range(3):
        await one.ask(str(number))

    waits = one.stats()["waits"]
    assert waits == other.stats()["waits"] == process_figures()["waits"] == 2
    assert process_figures()["helpers"] == 2
    assert process_figures()["waited_seconds"] == pytest.approx(one.stats()["waited_seconds"])


async def test_gates_of_their_own_are_added_up(helpers: Helpers) -> None:
    one, other = helpers(min_request_interval=0.2), helpers(min_request_interval=0.25)
    for helper in (one, other):
        for number in range(3):
            await helper.ask(f"{number} {helper}")

    assert process_figures()["waits"] == one.stats()["waits"] + other.stats()["waits"] > 2


async def test_processes_are_added_up() -> None:
    """They say nothing of gates, and share none."""
    assert add_figures([{"waits": 2}, {"waits": 3}])["waits"] == 5


async def test_two_rates_of_one_key_keep_their_distance(server: OpenAIServer, helpers: Helpers) -> None:
    """Each its own: what the one has sent, the other waits for."""
    slow, quick = helpers(min_request_interval=1.5), helpers(min_request_interval=1.0)
    await asyncio.gather(slow._parts.wire.ready(), quick._parts.wire.ready())
    await slow.ask("first")
    began = time.monotonic()
    await quick.ask("second")

    assert time.monotonic() - began > 1.0, "a slow one's slot takes its interval"
    assert len(server.requests) == 2
