"""Many who ask at once: `python -m benchmarks.completions.crowd REDIS-URL`; printed is one line of JSON.

A thousand equal questions of one process, two hundred of each of four, and fifty different ones at a provider that lets
twelve through in a window, the loop watched all the while.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import NamedTuple, Self

from benchmarks.completions.subjects import MINUTE, helper_at, older
from benchmarks.completions.trace import Kind, Question
from benchmarks.heart import Heart
from gpt.openai_utils import Priority
from tests.gpt.fleet import all_at_once, askers
from tests.openai_server import Answer, OpenAIServer

_WINDOW, _ALLOWED, _DISTINCT = 2.0, 12, 50
_EQUAL, _PROCESSES, _EACH = 1_000, 4, 200


class Crowd(NamedTuple):
    """What the provider saw."""

    equal_calls: int
    """For a thousand equal questions of one process."""
    fleet_calls: int
    """For four times two hundred."""
    distinct_refused: int
    """429s for fifty different ones."""
    distinct_answered: int
    stall: float
    """Seconds; the longest delay of a wake-up meanwhile."""
    older_refused: int
    """429s for the same questions by the older rule."""

    @classmethod
    def from_output(cls, output: str) -> Self:
        """Read what was printed."""
        return cls(**json.loads(output.splitlines()[-1]))


async def equal(server: OpenAIServer) -> int:
    """Calls that a thousand make."""
    server.forget()
    async with helper_at(server.base_url) as helper:
        await asyncio.gather(*(helper.ask("When do you open?") for _ in range(_EQUAL)))
    return len(server.requests)


def fleet(server: OpenAIServer, redis_url: str) -> int:
    """Calls that four processes make."""
    server.forget()
    server.answer(Answer(text="At nine.", delay=0.3))
    with askers(_PROCESSES, server.base_url, redis_url) as processes:
        all_at_once(processes, "ask", prompt="When do you open?", times=_EACH)
    server.answer(Answer())
    return len(server.requests)


async def distinct(server: OpenAIServer) -> tuple[int, int, float]:
    """429s, answers, and the longest stall, of fifty questions at once."""
    async with helper_at(server.base_url, min_request_interval=_WINDOW / _ALLOWED) as helper:
        await helper.ask("to load the SDK")
        server.forget()
        server.limit(_ALLOWED, _WINDOW)
        heart = Heart()
        beating = asyncio.create_task(heart.beat())
        replies = await asyncio.gather(*(helper.ask(f"question {number}") for number in range(_DISTINCT)))
        beating.cancel()
    return server.rate_limited, len({reply.text for reply in replies}), heart.longest


async def distinct_by_the_older_rule(server: OpenAIServer) -> int:
    """429s of the same fifty, its minute as long as the window."""
    server.forget()
    server.limit(_ALLOWED, _WINDOW)
    questions = [
        Question(at=0.0, bot="bot", priority=Priority.PERSON, prompt=f"question {number}", system="", kind=Kind.CHAT)
        for number in range(_DISTINCT)
    ]
    async with older(server.base_url, _WINDOW / MINUTE) as ask:
        await asyncio.gather(*(ask(question) for question in questions))
    return server.rate_limited


def main() -> None:
    """Measure and print."""
    with OpenAIServer() as server:
        equal_calls = asyncio.run(equal(server))
        fleet_calls = fleet(server, sys.argv[1])
        refused, answered, stall = asyncio.run(distinct(server))
        by_older = asyncio.run(distinct_by_the_older_rule(server))
    print(json.dumps(Crowd(equal_calls, fleet_calls, refused, answered, stall, by_older)._asdict()))


if __name__ == "__main__":
    main()
