"""What the figures were measured on; nothing that names the machine or its folders."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path


def facts(memory: Path, disk: Path) -> dict[str, str]:
    """The facts that a reader needs to compare with a machine of his own."""
    system = platform.uname()
    return {
        "cores": f"{len(os.sched_getaffinity(0))} ({_processor()})",
        "kernel": f"{system.system} {system.release} {system.machine}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "file systems": f"{_file_system(memory)} for looking and «tmpfs», {_file_system(disk)} for «disk»",
        "load when it began": f"{os.getloadavg()[0]:.1f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "model unknown"


def _file_system(folder: Path) -> str:
    """The type of the mount that the folder lies on: the longest mount point above it."""
    found = ("", "unknown")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _device, point, kind = line.split()[:3]
        if folder.is_relative_to(point):
            found = max(found, (point, kind), key=lambda one: len(one[0]))
    return found[1]
