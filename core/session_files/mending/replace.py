"""Putting a whole session in the place of another, which moves, with its sidecars and under its names, to quarantine.

The name is never without a file: Telethon would make a new, empty session of it. The old file is linked into
`quarantine/RUN-ID/` first, and the new one renamed over its name. Others are kept out by our lease on the session and a
write lease on the old file; whoever opens that one meanwhile waits, is noticed, and gets the old file back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

from core.errors import PlanOutdated, SessionFileBusy, SessionFileError
from core.session_files.looking.listing import QUARANTINE_FOLDER
from core.session_files.looking.probe import take_write_lease
from core.session_files.mending.copies import is_unchanged, sync_file, sync_folder
from core.session_files.mending.identity import identity_of
from core.session_files.mending.set_aside import hold_session_lease, make_like
from core.session_files.model import SessionFamily, SidecarKind
from utils.leases import open_without_access_time

_NEW = ".gavat-new-"


def quarantine_folder(family: SessionFamily, run_id: str) -> str:
    """Where a run moves the family to; noted before the first of its files moves."""
    return os.path.abspath(os.path.join(os.path.dirname(family.target), QUARANTINE_FOLDER, run_id))


def beside(family: SessionFamily) -> str:
    """The name under which the file that is to take the session's place is made, in the same folder."""
    folder, name = os.path.split(family.target)
    return os.path.join(folder, _NEW + name)


def replace(family: SessionFamily, new: str, quarantine: str) -> str | None:
    """Move the family to the folder `quarantine` and the file `new`, made at `beside(family)`, into its place.

    Returns the identity of the new file while nobody else can have it open (`identity_of`).
    `new` gets mode 0600 and the owner of the session, or of the folder. Raises SessionFileBusy or PlanOutdated when
    somebody came first (everything is as before), SessionFileError when it cannot be done.
    """
    try:
        with hold_session_lease(family):
            return replace_leased(family, new, quarantine)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)


def replace_leased(family: SessionFamily, new: str, quarantine: str) -> str | None:
    """As `replace`, for who holds the session's lease; `new` stays where it is when it could not take the place."""
    try:
        with _write_leases(family) as leases:
            if not is_unchanged(family):
                raise PlanOutdated("it changed since it was looked at", path=family.path)
            _make_private(new, family)
            _make_folders(quarantine, os.path.dirname(family.target))
            with _given_up_on_failure(family, quarantine, new):
                _note(family.target, quarantine, new=new)
                _move_away(family, quarantine)
                _take_place(family, new)
            if not all(map(_is_held, leases)):
                _swap_back(family, quarantine)
                raise SessionFileBusy("somebody opened it in this very moment; it is as it was", path=family.path)
            return identity_of(family.target)
    except OSError as error:
        raise SessionFileError(f"cannot be replaced ({error.strerror})", path=family.path) from error


def bring_back(family: SessionFamily, quarantine: str, own: str) -> None:
    """Undo of `replace`: the family in `quarantine` returns to its place, and what is there now moves to `own`.

    Raises as `replace` does.
    """
    try:
        with hold_session_lease(family), _write_leases(family) as leases:
            if not is_unchanged(family):
                raise PlanOutdated("it changed since it was looked at", path=family.path)
            _make_folders(own, os.path.dirname(family.target))
            if family.main is not None:
                # Where only sidecars were before, its name is free again: beside it they would be played into it.
                gives_way = os.path.lexists(_in(quarantine, family.target))
                (os.link if gives_way else os.rename)(family.target, _in(own, family.target))
            _move_sidecars(family, own)
            _sync(family, own)
            return_from_quarantine(family.target, quarantine)
            if not all(map(_is_held, leases)):
                raise SessionFileBusy("somebody opened it in this very moment: look at it again", path=family.path)
    except OSError as error:
        raise SessionFileError(f"cannot be brought back ({error.strerror})", path=family.path) from error


def put_in_quarantine(family: SessionFamily, quarantine: str) -> None:
    """Move the family away without a replacement; raises as `replace` does.

    Telethon makes a new, empty session at the next start under that name: only on the operator's word.
    """
    try:
        with hold_session_lease(family), _write_leases(family) as leases:
            if not is_unchanged(family):
                raise PlanOutdated("it changed since it was looked at", path=family.path)
            _make_folders(quarantine, os.path.dirname(family.target))
            with _given_up_on_failure(family, quarantine, None):
                _note(family.target, quarantine, new=None)
                _move_sidecars(family, quarantine)
                if family.main is not None:
                    os.rename(family.target, _in(quarantine, family.target))
                _sync(family, quarantine)
            if not all(map(_is_held, leases)):
                return_from_quarantine(family.target, quarantine)
                raise SessionFileBusy("somebody opened it in this very moment; it is as it was", path=family.path)
    except OSError as error:
        raise SessionFileError(f"cannot be moved to quarantine ({error.strerror})", path=family.path) from error


class Noted(NamedTuple):
    """What was noted in a quarantine before the first file moved there: identities, for whoever finds it half done."""

    old: str | None
    """The session itself; None where there were only sidecars, or nothing."""
    new: str | None
    """The file that was to take its place; None for a move without a replacement."""


