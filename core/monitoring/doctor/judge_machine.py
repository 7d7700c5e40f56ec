"""What is said of the machine: users, processes, disks, the clock (pure)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from core.monitoring.doctor.model import MONITOR, Answer, Command, Level, Trouble, count, some
from utils.units import size_text

LEAST_ROOM = 1024 * 1024
"""Bytes beside twice the largest session: once for the copy, once for what SQLite writes while it mends."""
FEW_PERCENT = 1
CLOCK_SLACK = timedelta(minutes=5)
_NETWORK = ("nfs", "cifs", "smb", "ceph", "glusterfs", "lustre", "afs", "sshfs")
"""How the types of plain network file systems begin; others that are not local are only perhaps shared."""


class User(NamedTuple):
    """A user of this machine."""

    uid: int
    name: str
    """As `sudo -u` takes it."""


class Owners(NamedTuple):
    """Whose files these are."""

    running: User
    sessions: tuple[tuple[User, int], ...]
    """Owner and number of sessions."""
    state: User | None
    """None: there is no state folder yet."""


def judge_owners(seen: Owners) -> Answer:
    """Whether the running user may change what belongs to the fleet."""
    me = seen.running
    troubles = []
    for owner, number in seen.sessions:
        if owner.uid != me.uid:
            evidence = f"{count(number, 'session')} of {owner.name}; this runs as {me.name}"
            troubles.append(Trouble("GV201", Level.WARN, evidence, Command(user=owner.name)))
    if seen.state is not None and seen.state.uid != me.uid:
        evidence = f"the state folder belongs to {seen.state.name}; this runs as {me.name}"
        troubles.append(Trouble("GV202", Level.WARN, evidence, Command(user=seen.state.name)))
    if troubles:
        return Answer(f"{me.name} does not own all of the fleet", tuple(troubles))
    number = sum(number for _owner, number in seen.sessions)
    owned = [count(number, "session")] * bool(number) + ["the state folder"] * bool(seen.state)
    return Answer(f"{me.name} owns {' and '.join(owned)}" if owned else "there is nothing yet to own")


class Processes(NamedTuple):
    """How far this user can see who has a session open."""

    unreadable: int
    """Processes whose descriptors may not be read."""
    users: tuple[str, ...]
    """Whose they are."""
    hidden: bool
    """The processes of other users are not listed at all (proc(5), hidepid)."""
    container: bool
    unnamed: tuple[str, ...]
    """Sessions in use whose holder has no name."""
    unknown: tuple[tuple[str, str | None], ...]
    """Sessions of which nobody could say whether they are in use, and the user to ask as."""
    folders: tuple[str, ...]


def judge_processes(seen: Processes) -> Answer:
    """Every session's use known, every holder named."""
    limits = _limits(seen)
    troubles = []
    if seen.unnamed:
        evidence = f"open in a process that cannot be seen: {some(seen.unnamed)}; {limits}"
        asked = Command((MONITOR, "locks", *seen.folders), user=None if seen.container else "root")
        troubles.append(Trouble("GV204" if seen.container else "GV203", Level.WARN, evidence, asked))
    for user in dict.fromkeys(user for _path, user in seen.unknown):
        paths = [path for path, asked in seen.unknown if asked == user]
        evidence = f"nobody can say whether these are in use: {some(paths)}"
        troubles.append(Trouble("GV131", Level.UNKNOWN, evidence, Command(user=user)))
    if troubles:
        return Answer("not every holder is known", tuple(troubles))
    return Answer(f"{limits}; no session is open in one" if limits else "every process can be looked into")


def _limits(seen: Processes) -> str:
    if seen.container:
        return "processes outside this container cannot be seen"
    if seen.hidden:
        return "/proc hides the processes of other users"
    if seen.unreadable:
        return f"{count(seen.unreadable, 'process', 'processes')} of {some(seen.users)} may not be looked into"
    return ""


