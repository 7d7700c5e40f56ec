"""A process that shares a Redis with others and does what it is told, a line of JSON at a time.

`python -m tests.gpt.asking_process BASE-URL REDIS-URL SETTINGS`: each line on stdin is [method, arguments]; each
answer a line on stdout. `ask` takes a number of askers and a prompt, and gives the sources of their replies.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from gpt.openai_utils import GptHelper, GptSettings
from tests.gpt.conftest import API_KEY, QUICK


async def main(base_url: str, redis_url: str, settings: str) -> None:
    helper = GptHelper(
        api_key=API_KEY,
        base_url=base_url,
        redis_url=redis_url or None,
        settings=GptSettings(**{**QUICK, **json.loads(settings)}),
    )
    loop = asyncio.get_running_loop()
    print(json.dumps("ready"), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        method, arguments = json.loads(line)
        print(json.dumps(await DOES[method](helper, **arguments)), flush=True)
    await helper.aclose()


async def ask(helper: GptHelper, *, prompt: str, times: int = 1, **options: Any) -> dict[str, Any]:
    """Sources and texts of so many askers at a time; kinds of errors."""
    outcomes = await asyncio.gather(*(helper.ask(prompt, **options) for _ in range(times)), return_exceptions=True)
    replies = [one for one in outcomes if not isinstance(one, BaseException)]
    failed = [type(one).__name__ for one in outcomes if isinstance(one, BaseException)]
    return {
        "sources": Counter(reply.source.value for reply in replies),
        "texts": sorted({reply.text for reply in replies}),
        "failed": Counter(failed),
    }


async def invalidate(helper: GptHelper, **selector: str) -> int:
    return helper.invalidate(**selector)


async def stats(helper: GptHelper) -> dict[str, Any]:
    return helper.stats()


DOES: dict[str, Callable[..., Awaitable[Any]]] = {"ask": ask, "invalidate": invalidate, "stats": stats}

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
