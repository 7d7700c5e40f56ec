"""Running commands side by side: whole processes, in turns, the wall time of each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.fleets import ROOT

BARE = (sys.executable, "-I", "-S")
"""No environment, no user folder, no installed package: the same for ours and for every peer."""
SCRIPT = str(ROOT / "cleanup_sessions.py")
LAUNCHER = str(ROOT / "benchmarks" / "launcher.py")
PEERS = ROOT / "benchmarks" / "peers"


class Run(NamedTuple):
    """One process from start to end."""

    seconds: float
    output: str


class Runs(list[Run]):
    """The runs of one command."""

    @property
    def seconds(self) -> float:
        """The median wall time."""
        return median(run.seconds for run in self)

    @property
    def fastest(self) -> float:
        """The least disturbed run."""
        return min(run.seconds for run in self)


def ours(*arguments: object) -> list[str]:
    """A command line of the tool."""
    return [*BARE, SCRIPT, *map(str, arguments)]


def peer(name: str, *arguments: object) -> list[str]:
    """A command line of a peer."""
    return [*BARE, str(PEERS / f"{name}.py"), *map(str, arguments)]


def run(command: Sequence[str], *, state: object) -> Run:
    """Run one command to its end; raises RuntimeError with its last words when it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GAVAT_")}
    environment["GAVAT_STATE"] = str(state)
    # A file and not a pipe: nobody has to read while the time runs.
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        code = subprocess.call(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        seconds = time.perf_counter() - began
        output.seek(0)
        text = output.read().decode(errors="replace")
    if code:
        raise RuntimeError(f"{' '.join(command[len(BARE) :])} ended with {code}: {text[-2000:]}")
    return Run(seconds, text)


def peak_megabytes(command: Sequence[str], *, state: object) -> float:
    """The most memory that one run of the command had, in MB of 1,000,000 bytes."""
    with tempfile.NamedTemporaryFile("r") as report:
        run([*BARE, LAUNCHER, report.name, *command], state=state)
        return int(report.read()) * 1024 / 1e6


def in_turns(times: int, *sides: Callable[[], Run]) -> list[Runs]:
    """Run each side `times` times, ABC CBA ABC …, so that none always has the warm place; first a round unmeasured."""
    found = [Runs() for _side in sides]
    for side in sides:
        side()
    for turn in range(times):
        order = range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides)))
        for index in order:
            found[index].append(sides[index]())
    return found