def noted_in(quarantine: str, target: str) -> Noted | None:
    """The note about `target`; None where there is none, and then nothing had moved yet. Raises OSError."""
    try:
        with open(_note_path(target, quarantine), encoding="ascii") as note:
            old, end, new = note.read().partition("\n")
    except FileNotFoundError:
        return None
    if not end:  # nothing moves before all of it is on disk
        return None
    return Noted(old or None, new or None)


def return_from_quarantine(target: str, quarantine: str) -> int:
    """Move the files of the session `target` back to their place and return how many; raises OSError.

    Main file first: it takes the place of what is there now, then its sidecars belong to it again.
    """
    suffixes = ["", *(kind.value for kind in SidecarKind)]
    moved = [suffix for suffix in suffixes if os.path.lexists(_in(quarantine, target + suffix))]
    for suffix in moved:
        there, here = _in(quarantine, target + suffix), target + suffix
        if os.path.lexists(here) and os.path.samefile(there, here):
            os.unlink(there)  # linked there by a run that was killed before it went on
        else:
            os.rename(there, here)
    sync_folder(os.path.dirname(target))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_note_path(target, quarantine))
    for emptied in (quarantine, os.path.dirname(quarantine)):
        with contextlib.suppress(OSError):  # other sessions and runs may have files there
            os.rmdir(emptied)
    return len(moved)


def _note_path(target: str, quarantine: str) -> str:
    return os.path.join(quarantine, f".{os.path.basename(target)}.replaced-by")


def _note(target: str, quarantine: str, *, new: str | None) -> None:
    """Note by what both files are known again: a run that is killed in between cannot say it any more."""
    with open(_note_path(target, quarantine), "w", encoding="ascii") as note:
        note.write(f"{identity_of(target) or ''}\n{(new and identity_of(new)) or ''}")
        note.flush()
        os.fsync(note.fileno())


@contextlib.contextmanager
def _given_up_on_failure(family: SessionFamily, quarantine: str, new: str | None) -> Iterator[None]:
    """Move back what had moved when a step fails; where that fails too, the note tells undo."""
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            _move_back(family, quarantine, new)
        raise


def _move_back(family: SessionFamily, quarantine: str, new: str | None) -> None:
    if family.main is None and os.path.lexists(family.target):
        if new is None or not os.path.samefile(new, family.target):
            return  # somebody's new session: the old sidecars would be played into it
        os.unlink(family.target)
    return_from_quarantine(family.target, quarantine)


def _move_away(family: SessionFamily, quarantine: str) -> None:
    if family.main is not None:
        os.link(family.target, _in(quarantine, family.target))
    _move_sidecars(family, quarantine)
    _sync(family, quarantine)


def _take_place(family: SessionFamily, new: str) -> None:
    if family.main is not None:
        os.rename(new, family.target)
    else:
        os.link(new, family.target)  # fails where a session has come to be
    sync_folder(os.path.dirname(family.target))


def _swap_back(family: SessionFamily, quarantine: str) -> None:
    if family.main is None:
        os.unlink(family.target)
    return_from_quarantine(family.target, quarantine)


def _move_sidecars(family: SessionFamily, quarantine: str) -> None:
    for sidecar in family.sidecars:
        os.rename(sidecar.path, _in(quarantine, sidecar.path))


def _in(folder: str, path: str) -> str:
    return os.path.join(folder, os.path.basename(path))


def _sync(family: SessionFamily, quarantine: str) -> None:
    for folder in (quarantine, os.path.dirname(quarantine), os.path.dirname(family.target)):
        sync_folder(folder)


def _make_folders(quarantine: str, parent: str) -> None:
    """Make them, on disk at return: what moves to a folder that the disk does not know is lost with it."""
    above = os.path.dirname(quarantine)
    for folder, its_parent in ((above, parent), (quarantine, above)):
        make_like(folder, parent)
        sync_folder(its_parent)


def _make_private(new: str, family: SessionFamily) -> None:
    owner = os.stat(family.target if family.main is not None else os.path.dirname(family.target))
    os.chmod(new, 0o600)
    if os.geteuid() == 0:
        os.chown(new, owner.st_uid, owner.st_gid)
    sync_file(new)  # its owner, and the time by which undo knows it again; SQLite syncs neither


@contextlib.contextmanager
def _write_leases(family: SessionFamily) -> Iterator[list[int]]:
    """Descriptors of the family's files, each with a write lease; giving them back lets waiting openers go on."""
    paths = [family.target] if family.main is not None else []
    descriptors: list[int] = []
    try:
        for path in (*paths, *(sidecar.path for sidecar in family.sidecars)):
            descriptors.append(open_without_access_time(path))
            try:
                take_write_lease(descriptors[-1])
            except OSError as error:
                raise SessionFileBusy("somebody has it open", path=path) from error
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    # fcntl(2): while a lease is being broken, F_GETLEASE tells the type that it is to become
    return fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_WRLCK
