"""A plan in a file: made with `--plan-out`, carried out later with `--apply`, but only on what is as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.commands.files.work import FilesWork
from core.commands.wiring import Target
from core.errors import ConfigError
from core.session_files.looking.inspect import Depth, FolderInspection, inspect_folder
from core.session_files.model import (
    FileInspection,
    FileStat,
    FindingNote,
    FolderPlan,
    FolderStat,
    PlanEntry,
    RepairAction,
    SessionFamily,
    Verdict,
)
from utils.clock import utc_text
from utils.redact import printable

_SCHEMA = {"name": "gavat.plan", "version": 1}


class PlanFile(NamedTuple):
    """What a file says is to be done."""

    folders: tuple[str, ...]
    tightened: frozenset[str]
    """Folders that are to become private."""
    entries: Mapping[str, tuple[tuple[str, ...], str]]
    """Actions and identity of each session, by path."""


class PlanOutWork(FilesWork):
    """A dry run that also writes its plan to a file."""

    def _plans(self) -> list[FolderPlan]:
        plans = super()._plans()
        document = {
            "schema": _SCHEMA,
            "made_at": utc_text(self._now),
            "folders": [{"path": os.path.abspath(plan.folder.path), "set_0700": plan.tighten_folder} for plan in plans],
            "sessions": [_entry(entry) for plan in plans for entry in plan.entries if entry.actions],
        }
        _write(self._arguments.plan_out, document)
        return plans


class ApplyWork(FilesWork):
    """A run that does what a plan file says, and nothing to what has changed since."""

    def _find_targets(self) -> tuple[list[Target], list[ConfigError]]:
        self._file = read_plan(self._arguments.apply)
        missing = [folder for folder in self._file.folders if not os.path.isdir(folder)]
        problems = [ConfigError("there is no such folder any more", path=folder) for folder in missing]
        return [Target(folder) for folder in self._file.folders if folder not in missing], problems

    def _inspect(self, target: Target) -> FolderInspection:
        return inspect_folder(target.folder, depth=Depth.INSIDE, on_file=self._progress_of(target))

    @property
    def _quarantines(self) -> bool:
        return any(RepairAction.QUARANTINE.value in actions for actions, _identity in self._file.entries.values())

    def _plan_folder(self, seen: FolderInspection) -> FolderPlan:
        plan = super()._plan_folder(seen)
        entries = tuple(self._as_planned(entry) for entry in plan.entries)
        tighten = plan.tighten_folder and plan.folder.path in self._file.tightened
        return plan._replace(entries=entries, tighten_folder=tighten, notes=plan.notes if tighten else ())

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        return self._as_planned(super()._plan_file(seen, folder))

    def _as_planned(self, entry: PlanEntry) -> PlanEntry:
        planned = self._file.entries.get(os.path.abspath(entry.seen.family.path))
        if planned is None:
            return entry._replace(actions=())
        actions, identity = planned
        if _actions(entry) == actions and _identity(entry.seen.family) == identity:
            return entry
        note = FindingNote("GV142", "it changed since the plan was made")
        return PlanEntry(entry.seen, Verdict.UNKNOWN, (note, *entry.notes), needs_mending=True)


def read_plan(path: str) -> PlanFile:
    """Read a plan file; raises ConfigError when it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if document["schema"] != _SCHEMA:
            raise ConfigError(f"is no plan of this version ({document['schema']})", path=path)
        folders = [str(one["path"]) for one in document["folders"]]
        tightened = frozenset(str(one["path"]) for one in document["folders"] if one["set_0700"])
        entries = {
            str(one["path"]): (tuple(map(str, one["actions"])), str(one["identity"])) for one in document["sessions"]
        }
    except OSError as error:
        raise ConfigError(f"the plan cannot be read ({error.strerror})", path=path) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError("is no plan: write one with --plan-out", path=path) from error
    return PlanFile(tuple(folders), tightened, entries)


def _entry(entry: PlanEntry) -> dict[str, Any]:
    return {
        "path": os.path.abspath(entry.seen.family.path),
        "codes": [note.code for note in entry.notes],
        "actions": list(_actions(entry)),
        "identity": _identity(entry.seen.family),
    }


def _actions(entry: PlanEntry) -> tuple[str, ...]:
    return tuple(action.value for action in entry.actions)


def _identity(family: SessionFamily) -> str:
    """All members with what `lstat` says of them: a file that is replaced, written or added to makes it another."""
    members: Sequence[tuple[str, FileStat | None]] = [
        ("", family.main),
        *((one.kind.value, one.stat) for one in family.sidecars),
    ]
    return " ".join(f"{suffix}{':'.join(map(str, stat))}" for suffix, stat in members if stat is not None)


def _write(path: str, document: dict[str, Any]) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(document, file, indent=2)
            file.write("\n")
    except OSError as error:
        hint = "name a new file" if isinstance(error, FileExistsError) else None
        raise ConfigError(f"the plan cannot be written ({error.strerror})", path=printable(path), hint=hint) from error
