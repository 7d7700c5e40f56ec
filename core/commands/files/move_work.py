"""The chore of `files move`: all sessions or none, markers first, then the pack of what gave way."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.files.reporting import Words
from core.commands.files.upkeep_work import UpkeepWork
from core.commands.output import Output
from core.commands.pastable import as_user
from core.commands.sessions_text import user_name
from core.commands.wiring import Wiring
from core.errors import ConfigError, CopyFailed, GavatError, SessionFileError
from core.session_files.looking.listing import SUFFIX
from core.session_files.model import Contents, FileInspection, FolderPlan, FolderStat, Outcome, PlanEntry, Verdict
from core.session_files.moving.leave import leave_marker, plan_move
from core.session_files.moving.pack import Packed, PackUnusable, may_be_packed, read_pack, unpack, write_pack
from core.session_files.verdicts import FolderReport
from core.state import StateFolder
from utils.clock import utc_now
from utils.redact import printable
from utils.units import size_text

if TYPE_CHECKING:
    from core.session_files.mending.apply import Act


class MoveWork(UpkeepWork):
    """Handing over."""

    command = "files move"

    def __init__(self, arguments: argparse.Namespace, output: Output, wiring: Wiring) -> None:
        super().__init__(arguments, output, wiring)
        _refuse_place(arguments.to)

    @property
    def _words(self) -> Words:
        return Words("move", "Moved", "Nothing to move among {sessions}.", "Nothing was moved.")

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        return plan_move(super()._plan_file(seen, folder))

    def _plans(self) -> list[FolderPlan]:
        plans = super()._plans()
        entries = [entry for plan in plans for entry in plan.entries if entry.verdict is not Verdict.SKIPPED]
        names = [os.path.basename(entry.seen.family.target) for entry in entries]
        stuck = [entry for entry in entries if not entry.actions]
        if stuck:
            what = f"{len(stuck)} of {len(entries)} sessions cannot be moved now, so none is"
            self._problems.append(SessionFileError(what, hint="stop their bots, mend them, or name the others"))
        elif not all(map(may_be_packed, names)):
            self._problems.append(ConfigError("a session whose name begins with a dot cannot be packed"))
        elif len(set(names)) < len(names):
            self._problems.append(ConfigError("two sessions have one name", hint="move their folders one by one"))
        else:
            return plans
        return [plan._replace(entries=tuple(entry._replace(actions=()) for entry in plan.entries)) for plan in plans]

    def _act(self) -> Act:
        return leave_marker

    def _exit_code(self, reports: Sequence[FolderReport]) -> int:
        if any(isinstance(problem, CopyFailed | PackUnusable) for problem in self._problems):
            return exit_codes.FAILED
        left = any(one.outcome is not Outcome.DONE for report in reports for one in report.results.values())
        return exit_codes.NEEDS_ATTENTION if left else super()._exit_code(reports)

    def _finish(self, reports: Sequence[FolderReport], run_id: str) -> list[str]:
        """Pack what gave way; where that fails, undo of the run puts it back."""
        results = [result for report in reports for result in report.results.values()]
        gone = [
            os.path.join(one.set_aside, os.path.basename(one.entry.seen.family.target))
            for one in results
            if one.outcome is Outcome.DONE and one.set_aside is not None
        ]
        if not gone:
            return []
        try:
            packed = write_pack(gone, self._arguments.to)
        except GavatError as error:
            error.hint = f"{error.hint or 'the sessions gave way already'}; undo {run_id} puts them back"
            self._problems.append(error)
            return []
        size = size_text(sum(one.bytes for one in packed))
        return [f"{printable(self._arguments.to)}: {len(packed):,} packed, {size}, read back whole. Each is a login."]


def _refuse_place(pack: str) -> None:
    """Refuse a name for the pack before any session gives way to a marker; raises ConfigError."""
    if os.path.lexists(pack):
        raise ConfigError("is there already", path=pack, hint="name a new file for the pack")
    folder = os.path.dirname(os.path.abspath(pack))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError("no file can be made in that folder", path=folder, hint="name a folder that you may write")
    if SUFFIX in os.path.basename(pack):
        raise ConfigError("a pack is no session: its name is taken for one", path=pack, hint="name it fleet.pack")


def _unpack_noted(pack: str, folder: str, state: StateFolder) -> tuple[tuple[Packed, Contents], ...]:
    """Unpack as a run of its own: no other works meanwhile, and the history says when it was."""
    from core.state import RunHistory, new_run_id, run_lock

    state.make()
    with run_lock(state), RunHistory.open(state) as history:
        run_id = new_run_id(utc_now())
        history.begin(run_id, "files move", utc_now(), folders=printable(folder))
        unpacked = unpack(pack, folder)
        history.end(run_id, "exit 0", utc_now())
    return unpacked


def unpack_to(pack: str, arguments: argparse.Namespace, output: Output, state: StateFolder) -> int:
    """Check a pack and put its sessions into the folder `--to`."""
    folder = arguments.to
    if not os.path.isdir(folder):
        raise ConfigError("there is no such folder", path=folder, hint="make it (mode 0700) and run again")
    owner = os.stat(folder).st_uid
    if os.geteuid() == 0 and owner != 0:
        hint = f"run as that user: {as_user(user_name(owner))}"
        raise ConfigError("belongs to another user: nothing was unpacked", path=folder, hint=hint)
    if arguments.dry_run:
        sessions = [{"name": one.name, "bytes": one.bytes, "logged_in": None} for one in read_pack(pack)]
    else:
        sessions = [
            {"name": one.name, "bytes": one.bytes, "logged_in": bool(contents.logged_in)}
            for one, contents in _unpack_noted(pack, folder, state)
        ]
    if output.json:
        schema = {"name": "gavat.unpack", "version": 1}
        written = not arguments.dry_run
        output.document({"schema": schema, "pack": pack, "folder": folder, "written": written, "sessions": sessions})
    elif not arguments.quiet:
        done = "Would unpack" if arguments.dry_run else "Unpacked"
        lines = [f"{done} {len(sessions):,} of {printable(pack)} into {printable(folder)}, each as it was packed."]
        output.lines([*lines, "Remove the pack when the bots run: every session in it is a login."])
    return exit_codes.DONE
