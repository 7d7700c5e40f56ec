"""A lease on this machine: an open-file-description lock on a file that is never unlinked.

Why this kind of lock (fcntl(2), "Open file description locks"): it belongs to the open file, not to the process,
so reading the file elsewhere in the same process does not drop it as a POSIX lock would; it can be asked
(`F_OFD_GETLK`) without being taken, so a looking tool never refuses a starting bot; and the kernel ends it with the
last descriptor, so it is never stale. The text inside the file is for people and is never believed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from datetime import timedelta
from typing import ClassVar, Self

from utils.leases.model import LeaseError, LeaseHeld, LeaseLost, LeaseOwner, LeaseProbe, LeaseState
from utils.redact import printable

_FLOCK = struct.Struct("hhqqixxxx")  # struct flock: l_type, l_whence, l_start, l_len, l_pid (0 for OFD locks)
_TEXT_SIZE = 512  # fixed, so that the file is overwritten and never truncated
_LOOKING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOATIME
_BUSY = (errno.EAGAIN, errno.EACCES)


class OsLock:
    """A held lease: a context manager that gives it back; `check()` tells whether it is still ours.

    The file is created 0600 when absent and left in place for ever: unlinking it would let two processes
    hold locks on two files of the same name.
    """

    check_every: ClassVar[timedelta] = timedelta(minutes=1)

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self._pid = os.getpid()

    @classmethod
    def acquire(cls, path: str, *, owner_ids: tuple[int, int] | None = None) -> OsLock:
        """Take the lease on the file at `path` at once, or raise.

        `owner_ids` (uid, gid) go to a file that is created here, so that a lock made by root beside a
        user's session belongs to that user.

        Raises LeaseHeld when another process has it (its owner as far as the file tells), LeaseError when the
        lock file cannot be made or opened.
        """
        while True:
            descriptor = _open_lock_file(path, owner_ids)
            try:
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
            except OSError as error:
                owner = _read_owner(descriptor)
                os.close(descriptor)
                if error.errno in _BUSY:
                    raise _held(path, owner) from None
                raise LeaseError(f"{printable(path)}: cannot be locked ({error.strerror})") from error
            if _is_the_named_file(path, descriptor):
                lock = cls(path, descriptor)
                lock._write_owner()
                return lock
            os.close(descriptor)  # somebody replaced the file between open and lock: take the one that is there now

    def check(self) -> None:
        """Raise LeaseLost unless this process still holds the lease on the file that bears the name.

        Two things can go wrong while the kernel still counts the lock as held: the file was unlinked or replaced
        (another process can then lock the new one), or this is a forked child of the process that took it.
        """
        if self._descriptor is None:
            raise LeaseLost(f"{printable(self.path)}: the lease was given back")
        if os.getpid() != self._pid:
            raise LeaseLost(
                f"{printable(self.path)}: taken by pid {self._pid}; this is its forked child, pid {os.getpid()}",
                hint="close the session before forking, or start the worker with exec (spawn)",
            )
        if not _is_the_named_file(self.path, self._descriptor):
            raise LeaseLost(
                f"{printable(self.path)}: the lock file was removed or replaced",
                hint="stop this bot; find what deletes *.lock files and take it out of use",
            )

    def release(self) -> None:
        """Give the lease back; harmless when done twice, and in a forked child."""
        if self._descriptor is None:
            return
        if os.getpid() == self._pid:
            # A child that was forked meanwhile has the open file too, and closing it here alone would free nothing
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0))
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()

    def _write_owner(self) -> None:
        assert self._descriptor is not None
        text = LeaseOwner.of_this_process().to_text().encode("ascii")[: _TEXT_SIZE - 1]
        # The text helps people; the lock holds without it, on a full disk too.
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, text.ljust(_TEXT_SIZE - 1) + b"\n", 0)


def probe_os_lock(path: str) -> LeaseProbe:
    """Ask who holds the lease on the lock file at `path`, without taking it and without writing anything."""
    try:
        descriptor = open_without_access_time(path)
    except FileNotFoundError:
        return LeaseProbe(LeaseState.FREE)
    except OSError as error:
        return LeaseProbe(LeaseState.UNKNOWN, reason=f"its lock file cannot be opened ({error.strerror})")
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        if _FLOCK.unpack(answer)[0] == fcntl.F_UNLCK:
            return LeaseProbe(LeaseState.FREE)
        return LeaseProbe(LeaseState.HELD, _read_owner(descriptor))
    except OSError as error:
        return LeaseProbe(LeaseState.UNKNOWN, reason=f"its lock file cannot be asked ({error.strerror})")
    finally:
        os.close(descriptor)


def open_without_access_time(path: str) -> int:
    """Open for looking: no access time changed where the kernel allows it (own files, root), no symlink followed."""
    try:
        return os.open(path, _LOOKING)
    except PermissionError:
        return os.open(path, _LOOKING & ~os.O_NOATIME)


def _open_lock_file(path: str, owner_ids: tuple[int, int] | None) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(path, flags)
        if owner_ids is not None and owner_ids != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
            os.fchown(descriptor, *owner_ids)
        return descriptor
    except OSError as error:
        full = error.errno in (errno.EMFILE, errno.ENFILE)
        raise LeaseError(
            f"{printable(path)}: the lock file cannot be opened ({error.strerror})",
            hint="raise the limit of open files (ulimit -n), or run fewer bots per process"
            if full
            else "run as the user who owns the folder, and give that user write permission on it",
        ) from error


def _is_the_named_file(path: str, descriptor: int) -> bool:
    mine = os.fstat(descriptor)
    try:
        named = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)


def _read_owner(descriptor: int) -> LeaseOwner | None:
    try:
        return LeaseOwner.from_text(os.pread(descriptor, _TEXT_SIZE, 0).decode("ascii", "replace"))
    except OSError:
        return None


def _held(path: str, owner: LeaseOwner | None) -> LeaseHeld:
    by = (
        f"pid {owner.pid} ({printable(owner.command)}) since {printable(owner.acquired_at)}"
        if owner
        else "another process"
    )
    return LeaseHeld(f"{printable(path)}: held by {by}", owner=owner, hint="stop that process, or wait until it ends")
