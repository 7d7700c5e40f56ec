"""Asking the kernel whether anybody uses a session file, and reading its bytes while nobody does.

Three questions, each answered by the kernel and not by names or ages (research: session_files §4):
the own lease on the lock file, SQLite's lock bytes, and a write lease (fcntl(2), "Leases"), which is granted only
while no other descriptor of the file exists on this machine. An opener that comes while the lease is held waits the
few microseconds until it is given back.

Never 2 of DESIGN.md: this opens session files raw. In a process that has one open through SQLite, that would drop
SQLite's locks; such files are recognised by `/proc/self/fd` first and not opened. Only a separate process is free of
the race with one's own threads, so programs that hold sessions use `make_startable` and `is_session_locked`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import struct
from collections.abc import Set
from typing import NamedTuple

from core.session_files.database.file_format import HEADER_SIZE
from core.session_files.looking.filesystem import LOCAL, file_system_of
from core.session_files.looking.listing import LOCK_SUFFIX
from core.session_files.model import FREE, Evidence, FileStat, Occupancy, SessionFamily, SidecarKind, Usage
from utils.leases import LeaseState, open_without_access_time, probe_os_lock

_FLOCK = struct.Struct("hhqqixxxx")
_SQLITE_LOCK_BYTES = (0x40000000, 512)  # os_unix.c: PENDING_BYTE, RESERVED_BYTE, SHARED_FIRST … 510 bytes
_SHM_LOCK_BYTES = (120, 9)  # os_unix.c: UNIX_SHM_BASE, eight locks and the dead-man switch
_OPEN_ELSEWHERE = (errno.EAGAIN, errno.EWOULDBLOCK)
_NO_LEASES_HERE = (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP)
_CANNOT_LEASE = (errno.EACCES, errno.EPERM, *_NO_LEASES_HERE)


class Probed(NamedTuple):
    """Who uses a file, and its first bytes when it could be read without a trace."""

    occupancy: Occupancy
    head: bytes = b""


class Prober:
    """Answers for the files of one folder."""

    def __init__(self, *, file_system: str, held_here: Set[tuple[int, int]]) -> None:
        """`file_system`: where the files lie; `held_here`: files this process has open (`own_open_files()`)."""
        self._file_system = file_system
        self._held_here = held_here
        self._lease_tells: dict[int, bool] = {}

    def ask(self, family: SessionFamily, *, read: int) -> Probed:
        """Ask whether anybody uses the session or, without one, any of its sidecars.

        The first `read` bytes of a free session come along: they were read under the write lease, so no writer was
        at work. Raises nothing: what cannot be known is an answer.
        """
        if family.main is not None:
            return self._ask_session(family, family.main, read)
        answers = (self._ask_file(sidecar.path, sidecar.stat, 0) for sidecar in family.sidecars)
        return next((one for one in answers if one.occupancy.usage is not Usage.FREE), Probed(FREE))

    def _ask_session(self, family: SessionFamily, main: FileStat, read: int) -> Probed:
        if (main.device, main.inode) in self._held_here:
            return Probed(Occupancy(Usage.IN_USE, Evidence.OWN_PROCESS, "open in this process", lease_pid=os.getpid()))
        if family.path != family.target:
            kind = file_system_of(os.path.dirname(family.target))
            if kind not in LOCAL:
                return Probed(_unknown(Evidence.FILE_SYSTEM, _shared(kind)))
        leased = self._ask_own_lease(family)
        if leased is not None and leased.usage is Usage.IN_USE:
            return Probed(leased)
        shm = family.sidecar(SidecarKind.SHM) if family.sidecars else None
        if shm is not None and _has_lock(shm.path, _SHM_LOCK_BYTES):
            return Probed(Occupancy(Usage.IN_USE, Evidence.LOCK_BYTES, "holds a lock on the -shm"))
        probed = self._ask_file(family.target, main, read)
        if leased is not None and probed.occupancy.usage is Usage.FREE:
            return Probed(leased)  # the kernel knows of no opener, but the lock file could not be asked
        return probed

    def _ask_file(self, path: str, seen: FileStat, read: int) -> Probed:
        try:
            descriptor = open_without_access_time(path)
        except OSError as error:
            return Probed(_cannot_open(error, seen))
        try:
            if self._leases_are_telling(descriptor, seen.device):
                take_write_lease(descriptor)  # closing the descriptor gives it back
                return Probed(FREE, os.pread(descriptor, read, 0))
            return self._without_lease(descriptor, self._why_no_lease())
        except OSError as error:
            return self._without_lease(descriptor, _refused_lease(error, seen))
        finally:
            os.close(descriptor)

    def _without_lease(self, descriptor: int, told: Occupancy) -> Probed:
        """The answer where the lease proves nothing or was refused: SQLite's lock bytes know more at times."""
        if _range_is_locked(descriptor, _SQLITE_LOCK_BYTES):
            told = Occupancy(Usage.IN_USE, Evidence.LOCK_BYTES, "holds a SQLite lock")
        return Probed(told, _read_without_trace(descriptor) if told.usage is Usage.IN_USE else b"")

    def read_head(self, path: str, size: int) -> bytes:
        """The first bytes of a file that was proven free by other means; empty when they cannot be read."""
        try:
            descriptor = open_without_access_time(path)
        except OSError:
            return b""
        try:
            return os.pread(descriptor, size, 0)
        finally:
            os.close(descriptor)

    def _ask_own_lease(self, family: SessionFamily) -> Occupancy | None:
        if family.lock is None:
            return None
        lease = probe_os_lock(family.target + LOCK_SUFFIX)
        if lease.state is LeaseState.HELD:
            return Occupancy(
                Usage.IN_USE, Evidence.LEASE, "holds its lock file", lease_pid=lease.owner.pid if lease.owner else None
            )
        if lease.state is LeaseState.UNKNOWN:
            return _unknown(Evidence.LEASE, lease.reason)
        return None

    def _leases_are_telling(self, descriptor: int, device: int) -> bool:
        """Whether a lease on this disk says that nobody has a file open; found out once per device.

        It does not where another machine may be the opener, nor where the kernel grants one while a second
        descriptor exists.
        """
        telling = self._lease_tells.get(device)
        if telling is None:
            telling = self._file_system in LOCAL and _is_refused_while_open_twice(descriptor)
            self._lease_tells[device] = telling
        return telling

    def _why_no_lease(self) -> Occupancy:
        if self._file_system in LOCAL:
            return _unknown(Evidence.OPEN_FILES, "the kernel gives leases on open files here")
        return _unknown(Evidence.FILE_SYSTEM, _shared(self._file_system))


