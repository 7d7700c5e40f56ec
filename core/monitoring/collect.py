"""What is on disk, collected in one pass and without a trace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.errors import ConfigError, GavatError, StateError
from core.findings import FINDINGS, Finding
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import Depth, inspect_again, inspect_folder
from core.session_files.looking.listing import SUFFIX
from core.session_files.model import EntryKind, FolderPlan, PlanEntry, SidecarKind
from core.session_files.plan import plan_file, plan_folder
from core.state import Change, RunHistory, RunRecord, StateFolder

_RUNS_SHOWN = 5


class CopiesView(NamedTuple):
    """The byte copies that runs keep; each is a login. All 0 where the folder is not there or not ours to read."""

    copies: int
    sessions: int
    bytes: int


class FleetView(NamedTuple):
    """All folders, the copies and the last runs."""

    plans: tuple[FolderPlan, ...]
    problems: tuple[GavatError, ...]
    copies: CopiesView
    runs: tuple[RunRecord, ...]


class SessionView(NamedTuple):
    """One session, what its findings mean, and what runs did to it."""

    entry: PlanEntry
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]


def collect_fleet(folders: Sequence[str], state: StateFolder, *, depth: Depth, now: datetime) -> FleetView:
    """Look at every folder; a folder that cannot be read becomes a problem, the rest is still looked at."""
    plans: list[FolderPlan] = []
    problems: list[GavatError] = []
    for folder in folders:
        try:
            seen = inspect_folder(folder, depth=depth)
        except OSError as error:
            hint = "run as the user who owns it, or as root"
            problems.append(ConfigError(f"cannot be read ({error.strerror})", path=folder, hint=hint))
            continue
        plans.append(plan_folder(seen.folder, seen.files, now=now))
    runs: tuple[RunRecord, ...] = ()
    try:
        runs = _last_runs(state)
    except StateError as error:
        problems.append(error)
    return FleetView(tuple(plans), tuple(problems), _count_copies(state.copies), runs)


def collect_session(path: str, state: StateFolder, *, now: datetime) -> SessionView:
    """Look at one session from outside and, when it is free, from inside.

    `path` may leave `.session` out. Raises ConfigError when nothing of that name exists.
    """
    if os.path.isdir(path):
        raise ConfigError("is a folder", path=path, hint="monitor_system.py report looks at folders")
    for kind in SidecarKind:
        path = path.removesuffix(kind.value)
    path = path if path.endswith(SUFFIX) else path + SUFFIX
    seen = inspect_again(path, file_system=file_system_of(os.path.dirname(os.path.realpath(path))))
    if seen.family.kind is EntryKind.ORPHAN and not seen.family.sidecars:
        raise ConfigError("there is no such session", path=path, hint="name the file, with or without .session")
    folder_owner = os.stat(os.path.dirname(path) or ".").st_uid
    entry = plan_file(seen, now=now, folder_owner=folder_owner)
    history = RunHistory.read(state)
    changes: list[Change] = []
    if history is not None:
        with history:
            changes = history.changes_to(os.path.abspath(path))
    return SessionView(entry, tuple(FINDINGS[note.code] for note in entry.notes), tuple(changes))


def _last_runs(state: StateFolder) -> tuple[RunRecord, ...]:
    history = RunHistory.read(state)
    if history is None:
        return ()
    with history:
        return tuple(history.last_runs(_RUNS_SHOWN))


def _count_copies(root: str) -> CopiesView:
    copies = sessions = size = 0
    try:
        shelves = [entry.path for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    except OSError:  # no copy was ever made, or this user may not look: both show as none
        return CopiesView(0, 0, 0)
    for shelf in shelves:
        found = [entry.path for entry in os.scandir(shelf) if not entry.name.startswith(".")]
        sessions += bool(found)
        copies += len(found)
        size += sum(member.stat().st_size for copy in found for member in os.scandir(copy))
    return CopiesView(copies, sessions, size)
