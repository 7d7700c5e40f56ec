"""Python processes that hold sessions or look like bots: who they are and what they take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.session_files.model import FolderPlan
from utils.redact import masked_command, printable

if TYPE_CHECKING:
    from psutil import Process

_FIELDS = ("cmdline", "username", "create_time", "memory_info", "cwd")
"""Only these are asked for: everything at once fails for kernel threads (research: operator_ux §3)."""
_PYTHONS = ("python", "pypy")
_BOT_WORDS = ("bot", "telethon", "gavat")


class ProcessView(NamedTuple):
    """One process."""

    pid: int
    command: str
    """Program and script; arguments masked."""
    user: str
    since: float
    """Start, seconds since 1970."""
    memory_bytes: int | None
    """Resident memory; None where this user may not ask."""
    sessions: tuple[str, ...]
    """Paths of the sessions that it holds, among those that were looked at."""


def find_processes(plans: Iterable[FolderPlan]) -> tuple[ProcessView, ...] | None:
    """Every holder of a session, and every Python process that looks like a bot; None without psutil.

    One looks like a bot when its script or module has a bot's name, or when it works in a folder of sessions or right
    above one. It is a hint for people; nothing is decided by it. This very process is left out.
    """
    try:
        import psutil
    except ImportError:
        return None
    plans = list(plans)
    held = _held(plans)
    near = _near(plan.folder.path for plan in plans)
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            view = _look(process, held.get(process.pid, ()), near)
        except psutil.Error:
            continue  # it ended while it was looked at
        if view is not None:
            found.append(view)
    return tuple(sorted(found, key=lambda one: (-len(one.sessions), one.pid)))


def _look(process: Process, sessions: Sequence[str], near: frozenset[str]) -> ProcessView | None:
    seen = process.as_dict(_FIELDS)  # a field that may not be read is None
    words = [word for word in seen["cmdline"] or () if word]
    command = masked_command(words)
    if not sessions and not (_is_python(words) and (_is_named_so(command) or seen["cwd"] in near)):
        return None
    memory = seen["memory_info"]
    return ProcessView(
        process.pid,
        command,
        printable(seen["username"] or ""),
        seen["create_time"],
        memory.rss if memory is not None else None,
        tuple(sessions),
    )


def _is_python(words: Sequence[str]) -> bool:
    return bool(words) and words[0].rpartition("/")[2].lower().startswith(_PYTHONS)


def _is_named_so(command: str) -> bool:
    """Whether script or module (all that is left of the arguments) has a bot's name."""
    script = command.partition(" ")[2].lower()
    return any(word in script for word in _BOT_WORDS)


def _held(plans: Iterable[FolderPlan]) -> Mapping[int, tuple[str, ...]]:
    """Paths of sessions by the process that holds them."""
    held: dict[int, tuple[str, ...]] = {}
    for entry in (entry for plan in plans for entry in plan.entries):
        seen = entry.seen.occupancy
        lessee = set() if seen.lease_pid is None else {seen.lease_pid}
        for pid in {holder.pid for holder in seen.holders} or lessee:
            held[pid] = (*held.get(pid, ()), entry.seen.family.path)
    return held


def _near(folders: Iterable[str]) -> frozenset[str]:
    real = [os.path.realpath(folder) for folder in folders]
    above = {os.path.dirname(folder) for folder in real} - {"/"}
    return frozenset({*real, *above})
