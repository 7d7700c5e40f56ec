"""A process that forks while its gate is at work; it and its child print when they sent something."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from gpt.gate import Gate, Rate
from utils.redis_link import RedisLink


async def go(gate: Gate, who: str) -> None:
    await gate.enter(until=time.monotonic() + 20)
    print(who, time.monotonic(), flush=True)


async def go_on(gate: Gate, who: str, times: int) -> None:
    await asyncio.gather(*(go(gate, who) for _time in range(times)))


def main(url: str) -> int:
    gate = Gate(Rate(interval=0.1, late=0.05), key="fork", redis=RedisLink(url), processes=2)
    shared = gate._shared
    assert shared is not None
    with asyncio.Runner() as runner:
        runner.run(go(gate, "parent"))
        waiting = runner.get_loop().create_task(go_on(gate, "parent", 3))
        runner.run(asyncio.sleep(0.02))
        with gate._lock, shared._lock, shared._memory._memory.lock, gate._tally._lock:
            child = os.fork()
            if not child:
                gate.after_fork()
                assert gate.stats()["waiting"] == 0
                asyncio.run(go_on(gate, "child", 3))
                os._exit(0)
        runner.run(asyncio.wait_for(waiting, 20))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
