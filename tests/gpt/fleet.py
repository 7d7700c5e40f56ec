"""Several processes that ask the same provider, told what to do by a test."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.killing import REPOSITORY, plain_environment


class Asker:
    """One process (see `asking_process`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def does(self, method: str, **arguments: Any) -> Any:
        """Tell it, and give its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([method, arguments]) + "\n")
        self.process.stdin.flush()
        return self.says()

    def says(self) -> Any:
        """Its next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)


@contextmanager
def askers(count: int, base_url: str, redis_url: str, **settings: Any) -> Iterator[list[Asker]]:
    """So many processes, ready, with those settings."""
    command = [sys.executable, "-m", "tests.gpt.asking_process", base_url, redis_url, json.dumps(settings)]
    with ExitStack() as stack:
        fleet = []
        for _ in range(count):
            process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=plain_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            fleet.append(Asker(process))
        for asker in fleet:
            assert asker.says() == "ready"
        yield fleet


def all_at_once(fleet: list[Asker], method: str, **arguments: Any) -> list[Mapping[str, Any]]:
    """Tell each the same at the same time, and give their answers."""
    with ThreadPoolExecutor(len(fleet)) as threads:
        return list(threads.map(lambda asker: asker.does(method, **arguments), fleet))
