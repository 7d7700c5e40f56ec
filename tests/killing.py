"""A warmed parent: forks a child per request, and kills it at a chosen call that changes a file.

Starting Python and importing Telethon costs 300 ms, a fork of a process that has done both about 3 ms; the parent is
started before any loop or thread, so a fork of it is clean. The child is killed by `tests/crash/shim.c`, from inside,
before the Nth call that changes something below the watched folder.

    with WarmParent(shim=build_shim(folder), warm=("telethon.sessions",)) as parent:
        outcome = parent.run(Job(target="tests.crash.victims:write", args=(path,), watched=path.parent, kill_at=17))
"""

import contextlib
import itertools
import os
import pickle
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.crash.nursery import MESSAGE_BYTES, acknowledge

__all__ = [
    "REPOSITORY",
    "ChildFailedError",
    "Job",
    "Manner",
    "Outcome",
    "Running",
    "WarmParent",
    "acknowledge",
    "build_shim",
    "plain_environment",
]

REPOSITORY = Path(__file__).resolve().parent.parent
SHIM_SOURCE = Path(__file__).resolve().parent / "crash" / "shim.c"


class ChildFailedError(AssertionError):
    """The function in the child raised, or the child ended in a way nobody asked for."""


class Manner(IntEnum):
    """What happens at the chosen call: killed before or in the middle of it, stopped; or a full disk."""

    KILL = 0
    HALVE = 1
    STOP = 2
    FILL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call in one forked child; `kill_at` counts from 1, and 0 lets it live."""

    target: str
    args: tuple[Any, ...] = ()
    watched: Path | None = None
    kill_at: int = 0
    manner: Manner = Manner.KILL
    record_to: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    output: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a child ended, and all that it acknowledged before."""

    exit_code: int
    acknowledged: tuple[Any, ...]
    value: Any = None
    calls: int = 0
    error: str = ""

    @property
    def killed(self) -> bool:
        """Whether it was SIGKILLed, by the shim or by somebody else."""
        return self.exit_code == -signal.SIGKILL


def plain_environment() -> dict[str, str]:
    """The environment without our own settings, of which the tool refuses those that it does not know."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GAVAT_")}


def build_shim(folder: Path) -> Path | None:
    """The preloadable library, built into the folder; None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    shim = folder / "shim.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", shim, SHIM_SOURCE, "-ldl", "-lpthread"], check=True)
    return shim


class Running:
    """A child under way; its acknowledgements can be read while it lives."""

    def __init__(self, parent: "WarmParent", number: int, pipe: int) -> None:
        self._parent = parent
        self._number = number
        self._pipe: int | None = pipe
        self._unread = b""
        self._frames: list[tuple[str, Any]] = []

    def acknowledged(self) -> tuple[Any, ...]:
        """What it has acknowledged so far, without waiting."""
        while self._pipe is not None and select.select([self._pipe], [], [], 0)[0]:
            self._read()
        return tuple(value for kind, value in self._frames if kind == "ack")

    def wait_for(self, value: object) -> None:
        """Return once it has acknowledged this; raise when it ended without."""
        while ("ack", value) not in self._frames:
            if self._pipe is None:
                raise ChildFailedError(f"ended without {value!r}: {self._frames}")
            self._read()

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends before so many seconds have passed; returns as soon as it does."""
        until = time.monotonic() + seconds
        while self._pipe is not None and select.select([self._pipe], [], [], max(0, until - time.monotonic()))[0]:
            self._read()
        return self._pipe is None

    def stops(self) -> bool:
        """Return once it has stopped itself (see Manner.STOP); False when it ended before."""
        while not self.ends_within(0.001):
            if self._parent.is_stopped(self._number):
                return True
        return False

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the child and every process that it started."""
        self._parent.signal(self._number, number)

    def wait(self) -> Outcome:
        """Read it to its end; a function that raised raises ChildFailedError here."""
        while self._pipe is not None:
            self._read()
        told = dict(frame for frame in self._frames if frame[0] != "ack")
        outcome = Outcome(
            exit_code=self._parent.exit_code(self._number),
            acknowledged=self.acknowledged(),
            value=told.get("value"),
            calls=told.get("calls", 0),
            error=told.get("error", ""),
        )
        if outcome.error or outcome.exit_code not in {0, -signal.SIGKILL}:
            raise ChildFailedError(f"exit code {outcome.exit_code}\n{outcome.error}")
        return outcome

    def _read(self) -> None:
        assert self._pipe is not None
        chunk = os.read(self._pipe, 1 << 16)
        if not chunk:
            os.close(self._pipe)
            self._pipe = None
        self._unread += chunk
        while len(self._unread) >= 4 and len(self._unread) >= 4 + (size := struct.unpack("<I", self._unread[:4])[0]):
            self._frames.append(pickle.loads(self._unread[4 : 4 + size]))
            self._unread = self._unread[4 + size :]


class WarmParent:
    """The helper process, seen from the test: `run` one job, or `start` several at once."""

    def __init__(self, *, shim: Path | None, warm: Iterable[str] = ()) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**plain_environment(), "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
        if shim is not None:
            environment["LD_PRELOAD"] = str(shim)
        call = f"serve({theirs.fileno()}, {tuple(warm)!r}, shim={shim is not None})"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.crash.nursery import serve; {call}"],
                cwd=REPOSITORY,
                env=environment,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        self._numbers = itertools.count()
        self._pids: dict[int, int] = {}
        self._exits: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def run(self, job: Job) -> Outcome:
        """Do the job and wait for its end."""
        return self.start(job).wait()

    def start(self, job: Job) -> Running:
        """Start the job; return once its child exists."""
        number = next(self._numbers)
        read_end, write_end = os.pipe()
        socket.send_fds(self._socket, [pickle.dumps((number, job))], [write_end])
        os.close(write_end)
        while number not in self._pids:
            self._receive()
        return Running(self, number, read_end)

    def signal(self, number: int, which: signal.Signals) -> None:
        """Signal a child's whole process group, if it is not known to have ended."""
        if number not in self._exits:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pids[number], which)

    def is_stopped(self, number: int) -> bool:
        """Whether the child stands still."""
        try:
            status = Path(f"/proc/{self._pids[number]}/stat").read_text()
        except FileNotFoundError:
            return False
        return status.rpartition(")")[2].split()[0] == "T"

    def exit_code(self, number: int) -> int:
        """Wait for a child's end; negative is the signal that ended it."""
        while number not in self._exits:
            self._receive()
        return self._exits[number]

    def close(self) -> None:
        """End the helper, and with it every child that still lives."""
        self._socket.close()
        self._process.wait()

    def _receive(self) -> None:
        message = self._socket.recv(MESSAGE_BYTES)
        if not message:
            raise ChildFailedError(f"the warmed parent has died: exit code {self._process.wait()}")
        kind, number, value = pickle.loads(message)
        (self._pids if kind == "started" else self._exits)[number] = value
