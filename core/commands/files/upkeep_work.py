"""The chores of upkeep: how `files prune` and `files repair-schema` plan and act."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands.files.reporting import Words
from core.commands.files.work import FilesWork
from core.commands.output import Output
from core.commands.wiring import Target, Wiring, session_targets
from core.errors import ConfigError, SessionFileError
from core.session_files.looking.inspect import Depth, FolderInspection, inspect_folder
from core.session_files.mending.act import Acted
from core.session_files.model import FileInspection, FolderPlan, FolderStat, PlanEntry, Verdict
from core.session_files.upkeep.plan import (
    PruneRule,
    is_half_made,
    leave_unpruned,
    may_be_pruned,
    plan_prune,
    plan_schema_repair,
)
from core.session_files.upkeep.prune import glance, prune_family, survey
from core.session_files.upkeep.repair_schema import repair_family, statements_for

if TYPE_CHECKING:
    from core.session_files.mending.act import Act


class UpkeepWork(FilesWork):
    """A chore on sessions that need no mending: looked into, and the folder left as it is."""

    @property
    def _quarantines(self) -> bool:
        return False

    def _find_targets(self) -> tuple[list[Target], list[ConfigError]]:
        return session_targets(self._wiring, self._arguments.folders, recursive=self._arguments.recursive)

    def _inspect(self, target: Target) -> FolderInspection:
        return inspect_folder(target.folder, depth=Depth.INSIDE, only=target.only, on_file=self._progress_of(target))

    def _plan_folder(self, seen: FolderInspection) -> FolderPlan:
        plan = super()._plan_folder(seen)
        entries = tuple(self._plan_file(one, seen.folder) for one in seen.files)
        return FolderPlan(plan.folder, entries, blind=plan.blind)


class PruneWork(UpkeepWork):
    """`files prune`."""

    command = "files prune"

    def __init__(self, arguments: argparse.Namespace, output: Output, wiring: Wiring, rule: PruneRule) -> None:
        super().__init__(arguments, output, wiring)
        self._rule = rule

    @property
    def _words(self) -> Words:
        return Words("prune", "Pruned", "Nothing to prune among {sessions}.", "Nothing that could be pruned.")

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        entry = super()._plan_file(seen, folder)
        if not may_be_pruned(entry):
            return leave_unpruned(entry)
        try:
            look = survey if self._arguments.dry_run else glance
            return plan_prune(entry, look(seen.family.target, self._rule))
        except SessionFileError:  # somebody began to use it since it was looked at, or a page is damaged
            return leave_unpruned(entry)

    def _act(self) -> Act:
        return lambda entry, _run_id: prune_family(entry, self._rule)


class RepairSchemaWork(UpkeepWork):
    """`files repair-schema`."""

    command = "files repair-schema"

    @property
    def _words(self) -> Words:
        return Words("repair", "Repaired", "No half-made session among {sessions}.", "Nothing that could be repaired.")

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        entry = super()._plan_file(seen, folder)
        if not is_half_made(entry):
            return entry._replace(actions=(), verdict=Verdict.SKIPPED if entry.actions else entry.verdict)
        try:
            return plan_schema_repair(entry, statements_for(seen.family.target))
        except SessionFileError:  # of another kind, or in use since: as the plan for mending says
            return entry

    def _act(self) -> Act:
        return _repair


def _repair(entry: PlanEntry, _run_id: str) -> Acted:
    return repair_family(entry)
