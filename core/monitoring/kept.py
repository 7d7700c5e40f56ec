"""What runs put away: byte copies in the state folder, and sidecars without a session in `set-aside/`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from core.session_files.looking.listing import SET_ASIDE_FOLDER
from core.session_files.mending.copies import VERIFIED, shelf_name
from core.session_files.model import SessionFamily, SidecarKind


class CopiesView(NamedTuple):
    """The byte copies that runs keep; each is a login."""

    copies: int
    sessions: int
    bytes: int
    readable: bool
    """False where this user may not look: then the numbers say less than there is."""


class SetAsideView(NamedTuple):
    """Sidecars that have no session."""

    files: int
    sessions: int
    folders: tuple[str, ...]
    """The `set-aside` folders they lie in."""
    readable: bool


class CopyView(NamedTuple):
    """One byte copy of one session."""

    path: str
    files: tuple[str, ...]
    """Base names of the family's members in it."""
    bytes: int
    verified: bool
    """Its recovery gave a whole session."""

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return os.path.basename(self.path).rstrip("+")  # the mark of a second try in the same run

    @property
    def at(self) -> datetime | None:
        """When that run began."""
        try:
            return datetime.strptime(self.run_id[:15] + "+0000", "%Y%m%d-%H%M%S%z")
        except ValueError:
            return None


def count_copies(root: str) -> CopiesView:
    """The copies of all sessions."""
    copies: list[CopyView] = []
    sessions = 0
    readable = True
    try:
        for shelf in _folders(root):
            found = _copies_in(shelf)
            sessions += bool(found)
            copies += found
    except OSError:
        readable = False
    return CopiesView(len(copies), sessions, sum(copy.bytes for copy in copies), readable)


def count_set_aside(folders: Sequence[str]) -> SetAsideView:
    """What lies in the `set-aside` folders of the given folders."""
    files: list[str] = []
    readable = True
    for folder in folders:
        try:
            for run in _folders(os.path.join(folder, SET_ASIDE_FOLDER)):
                files += [os.path.join(run, name) for name in os.listdir(run)]
        except OSError:
            readable = False
    asides = [os.path.dirname(os.path.dirname(file)) for file in files]
    sessions = {(aside, _session_of(file)) for aside, file in zip(asides, files, strict=True)}
    return SetAsideView(len(files), len(sessions), tuple(dict.fromkeys(asides)), readable)


def copies_of(family: SessionFamily, root: str) -> tuple[CopyView, ...] | None:
    """The copies of one session, newest first; None where this user may not look."""
    try:
        return tuple(sorted(_copies_in(os.path.join(root, shelf_name(family))), reverse=True))
    except OSError:
        return None


def _copies_in(shelf: str) -> list[CopyView]:
    copies = []
    for folder in _folders(shelf):
        if os.path.basename(folder).startswith("."):
            continue  # half made, by a run that is at work or was killed
        with suppress(FileNotFoundError):  # a run clears it away in this moment
            sizes = {one.name: one.stat(follow_symlinks=False).st_size for one in os.scandir(folder)}
            files = tuple(sorted(name for name in sizes if name != VERIFIED))
            copies.append(CopyView(folder, files, sum(sizes.values()), VERIFIED in sizes))
    return copies


def _folders(path: str) -> list[str]:
    """The folders in a folder, none where it is missing; raises OSError where it cannot be read."""
    try:
        with os.scandir(path) as found:
            return [one.path for one in found if one.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _session_of(file: str) -> str:
    name = os.path.basename(file)
    for kind in SidecarKind:
        name = name.removesuffix(kind.value)
    return name
