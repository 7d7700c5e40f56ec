"""What the machine is like: processes, disks, the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator

from core.monitoring.doctor.judge_machine import Clock, Disk, Processes, Room
from core.monitoring.doctor.model import Scene
from core.monitoring.doctor.see_users import user, user_of_file
from core.session_files.looking.filesystem import LOCAL, file_system_of
from core.session_files.model import Evidence, FileInspection, Usage
from utils.clock import from_epoch

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, linux/proc_ns.h
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, linux/sched.h: it has no descriptors to look into
_TIMEX = 512  # bytes; struct timex is smaller everywhere, and all zero it only asks (adjtimex(2): modes = 0)
_TIME_ERROR = 5  # adjtimex(2): "not synchronized to a reliable server"


def see_processes(scene: Scene) -> Processes:
    """Whose processes cannot be looked into, and which sessions that leaves without an answer."""
    uids = list(_unreadable())
    sessions = list(scene.sessions())
    return Processes(
        unreadable=len(uids),
        users=tuple(user(uid).name for uid in sorted(set(uids))),
        hidden=not os.path.exists("/proc/1"),
        container=_in_a_container(),
        unnamed=tuple(one.family.path for one in sessions if _is_unnamed(one)),
        unknown=tuple((one.family.path, user_of_file(one.family.target)) for one in sessions if _is_unknown(one)),
        folders=scene.paths,
    )


def _is_unnamed(one: FileInspection) -> bool:
    seen = one.occupancy
    return seen.usage is Usage.IN_USE and not seen.holders and seen.lease_pid is None


def _is_unknown(one: FileInspection) -> bool:
    return one.occupancy.usage is Usage.UNKNOWN and one.occupancy.evidence is not Evidence.FILE_SYSTEM


def _unreadable() -> Iterator[int]:
    """The owner of each process whose descriptors may not be read."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            os.listdir(f"/proc/{name}/fd")
        except PermissionError:
            owner = _owner_of(name)
            if owner is not None:
                yield owner
        except OSError:
            continue  # it has ended


def _owner_of(pid: str) -> int | None:
    """The user of a process; None where it has ended, or is a thread of the kernel."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as opened:
            flags = int(opened.read().rpartition(")")[2].split()[6])
        return None if flags & _KERNEL_THREAD else os.stat(f"/proc/{pid}").st_uid
    except (OSError, ValueError, IndexError):
        return None


def _in_a_container() -> bool:
    try:
        return os.readlink("/proc/self/ns/pid") != _INITIAL_PID_NAMESPACE
    except OSError:
        return True


def see_disks(scene: Scene) -> tuple[Disk, ...]:
    """On which file systems the folders lie."""
    state = file_system_of(scene.state.path)
    kinds = [(one.folder.path, one.folder.file_system) for one in scene.folders]
    return (
        *(Disk(path, kind, kind in LOCAL, of_state=False) for path, kind in kinds),
        Disk(scene.state.path, state, state in LOCAL, of_state=True),
    )


def see_room(scene: Scene) -> tuple[Room, ...]:
    """What is free on each disk that holds sessions or state, each disk once."""
    rooms: dict[int, Room] = {}
    for path in (*scene.paths, scene.state.path):
        there = _nearest(path)
        try:
            device, found = os.stat(there).st_dev, os.statvfs(there)
        except OSError:
            continue  # a folder that cannot be looked at is among the problems already
        free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        rooms.setdefault(device, Room(path, total, free, found.f_files, found.f_favail))
    return tuple(rooms.values())


def largest_session(scene: Scene) -> int:
    """Bytes of the largest family: file, journal and WAL."""
    sizes = (
        one.family.main.size + sum(beside.stat.size for beside in one.family.sidecars)
        for one in scene.sessions()
        if one.family.main is not None
    )
    return max(sizes, default=0)


def _nearest(path: str) -> str:
    """The path, or the nearest folder above it that is there: a state folder is only made by the first run."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def see_clock(scene: Scene) -> Clock:
    """The clock beside the newest file of the fleet."""
    families = [one.family for one in scene.sessions()]
    written = [(one.main.modified_ns, one.path) for one in families if one.main is not None]
    written += [(beside.stat.modified_ns, beside.path) for one in families for beside in one.sidecars]
    newest = max(written, default=None)
    told = None if newest is None else (from_epoch(newest[0] / 1e9), newest[1])
    return Clock(scene.now, told, _is_synchronised())


def _is_synchronised() -> bool | None:
    """The kernel's own word; None where there is no such call, or a sandbox forbids it."""
    import ctypes

    try:
        answer: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != _TIME_ERROR
