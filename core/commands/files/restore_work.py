"""The chore of `files restore`: one session, or the place where one was, gives way to a backup."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from core.commands.files.reporting import Words
from core.commands.files.work import FilesWork
from core.commands.output import Output
from core.commands.wiring import Target, Wiring
from core.errors import ConfigError
from core.session_files.backups.catalog import Backup
from core.session_files.backups.encryption import read_cipher
from core.session_files.backups.restore import plan_restore, restore_family
from core.session_files.looking.inspect import FolderInspection, inspect_again, inspect_folder
from core.session_files.model import FileInspection, FolderPlan, FolderStat, PlanEntry

if TYPE_CHECKING:
    from core.session_files.mending.act import Act


class RestoreWork(FilesWork):
    """One call of the command."""

    command = "files restore"

    def __init__(self, arguments: argparse.Namespace, output: Output, wiring: Wiring, backup: Backup) -> None:
        self._backup = backup
        self._cipher = read_cipher(wiring.backup.key, wiring.backup.key_file)
        super().__init__(arguments, output, wiring)

    @property
    def _words(self) -> Words:
        return Words("restore", "Restored", "Nothing to restore.", "Not restored.")

    def _find_targets(self) -> tuple[list[Target], list[ConfigError]]:
        folder = os.path.dirname(self._backup.manifest.session)
        if os.path.isdir(folder):
            return [Target(folder)], []
        return [], [ConfigError("the folder of the session is not there any more", path=folder, hint="make it first")]

    def _inspect(self, target: Target) -> FolderInspection:
        folder = inspect_folder(target.folder, only=())
        path = self._backup.manifest.session
        return folder._replace(files=(inspect_again(path, file_system=folder.folder.file_system),))

    def _plan_folder(self, seen: FolderInspection) -> FolderPlan:
        return FolderPlan(seen.folder, tuple(self._plan_file(one, seen.folder) for one in seen.files))

    def _plan_file(self, seen: FileInspection, _folder: FolderStat) -> PlanEntry:
        return plan_restore(seen, self._backup)

    def _act(self) -> Act:
        return lambda entry, run_id: restore_family(entry, run_id, self._backup, self._cipher)
