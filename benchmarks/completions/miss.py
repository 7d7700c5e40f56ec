"""What a question that nobody has asked before takes, beside the bare SDK: `python -m benchmarks.completions.miss`.

Both ask the same server, which answers at once, one question after the other, in pairs and with the order of each pair
reversed in the next; printed is one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import NamedTuple, Self

from benchmarks.completions.subjects import MODEL, helper_at, sdk_at
from benchmarks.peers.bare_gpt import BareGpt
from tests.openai_server import OpenAIProcess

_SYSTEM = "You are the friendly assistant of a shop. Answer in one or two sentences."
_PAIRS, _WARM = 1_000, 50
Asked = Callable[[str], Awaitable[object]]


class Misses(NamedTuple):
    """Seconds for one, by the median."""

    helper: float
    sdk: float
    difference: float
    """Of the two questions of a pair."""

    @property
    def ratio(self) -> float:
        """Beside the SDK: by the differences within pairs, which a machine that gets slower does not change."""
        return 1 + self.difference / self.sdk

    @classmethod
    def from_output(cls, output: str) -> Self:
        """Read what was printed."""
        return cls(**json.loads(output.splitlines()[-1]))


async def measure(helper: Asked, sdk: Asked) -> Misses:
    """Ask both."""
    pairs = [await _pair(helper, sdk, number) for number in range(_WARM + _PAIRS)][_WARM:]
    ours, theirs = zip(*pairs, strict=True)
    return Misses(median(ours), median(theirs), median(one - other for one, other in pairs))


async def main() -> None:
    """Measure and print."""
    with OpenAIProcess() as server:
        async with helper_at(server.base_url) as helper, sdk_at(server.base_url) as client:
            sdk = BareGpt(client, MODEL)
            found = await measure(
                lambda prompt: helper.ask(prompt, system=_SYSTEM), lambda prompt: sdk.ask(prompt, system=_SYSTEM)
            )
        calls = server.counts()["requests"]
    if calls != 2 * (_WARM + _PAIRS):
        raise RuntimeError(f"{calls} requests instead of {2 * (_WARM + _PAIRS)}: not every question was a miss")
    print(json.dumps(found._asdict()))


async def _pair(helper: Asked, sdk: Asked, number: int) -> tuple[float, float]:
    if number % 2:
        first = await _timed(helper, f"ours {number:05}")
        return first, await _timed(sdk, f"bare {number:05}")
    first = await _timed(sdk, f"bare {number:05}")
    return await _timed(helper, f"ours {number:05}"), first


async def _timed(ask: Asked, prompt: str) -> float:
    began = time.perf_counter()
    await ask(prompt)
    return time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(main())
