"""The chore of `files salvage`: damaged sessions give way to fresh ones of what they still hold."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.files.reporting import Words
from core.commands.files.upkeep_work import UpkeepWork
from core.commands.output import Output
from core.commands.wiring import Wiring, session_targets
from core.errors import ConfigError, SessionFileBusy, SessionFileError
from core.session_files.looking.filesystem import file_system_of
from core.session_files.looking.inspect import inspect_again
from core.session_files.model import FileInspection, FolderStat, PlanEntry, Usage, Verdict
from core.session_files.rescue.salvage import (
    damaged_to_look_at,
    is_worth_it,
    plan_salvage,
    read_remains,
    rescued_text,
    salvage_family,
    write_rescued,
)
from utils.redact import printable

if TYPE_CHECKING:
    from core.session_files.mending.act import Act


class SalvageWork(UpkeepWork):
    """One call of the command."""

    command = "files salvage"

    @property
    def _words(self) -> Words:
        return Words("salvage", "Salvaged", "No damaged session among {sessions}.", "Nothing that could be salvaged.")

    def _plan_file(self, seen: FileInspection, folder: FolderStat) -> PlanEntry:
        entry = super()._plan_file(seen, folder)
        if entry.verdict is not Verdict.DAMAGED or not damaged_to_look_at(seen):
            return entry._replace(actions=(), needs_mending=entry.needs_mending and entry.verdict is Verdict.DAMAGED)
        try:
            return plan_salvage(entry, read_remains(seen.family))
        except SessionFileError as error:
            self._problems.append(error)
            return entry._replace(actions=())

    def _act(self) -> Act:
        return salvage_family


def salvage_to(arguments: argparse.Namespace, output: Output, wiring: Wiring) -> int:
    """Write what one session holds to `--out`; the session itself, damaged or not, is only read."""
    targets, problems = session_targets(wiring, arguments.folders, recursive=False)
    named = [os.path.join(target.folder, name) for target in targets for name in target.only or ()]
    if len(named) != 1 or problems:
        raise ConfigError("--out takes one session FILE", hint="see --help")
    (path,) = named
    seen = inspect_again(path, file_system=file_system_of(os.path.dirname(path)))
    if seen.occupancy.usage is not Usage.FREE:
        raise SessionFileBusy(f"{seen.occupancy.usage.value}: {seen.occupancy.reason}", path=path)
    found = read_remains(seen.family)
    if not is_worth_it(found):
        raise SessionFileError(f"nothing could be rescued: {rescued_text(found)}", path=path)
    if not arguments.dry_run:
        write_rescued(found, arguments.out)
    if output.json:
        output.document(
            {
                "schema": {"name": "gavat.salvage", "version": 1},
                "path": path,
                "out": None if arguments.dry_run else arguments.out,
                "login": any(login.auth_key for login in found.logins),
                "entities": len(found.entities),
                "update_states": len(found.update_state),
                "sent_files": len(found.sent_files),
                "damaged_pages": list(found.damaged_pages),
            }
        )
    else:
        wrote = "Would write" if arguments.dry_run else "Wrote"
        output.lines(
            [
                f"{wrote} {printable(arguments.out)}: {rescued_text(found)}.",
                "It is the same login: never run it beside the damaged one.",
            ]
        )
    return exit_codes.DONE
