"""Which process is meant, and whether it still lives: a PID alone is given to the next process one day.

A PID and a start time count only within one boot of one machine and one PID namespace (a container has its own), so
these belong to the name of a process. Linux; elsewhere nothing is known, and nothing is claimed.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import NamedTuple

_STATE, _START = 0, 19  # fields 3 and 22 of proc(5) /proc/PID/stat, counted behind the name in brackets
_OVER = "ZXx"
"""States of a process that has ended and only waits for its parent to ask how."""


class Life(Enum):
    """Whether a process lives; unknown is an answer of its own."""

    ALIVE = "alive"
    ENDED = "ended"
    UNKNOWN = "unknown"


class ProcessIdentity(NamedTuple):
    """What names one process for good."""

    pid: int
    ticks: int
    """Its start in clock ticks since the machine began; no clock that is set can change it."""
    boot: str
    """The kernel's name for this run of this machine."""
    pid_namespace: str
    """Where the PID counts."""


def own_identity() -> ProcessIdentity:
    """The running process itself; empty and 0 where the kernel does not say."""
    seen = _look(os.getpid())
    return ProcessIdentity(os.getpid(), seen[1] if seen else 0, boot_id(), _pid_namespace())


def boot_id() -> str:
    """The kernel's name for this run of this machine; empty where it does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as opened:
            return opened.read().strip()
    except OSError:
        return ""


def life_of(asked: ProcessIdentity) -> Life:
    """Whether that process lives; unknown where its PID does not count here, or it is hidden from this user."""
    if not asked.boot or (asked.boot, asked.pid_namespace) != (boot_id(), _pid_namespace()):
        return Life.UNKNOWN
    seen = _look(asked.pid)
    if seen is None:
        return _life_by_signal(asked.pid)
    state, ticks = seen
    return Life.ALIVE if ticks == asked.ticks and state not in _OVER else Life.ENDED


def started_at(pid: int) -> float | None:
    """When the process began, in seconds since 1970; None when it is gone or hidden."""
    seen = _look(pid)
    try:
        with open("/proc/stat", encoding="ascii", errors="replace") as boot_file:
            boot = next(int(line.split()[1]) for line in boot_file if line.startswith("btime "))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return None if seen is None else boot + seen[1] / os.sysconf("SC_CLK_TCK")


def _look(pid: int) -> tuple[str, int] | None:
    """State letter and start in ticks; None when it is gone or hidden."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as opened:
            fields = opened.read().rpartition(")")[2].split()
        return fields[_STATE], int(fields[_START])
    except (OSError, ValueError, IndexError):
        return None


def _life_by_signal(pid: int) -> Life:
    """Of a process that /proc does not show: gone, or hidden from other users (proc(5), hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return Life.ENDED
    except (PermissionError, OverflowError):
        pass
    return Life.UNKNOWN


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