def _shared(file_system: str) -> str:
    return f"file system {file_system or 'of unknown type'}: another machine may have it open"


def _is_refused_while_open_twice(descriptor: int) -> bool:
    second = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        take_write_lease(descriptor)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    except OSError as error:
        if error.errno not in _OPEN_ELSEWHERE:
            raise
        return True
    finally:
        os.close(second)


def take_write_lease(descriptor: int) -> None:
    """Take a write lease; raises OSError.

    The kernel tells its holder by a signal when somebody opens the file. SIGIO, its default, would end a process that
    does not handle it; SIGURG is ignored by one that does not (signal(7)), and so needs no handler in any thread.
    """
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)


def _refused_lease(error: OSError, seen: FileStat) -> Occupancy:
    if error.errno in _OPEN_ELSEWHERE:
        return Occupancy(Usage.IN_USE, Evidence.WRITE_LEASE, "has it open")
    if error.errno in _CANNOT_LEASE:
        return _not_askable(error, seen)
    return _unknown(Evidence.NONE, f"cannot be looked at ({error.strerror})")


def _read_without_trace(descriptor: int) -> bytes:
    """The header of a file in use, unless reading it would change its access time."""
    if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NOATIME:
        return b""
    return os.pread(descriptor, HEADER_SIZE, 0)


def _has_lock(path: str, span: tuple[int, int]) -> bool:
    try:
        descriptor = open_without_access_time(path)
    except OSError:
        return False  # the session file itself is asked next, and answers for a file that may not be opened
    try:
        return _range_is_locked(descriptor, span)
    finally:
        os.close(descriptor)


def _range_is_locked(descriptor: int, span: tuple[int, int]) -> bool:
    start, length = span
    answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0))
    return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)


def _cannot_open(error: OSError, seen: FileStat) -> Occupancy:
    if error.errno in _OPEN_ELSEWHERE:  # O_NONBLOCK: another looker holds a lease this instant
        return Occupancy(Usage.IN_USE, Evidence.WRITE_LEASE, "has it open")
    if error.errno in (errno.EACCES, errno.EPERM):
        return _not_askable(error, seen)
    return _unknown(Evidence.NONE, f"cannot be opened ({error.strerror})")


def _not_askable(error: OSError, seen: FileStat) -> Occupancy:
    if error.errno in _NO_LEASES_HERE:
        return _unknown(Evidence.OPEN_FILES, "the kernel gives no lease here")
    if seen.uid != os.geteuid():
        return _unknown(Evidence.PERMISSION, f"owned by uid {seen.uid}, cannot be asked")
    return _unknown(Evidence.PERMISSION, f"cannot be asked ({error.strerror})")


def _unknown(evidence: Evidence, reason: str) -> Occupancy:
    return Occupancy(Usage.UNKNOWN, evidence, reason)
