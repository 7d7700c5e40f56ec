"""What a hit of the completion cache takes, beside the least of it: `python -m benchmarks.completions.hit`.

The least is to write the request as JSON with sorted keys, hash it, and look the hash up. Both are timed one by one,
in turns of a few hundred, in one process; printed is one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import time
from hashlib import blake2b
from statistics import median, quantiles
from typing import Any, NamedTuple, Self

from benchmarks.completions.subjects import MODEL, helper_at
from tests.openai_server import OpenAIProcess

SIZE = 976
"""Bytes of the request as JSON: a persona and a question."""
_SYSTEM = "You are the friendly assistant of a shop. Answer in one or two sentences. " * 8
_TURNS, _EACH = 40, 500


class Hits(NamedTuple):
    """Seconds for one."""

    hit: float
    """The median."""
    floor: float
    """The median of the least."""
    hit_p99: float

    @classmethod
    def from_output(cls, output: str) -> Self:
        """Read what was printed."""
        return cls(**json.loads(output.splitlines()[-1]))


def request(prompt: str) -> dict[str, Any]:
    """What a hit answers."""
    return {
        "model": MODEL,
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": prompt}],
    }


PROMPT = "w" * (SIZE - len(json.dumps(request(""))))


async def measure(helper: Any) -> Hits:
    """Ask once, then be answered from the cache."""
    await helper.ask(PROMPT, system=_SYSTEM)
    hits: list[float] = []
    floors: list[float] = []
    known = {_key(request(PROMPT)): "the reply"}
    for _turn in range(_TURNS):
        for _question in range(_EACH):
            began = time.perf_counter()
            await helper.ask(PROMPT, system=_SYSTEM)
            hits.append(time.perf_counter() - began)
        asked = request(PROMPT)
        for _question in range(_EACH):
            began = time.perf_counter()
            known.get(_key(asked))
            floors.append(time.perf_counter() - began)
    return Hits(median(hits), median(floors), quantiles(hits, n=100)[98])


async def main() -> None:
    """Measure and print."""
    with OpenAIProcess() as server:
        async with helper_at(server.base_url) as helper:
            found = await measure(helper)
        calls = server.counts()["requests"]
    if calls != 1:
        raise RuntimeError(f"{calls} requests instead of one: these were no hits")
    print(json.dumps(found._asdict()))


def _key(asked: dict[str, Any]) -> bytes:
    return blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=16).digest()


if __name__ == "__main__":
    asyncio.run(main())
