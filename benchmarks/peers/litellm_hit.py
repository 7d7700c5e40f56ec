"""What a hit of LiteLLM's local cache takes: `litellm_hit.py BASE-URL`, with the Python of an environment that has it.

Prints the median seconds of one hit. It asks only the server of that address, for a model that its price list knows:
for one that it does not know, looking for a price takes four times as long as all else.
"""

import asyncio
import os
import sys
import time
from statistics import median

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else its import fetches a list from the internet

import litellm  # type: ignore[import-not-found, unused-ignore]  # lives in an environment of its own
from litellm.caching.caching import Cache  # type: ignore[import-not-found, unused-ignore]

_TIMES = 1_000
_SYSTEM = "You are the friendly assistant of a shop. Answer in one or two sentences. " * 8
_PROMPT = "w" * 250


async def main(base_url: str) -> None:
    """Ask once, then be answered from the cache."""
    litellm.telemetry = False
    litellm.cache = Cache(type="local")
    ask = {
        "model": "openai/gpt-4o-mini",
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _PROMPT}],
        "api_base": base_url,
        "api_key": "sk-benchmark",
    }
    await litellm.acompletion(**ask)
    await asyncio.sleep(0.5)  # it keeps its replies in the background
    hits = []
    for _turn in range(_TIMES):
        began = time.perf_counter()
        await litellm.acompletion(**ask)
        hits.append(time.perf_counter() - began)
    print(median(hits))


asyncio.run(main(sys.argv[1]))
