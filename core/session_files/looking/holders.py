"""Naming the processes that have files open: one scan of `/proc/*/fd` for a whole folder.

The scan compares device and inode, so hard links, renames and bind mounts do not hide a holder. It names; only where
the kernel's write lease could not be asked does a *complete* scan stand as proof (research: session_files §4).
"""

from __future__ import annotations

import math
import os
import pwd
import re
import threading
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from core.session_files.model import Holder
from utils.processes import started_at
from utils.redact import masked_command, printable

Identity = tuple[int, int]
"""Device and inode."""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, linux/proc_ns.h
_UNIT = re.compile(r"([^/]+\.service)")
_CONTAINER = re.compile(r"(?:docker|libpod|cri-containerd|lxc|crio)[-/.]([0-9a-z_-]{1,64})")


class OpenFiles(NamedTuple):
    """Who has which of the asked files open."""

    pids: dict[Identity, tuple[int, ...]]
    complete: bool
    """Every process of this machine could be looked into."""
    only_looked_at: frozenset[Identity] = frozenset()
    """Of them those that nobody uses: each process that has one open looks at it, as this module's neighbours do."""


def scan_open_files(wanted: Collection[Identity]) -> OpenFiles:
    """Look through the descriptors of every process once for the `wanted` files.

    A process that ends during the scan counts as seen; one that may not be read makes the scan incomplete, and so
    does a PID namespace of our own (a container), from which the others cannot be seen at all.
    """
    found: dict[Identity, list[int]] = {}
    used: set[Identity] = set()
    complete = _sees_all_processes()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            descriptors = os.listdir(f"/proc/{name}/fd")
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            complete = False
            continue
        for descriptor, identity in _identities(name, descriptors):
            if identity in wanted:
                found.setdefault(identity, []).append(int(name))
                if not _only_looks(name, descriptor):
                    used.add(identity)
    pids = {identity: tuple(sorted(set(pids))) for identity, pids in found.items()}
    return OpenFiles(pids, complete, frozenset(found.keys() - used))


_SHARED_FOR = 0.1
"""Seconds for which one look through this process serves others."""


class _OwnScans:
    """The newest look through this process's descriptors, for all its threads; moments are `time.monotonic()`."""

    def __init__(self) -> None:
        self._began_at = -math.inf
        self._files: frozenset[Identity] = frozenset()
        self._at_work = threading.Lock()
        self.none_before = -math.inf
        """What was looked at before that moment is not shared any more."""

    def not_older_than(self, moment: float) -> frozenset[Identity]:
        with self._at_work:
            if self._began_at < max(moment, self.none_before, time.monotonic() - _SHARED_FOR):
                began_at = time.monotonic()
                self._files = frozenset(_own_identities())
                self._began_at = began_at
            return self._files


_own_scans = _OwnScans()


def own_open_files(*, since: float | None = None) -> frozenset[Identity]:
    """The files this very process has open, without opening any of them.

    All that were open at `since` and still are (`time.monotonic()`; None: at the call) are found. A look takes time
    with the number of descriptors, and many starts at once would take its square: those of one moment share it.
    """
    return _own_scans.not_older_than(time.monotonic() if since is None else since)


def forget_own_open_files() -> None:
    """Share no earlier look: a file was closed, and others here may have it open by now. Never waits."""
    _own_scans.none_before = time.monotonic()


def _own_identities() -> Iterator[Identity]:
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found = os.fstat(int(descriptor))  # cheaper than a look through /proc, which only other processes need
        except OSError:
            continue  # closed meanwhile, that of the listing among them
        yield found.st_dev, found.st_ino


def describe_holder(pid: int) -> Holder:
    """What may be told of a process; fields that cannot be read are empty."""
    return Holder(pid, _command(pid), _user(pid), started_at(pid), _unit(pid))


def _sees_all_processes() -> bool:
    try:
        return os.readlink("/proc/self/ns/pid") == _INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _identities(pid: str, descriptors: list[str]) -> Iterator[tuple[str, Identity]]:
    for descriptor in descriptors:
        try:
            found = os.stat(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue  # closed meanwhile, or a kind of file that has no stat
        yield descriptor, (found.st_dev, found.st_ino)


def _only_looks(pid: str, descriptor: str) -> bool:
    """Whether it was opened as `open_without_access_time` does: to read, and without waiting, as SQLite never opens."""
    try:
        with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii", errors="replace") as told:
            (flags,) = (int(line.split()[1], 8) for line in told if line.startswith("flags:"))
    except (OSError, ValueError):
        return False
    return flags & os.O_ACCMODE == os.O_RDONLY and bool(flags & os.O_NONBLOCK)


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            arguments = [os.fsdecode(part) for part in cmdline.read(4096).split(b"\0") if part]
    except OSError:
        return ""
    return masked_command(arguments)


def _user(pid: int) -> str:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return ""
    try:
        return printable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)


def _unit(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as cgroup:
            text = cgroup.read(4096)
    except OSError:
        return None
    container = _CONTAINER.search(text)
    if container:
        return f"container {printable(container[1][:12])}"
    units = _UNIT.findall(text)
    return printable(units[-1]) if units else None