class Disk(NamedTuple):
    """On what a folder lies."""

    path: str
    kind: str
    """Type of the file system, "" where the system does not say."""
    local: bool
    of_state: bool


def judge_disks(disks: tuple[Disk, ...]) -> Answer:
    """Only this machine opens the files."""
    troubles = []
    for disk in disks:
        if disk.local:
            continue
        network = disk.kind.removeprefix("fuse.").startswith(_NETWORK)
        level = Level.CRIT if network else Level.WARN if disk.kind else Level.UNKNOWN
        evidence = f"{disk.path} lies on {disk.kind or 'a file system of unknown type'}"
        code = "GV205" if disk.of_state else "GV132"
        troubles.append(Trouble(code, level, evidence, Command(("findmnt", "--target", disk.path))))
    if troubles:
        return Answer("another machine may have the files open", tuple(troubles))
    return Answer(f"local: {some(dict.fromkeys(disk.kind for disk in disks))}" if disks else "no folder to look at")


class Room(NamedTuple):
    """What is free on the disk below a folder."""

    path: str
    total: int
    free: int
    """Bytes that a user who is not root may still write."""
    inodes: int
    """0 where the file system does not count them."""
    inodes_free: int


def judge_room(rooms: tuple[Room, ...], *, largest: int) -> Answer:
    """Room for the bots and for a copy; `largest` is the size of the largest session in bytes."""
    troubles = tuple(trouble for room in rooms for trouble in _room_troubles(room, 2 * largest + LEAST_ROOM))
    if troubles:
        return Answer("a disk is nearly full", troubles)
    if not rooms:
        return Answer("no folder to look at")
    least = min(rooms, key=lambda room: room.free)
    return Answer(f"at least {size_text(least.free)} free ({least.path})")


def _room_troubles(room: Room, needed: int) -> list[Trouble]:
    found = []
    if room.free < needed or room.free * 100 < room.total * FEW_PERCENT:
        level = Level.CRIT if room.free < LEAST_ROOM else Level.WARN
        wanted = f", {size_text(needed)} are needed" if room.free < needed else ""
        evidence = f"{size_text(room.free)} of {size_text(room.total)} free below {room.path}{wanted}"
        found.append(Trouble("GV241", level, evidence, Command(("df", "-h", "--", room.path))))
    if room.inodes and room.inodes_free * 100 < room.inodes * FEW_PERCENT:
        level = Level.WARN if room.inodes_free else Level.CRIT
        evidence = f"{room.inodes_free:,} of {room.inodes:,} files can still be made below {room.path}"
        found.append(Trouble("GV241", level, evidence, Command(("df", "-i", "--", room.path))))
    return found


class Clock(NamedTuple):
    """The clock and what speaks against it."""

    now: datetime
    newest: tuple[datetime, str] | None
    """When the newest file of the fleet was written, and its path."""
    synchronised: bool | None
    """None: the kernel did not say."""


def judge_clock(seen: Clock) -> Answer:
    """Not behind the files, and disciplined by a time service."""
    troubles = []
    if seen.newest is not None and seen.newest[0] - seen.now > CLOCK_SLACK:
        moment, path = seen.newest
        minutes = int((moment - seen.now) / timedelta(minutes=1))
        evidence = f"{path} was written {count(minutes, 'minute')} from now ({moment:%Y-%m-%d %H:%M} UTC)"
        command = Command(("ls", "-l", "--time-style=full-iso", "--", path))
        troubles.append(Trouble("GV251", Level.WARN, evidence, command))
    if seen.synchronised is False:
        troubles.append(
            Trouble("GV252", Level.WARN, "no time service keeps it", Command(("timedatectl", "set-ntp", "true")))
        )
    if troubles:
        return Answer("the clock may be wrong", tuple(troubles))
    kept = "kept by a time service" if seen.synchronised else "whether a time service keeps it is not told here"
    return Answer(f"{seen.now:%Y-%m-%d %H:%M} UTC, {kept}")
