"""Unpacking: every session of a pack comes into a folder, or none does.

Each is made and checked beside its place, and the history knows it by its inode before it bears its name, so that undo
takes back what a killed run named, and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import tarfile
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

from core.errors import CopyFailed
from core.session_files.looking.listing import find_family
from core.session_files.mending.copies import is_taken, sync_folder
from core.session_files.mending.identity import identity_of
from core.session_files.mending.recovery import errors_named, verify
from core.session_files.mending.replace import beside
from core.session_files.model import Contents, ContentsKind
from core.session_files.moving.pack import CHUNK, Packed, PackUnusable, opened, read_pack
from core.state import Change, ChangeStatus, RunHistory
from utils.sqlite_uri import sqlite_uri

UNPACK = "unpack"
"""How the history names a session that came out of a pack."""
_WHOLE = (ContentsKind.TELETHON, ContentsKind.NEWER)


class Unpacked(NamedTuple):
    """One session that came out of a pack."""

    packed: Packed
    contents: Contents


def unpack(path: str, folder: str, history: RunHistory, run_id: str) -> tuple[Unpacked, ...]:
    """Put every session of a pack into the folder (0600), each opened and checked before any bears its name.

    Raises PackUnusable when one is not whole, CopyFailed when a name is taken, by a sidecar too, or the disk takes no
    more, StateError when the history does not; nothing that is there is overwritten.
    """
    packed = read_pack(path)
    places = [os.path.join(os.path.abspath(folder), one.name) for one in packed]
    _refuse_taken(places)
    changes = [_begun(place, run_id, number) for number, place in enumerate(places, 1)]
    history.record(changes)
    try:
        with tarfile.open(path, mode="r:") as tar:
            checked = [_made(tar, one, place, path) for one, place in zip(packed, places, strict=True)]
        changes = [change._replace(after=identity_of(half_made(change.path))) for change in changes]
        history.record(changes)
        for place in places:
            os.link(half_made(place), place)  # fails where a session has come to be since
        for place in places:
            os.unlink(half_made(place))
        sync_folder(folder)
    except (OSError, tarfile.TarError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        hint = f"undo {run_id} takes back what has its name already"
        raise CopyFailed(f"the pack cannot be unpacked ({reason})", path=folder, hint=hint) from error
    finally:
        for place in places:
            with suppress(OSError):
                os.unlink(half_made(place))
        history.record([_ended(change) for change in changes])
    return tuple(map(Unpacked, packed, checked))


def half_made(place: str) -> str:
    """Where the session that is to come to `place` is made; what lies there belongs to a run that was killed."""
    return beside(find_family(place))


def _refuse_taken(places: Sequence[str]) -> None:
    taken = next(filter(is_taken, places), None)
    if taken is not None:
        folder, name = os.path.split(taken)
        raise CopyFailed(f"there is a {name} already", path=folder, hint="nothing was unpacked: name another one")


def _begun(place: str, run_id: str, number: int) -> Change:
    return Change(
        run_id=run_id,
        number=number,
        path=place,
        codes="",
        actions=UNPACK,
        copy=None,
        mode_before=None,
        set_aside=None,
        status=ChangeStatus.STARTED,
        detail="",
    )


def _ended(change: Change) -> Change:
    if change.after is not None and identity_of(change.path) == change.after:
        return change._replace(status=ChangeStatus.DONE)
    return change._replace(status=ChangeStatus.FAILED, after=None)


def _made(tar: tarfile.TarFile, one: Packed, place: str, pack: str) -> Contents:
    new = half_made(place)
    with suppress(FileNotFoundError):
        os.unlink(new)  # of a run that was killed; never written to, for it may bear a session's name too
    _extract(opened(tar, one, pack), new)
    uri = sqlite_uri(new, mode="ro")
    with errors_named(new), closing(sqlite3.connect(uri, uri=True, timeout=0.0)) as database:
        contents = verify(database, new)
    if contents.kind not in _WHOLE:
        raise PackUnusable(f"{one.name} in it is no whole session: {contents.reason}", path=pack)
    return contents


def _extract(source: Any, new: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(new, flags, 0o600), "wb") as file:
        while chunk := source.read(CHUNK):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
