"""What is on disk, collected in one pass and without a trace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.errors import ConfigError, GavatError, StateError
from core.findings import FINDINGS, Finding
from core.monitoring.kept import CopiesView, CopyView, SetAsideView, copies_of, count_copies, count_set_aside
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import Depth, inspect_again, inspect_folder
from core.session_files.looking.listing import SUFFIX
from core.session_files.model import (
    EntryKind,
    EntryResult,
    FileInspection,
    FolderPlan,
    Outcome,
    PlanEntry,
    SidecarKind,
    Verdict,
)
from core.session_files.plan import plan_file, plan_folder
from core.state import Change, RunHistory, RunRecord, StateFolder, pid_at_work

_RUNS_SHOWN = 5


class FleetView(NamedTuple):
    """All folders, what runs put away, and the last runs."""

    plans: tuple[FolderPlan, ...]
    problems: tuple[GavatError, ...]
    copies: CopiesView
    """Made before each change."""
    backups: CopiesView
    """Taken by `files backup`."""
    set_aside: SetAsideView
    runs: tuple[RunRecord, ...] | None
    """Newest first; None where the history cannot be read, which is among the problems."""
    pid_at_work: int | None
    """The process of the run that is at work now."""


class SessionView(NamedTuple):
    """One session, what its findings mean, and what runs did to it."""

    entry: PlanEntry
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    copies: tuple[CopyView, ...] | None
    """Newest first; None where this user may not look."""
    result: EntryResult | None = None
    """What a run made of it, where nothing else is left to see: its sidecars lie in `set-aside`."""


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
    runs: tuple[RunRecord, ...] | None = None
    try:
        runs = _last_runs(state)
    except StateError as error:
        problems.append(error)
    return FleetView(
        tuple(plans),
        tuple(problems),
        count_copies(state.copies),
        count_copies(state.backups),
        count_set_aside([plan.folder.path for plan in plans]),
        runs,
        pid_at_work(state) if runs else None,
    )


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
    changes = _changes_to(path, state)
    if seen.family.kind is EntryKind.ORPHAN and not seen.family.sidecars:
        return _set_aside(seen, changes)
    folder_owner = os.stat(os.path.dirname(path) or ".").st_uid
    entry = plan_file(seen, now=now, folder_owner=folder_owner)
    findings = tuple(FINDINGS[note.code] for note in entry.notes)
    return SessionView(entry, findings, changes, copies_of(seen.family, state.copies))


def _set_aside(seen: FileInspection, changes: tuple[Change, ...]) -> SessionView:
    """Of a session that is not there: where a run put its sidecars; raises ConfigError when none did."""
    names = [os.path.basename(seen.family.target) + kind.value for kind in SidecarKind]
    folders = [one.set_aside for one in changes if one.set_aside]
    folder = next((one for one in folders if any(os.path.lexists(os.path.join(one, name)) for name in names)), None)
    if folder is None:
        hint = "name the file, or a session of the sessions folder; monitor_system.py report -v lists them"
        raise ConfigError("there is no such session", path=seen.family.path, hint=hint)
    entry = PlanEntry(seen, Verdict.SKIPPED)
    return SessionView(entry, (), changes, (), EntryResult(entry, Outcome.DONE, set_aside=folder))


def _changes_to(path: str, state: StateFolder) -> tuple[Change, ...]:
    history = RunHistory.read(state)
    if history is None:
        return ()
    with history:
        return tuple(history.changes_to(os.path.abspath(path)))


def _last_runs(state: StateFolder) -> tuple[RunRecord, ...]:
    history = RunHistory.read(state)
    if history is None:
        return ()
    with history:
        return tuple(history.last_runs(_RUNS_SHOWN))
