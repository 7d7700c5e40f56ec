"""Moving sidecars that have no session out of the way of a new one, under their own names.

A new session of that name would make SQLite delete them. They move into `set-aside/RUN-ID/` in the same folder, so no
byte is written and undo moves them back. SQLite has no lock for this, so it is done under our own lease on the name,
with a write lease on each sidecar, and only while no session file is there; a sidecar that turns out to be another
file than the one looked at is put back.
"""

from __future__ import annotations

import contextlib
import os
import stat

from core.errors import PlanOutdated, SessionFileBusy, SessionFileError, UndoRefused
from core.session_files.looking.listing import LOCK_SUFFIX, SET_ASIDE_FOLDER
from core.session_files.looking.probe import take_write_lease
from core.session_files.mending.copies import sync_folder
from core.session_files.model import SessionFamily, Sidecar, SidecarKind
from utils.leases import LeaseError, LeaseHeld, OsLock, open_without_access_time


def aside_folder(family: SessionFamily, run_id: str) -> str:
    """Where a run moves the family's sidecars to; noted before the first of them moves."""
    return os.path.abspath(os.path.join(os.path.dirname(family.target), SET_ASIDE_FOLDER, run_id))


def set_aside(family: SessionFamily, aside: str) -> None:
    """Move the family's sidecars into its `aside_folder`.

    Raises SessionFileBusy or PlanOutdated when somebody came first, SessionFileError when it cannot be done.
    """
    folder = os.path.dirname(family.target)
    try:
        with hold_session_lease(family):
            make_like(os.path.dirname(aside), folder)
            make_like(aside, folder)
            _move_all(family, aside)
            for touched in (aside, os.path.dirname(aside), folder):
                sync_folder(touched)
    except OSError as error:
        raise SessionFileError(f"cannot be set aside ({error.strerror})", path=family.path) from error


def move_back(aside: str, target: str) -> int:
    """Undo of `set_aside`: the sidecars of the session path `target` return beside it; says how many did.

    Raises UndoRefused when a session of that name is there now (SQLite would play the old journal into it),
    SessionFileError where a name is taken.
    """
    folder, base = os.path.split(target)
    names = [base + kind.value for kind in SidecarKind if os.path.lexists(os.path.join(aside, base + kind.value))]
    if not names:
        return 0  # the run ended before anything was moved
    if _size(target) is not None:
        raise UndoRefused("a session of that name is there now", path=target, hint=f"the sidecars stay in {aside}")
    try:
        for name in names:
            _link_back(os.path.join(aside, name), os.path.join(folder, name))
        for emptied in (aside, os.path.dirname(aside)):
            with contextlib.suppress(OSError):  # what other sessions and other runs put there stays
                os.rmdir(emptied)
        sync_folder(folder)
    except OSError as error:
        raise SessionFileError(f"cannot be moved back ({error.strerror})", path=aside) from error
    return len(names)


def _link_back(source: str, destination: str) -> None:
    """Move without ever replacing a file; what a killed undo linked already is taken for moved."""
    try:
        os.link(source, destination)
    except FileExistsError:
        if not os.path.samefile(source, destination):
            raise
    sync_folder(os.path.dirname(destination))
    os.unlink(source)


def hold_session_lease(family: SessionFamily) -> OsLock:
    """Our own lease on a session, for work that SQLite's locks do not cover.

    Raises SessionFileBusy when a bot holds it, SessionFileError when the lock file cannot be made.
    """
    members = [family.main, *(one.stat for one in family.sidecars)]
    owner = next((one for one in members if one is not None), None)
    folder = os.stat(os.path.dirname(family.target))
    ids = (owner.uid, owner.gid) if owner is not None else (folder.st_uid, folder.st_gid)
    try:
        return OsLock.acquire(family.target + LOCK_SUFFIX, owner_ids=ids)
    except LeaseHeld as held:
        raise SessionFileBusy(str(held), path=family.path) from held
    except LeaseError as error:
        raise SessionFileError(str(error), path=family.path, hint=error.hint) from error


def _move_all(family: SessionFamily, aside: str) -> None:
    moved: list[Sidecar] = []
    try:
        for sidecar in family.sidecars:
            _move(family, sidecar, os.path.join(aside, os.path.basename(sidecar.path)))
            moved.append(sidecar)
    except BaseException:
        for sidecar in moved:
            os.rename(os.path.join(aside, os.path.basename(sidecar.path)), sidecar.path)
        raise


def _move(family: SessionFamily, sidecar: Sidecar, destination: str) -> None:
    descriptor = open_without_access_time(sidecar.path)
    try:
        try:
            take_write_lease(descriptor)
        except OSError as error:
            raise SessionFileBusy("somebody has a sidecar open", path=sidecar.path) from error
        if _size(family.target) not in (None, 0):
            raise PlanOutdated("a session of that name is there now", path=family.path)
        os.rename(sidecar.path, destination)
        moved = os.lstat(destination)
        if (moved.st_dev, moved.st_ino) != (sidecar.stat.device, sidecar.stat.inode):
            os.rename(destination, sidecar.path)
            raise PlanOutdated("another sidecar bears its name now", path=sidecar.path)
    finally:
        os.close(descriptor)  # gives the lease back too


def _size(path: str) -> int | None:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return None


def make_like(folder: str, parent: str) -> None:
    """Make a private folder, or see that the one there belongs to whom its parent belongs to."""
    owner = os.stat(parent)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.st_uid:
            raise SessionFileError("is no folder of the sessions' owner", path=folder) from None
