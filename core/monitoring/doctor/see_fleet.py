"""What is in the fleet: schemas, logins, modes, copies. Reads pages of free sessions only, through the prober."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from core.monitoring.doctor.judge_fleet import FolderModes, Kept, Logins, PutAway, Schemas, StateModes
from core.monitoring.doctor.model import Scene
from core.monitoring.doctor.see_users import user_of_file
from core.monitoring.kept import count_copies
from core.session_files.looking.listing import OWN_FOLDERS
from core.session_files.model import ContentsKind
from utils.clock import from_epoch

_HAS_A_SCHEMA = (ContentsKind.TELETHON, ContentsKind.NEWER)
_OTHERS_PASS = 0o001


def see_schemas(scene: Scene) -> Schemas:
    """The schema of every whole session that could be read."""
    paths: dict[int, tuple[str, ...]] = {}
    unread = 0
    for one in scene.sessions():
        if one.contents is None or one.contents.kind not in _HAS_A_SCHEMA or one.contents.schema_version is None:
            unread += 1
        else:
            version = one.contents.schema_version
            paths[version] = (*paths.get(version, ()), one.family.path)
    return Schemas(paths, unread)


def see_logins(scene: Scene) -> Logins:
    """The login of every session that could be read, by the mark that `looking` gives it.

    The mark is a keyed hash (BLAKE2b) of the key under a secret of this process. Comparing within one run
    needs no secret that is kept, so the fleet's `install.key` is neither read nor made here.
    """
    paths: dict[bytes, tuple[str, ...]] = {}
    unread = 0
    for one in scene.sessions():
        mark = one.contents.login_mark if one.contents is not None and one.contents.logged_in else None
        if mark is None:
            unread += 1
        else:
            paths[mark] = (*paths.get(mark, ()), one.family.path)
    return Logins(paths, unread)


def see_folder_modes(scene: Scene) -> tuple[FolderModes, ...]:
    """Modes of the sessions and of their folders."""
    return tuple(
        FolderModes(
            one.folder.path,
            one.folder.mode,
            one.folder.dedicated,
            lets_everyone_pass(one.folder.path),
            tuple((file.family.name, file.family.main.mode) for file in one.files if file.family.main is not None),
        )
        for one in scene.folders
    )


def see_state_modes(scene: Scene) -> StateModes | None:
    """Mode of the state folder; None where there is none."""
    path = os.path.realpath(scene.state.path)
    try:
        mode = os.stat(path).st_mode & 0o7777
    except OSError:
        return None
    return StateModes(path, mode, lets_everyone_pass(os.path.dirname(path)))


def lets_everyone_pass(folder: str) -> bool:
    """Whether every user can come to what lies in a folder: it and all above have the x bit for others."""
    path = os.path.realpath(folder)
    while True:
        try:
            if not os.stat(path).st_mode & _OTHERS_PASS:
                return False
        except OSError:
            return False
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)


def see_kept(scene: Scene) -> Kept:
    """Byte copies, backups, and what runs moved to sub-folders of the sessions' folders."""
    copies, backups = count_copies(scene.state.copies), count_copies(scene.state.backups)
    unreadable = [
        (path, user_of_file(path))
        for path, view in ((scene.state.copies, copies), (scene.state.backups, backups))
        if not view.readable
    ]
    put_away = []
    for path in (os.path.join(folder, name) for folder in scene.paths for name in OWN_FOLDERS):
        try:
            found = _put_away(path)
        except OSError:
            unreadable.append((path, user_of_file(path)))
        else:
            put_away += [found] if found is not None else []
    return Kept(copies, backups, tuple(put_away), tuple(unreadable), scene.now)


def _put_away(path: str) -> PutAway | None:
    sizes: list[int] = []
    moments: list[float] = []
    for run in _entries(path):
        if run.is_dir(follow_symlinks=False):
            sizes += [file.stat(follow_symlinks=False).st_size for file in _entries(run.path)]
            # A run makes the folder and puts all into it at once, so the folder's own time is that of the move.
            moments.append(run.stat(follow_symlinks=False).st_mtime)
    return PutAway(path, len(sizes), sum(sizes), from_epoch(min(moments))) if sizes else None


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(path) as found:
        yield from found
