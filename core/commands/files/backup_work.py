"""The work of `files backup`: look at each folder, back each session up, tell what became of it."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from core.commands import exit_codes
from core.commands.output import Output
from core.commands.wiring import UNTOUCHED, Wiring, interruption, session_targets
from core.errors import ConfigError, GavatError, SessionFileBusy, StateError
from core.session_files.backups.catalog import Backup
from core.session_files.backups.encryption import read_cipher
from core.session_files.backups.store import BackupStore, Unchanged
from core.session_files.looking.inspect import Depth, inspect_folder
from core.session_files.model import EntryKind, FileInspection
from utils.clock import utc_now, utc_text
from utils.redact import printable
from utils.units import size_text

_BATCH = 100
"""Sessions between two waits for the disk; a kill loses at most so many backups."""
BACKED_UP, WOULD, UNCHANGED, LATER, FAILED = "backed up", "back up", "unchanged", "left alone", "failed"
_ORDER = (FAILED, LATER, WOULD, BACKED_UP, UNCHANGED)


class BackupResult(NamedTuple):
    """What became of one session."""

    seen: FileInspection
    state: str
    detail: str
    hint: str | None = None
    backup: Backup | None = None


class BackupWork:
    """One call of the command."""

    def __init__(self, arguments: argparse.Namespace, output: Output, wiring: Wiring) -> None:
        self._arguments = arguments
        self._output = output
        self._wiring = wiring
        self._began = time.monotonic()
        cipher = read_cipher(wiring.backup.key, wiring.backup.key_file)
        self._store = BackupStore(wiring.state.backups, policy=wiring.backup.rotation, cipher=cipher)
        targets, problems = session_targets(wiring, arguments.folders, recursive=arguments.recursive)
        self._targets = targets
        self._problems: list[GavatError] = [*problems]

    def run(self) -> int:
        """Back up, or with `-n` say what would be; returns the exit code."""
        if self._arguments.dry_run or not self._targets:
            return self._tell([self._would(seen) for seen in self._sessions()], None)
        from core.state import RunHistory, new_run_id, run_lock

        state = self._wiring.state
        state.make()
        with run_lock(state), RunHistory.open(state) as history, interruption() as interrupted:
            run_id = new_run_id(utc_now())
            folders = " ".join(printable(target.folder) for target in self._targets)
            history.begin(run_id, "files backup", utc_now(), folders=folders)
            results = list(self._back_up_all(interrupted))
            code = exit_codes.INTERRUPTED if interrupted else self._exit_code(results)
            history.end(run_id, "interrupted" if interrupted else f"exit {code}", utc_now())
        self._tell(results, run_id)
        if interrupted:
            raise KeyboardInterrupt(UNTOUCHED)
        return code

    def _sessions(self) -> Iterator[FileInspection]:
        for target in self._targets:
            try:
                seen = inspect_folder(target.folder, depth=Depth.OUTSIDE, only=target.only)
            except OSError as error:
                self._problems.append(ConfigError(f"cannot be read ({error.strerror})", path=target.folder))
                continue
            sessions = [one for one in seen.files if one.family.kind is EntryKind.SESSION]
            for number, one in enumerate(sessions, 1):
                self._output.progress(f"{printable(target.folder)}: back up {number:,} of {len(sessions):,}")
                yield one

    def _back_up_all(self, interrupted: list[int]) -> Iterator[BackupResult]:
        """Each result only when its backup is on disk."""
        waiting: list[BackupResult] = []
        for seen in self._sessions():
            if interrupted:
                break
            waiting.append(self._back_up(seen))
            if len(waiting) >= _BATCH:
                yield from self._settled(waiting)
                waiting = []
        yield from self._settled(waiting)

    def _settled(self, waiting: list[BackupResult]) -> list[BackupResult]:
        try:
            self._store.settle()
        except GavatError as error:
            return [
                one._replace(state=FAILED, detail=str(error), hint=error.hint) if one.state == BACKED_UP else one
                for one in waiting
            ]
        return waiting

    def _back_up(self, seen: FileInspection) -> BackupResult:
        try:
            taken = self._store.take(seen, now=utc_now())
        except GavatError as error:
            return _refused(seen, error)
        if isinstance(taken, Unchanged):
            return _unchanged(seen, taken.newest)
        manifest = taken.manifest
        login = "logged in" if manifest.logged_in else "not logged in"
        sealed = ", encrypted" if manifest.encryption else ""
        return BackupResult(seen, BACKED_UP, f"{size_text(manifest.bytes)}, {login}{sealed}", backup=taken)

    def _would(self, seen: FileInspection) -> BackupResult:
        try:
            current = self._store.current(seen)
        except GavatError as error:
            return _refused(seen, error)
        return _unchanged(seen, current) if current is not None else BackupResult(seen, WOULD, "")

    def _exit_code(self, results: list[BackupResult]) -> int:
        if any(isinstance(problem, StateError) for problem in self._problems):
            return exit_codes.FAILED
        if self._problems:
            return exit_codes.USAGE
        failed = any(one.state in (FAILED, LATER) for one in results)
        return exit_codes.NEEDS_ATTENTION if failed else exit_codes.DONE

    def _tell(self, results: list[BackupResult], run_id: str | None) -> int:
        code = self._exit_code(results)
        if self._output.json:
            self._output.document(self._document(results, run_id, code))
            return code
        if results and not (self._arguments.quiet and code == exit_codes.DONE):
            self._output.lines(self._text(results, run_id))
        for problem in self._problems:
            self._output.error(problem)
        return code

    def _text(self, results: list[BackupResult], run_id: str | None) -> list[str]:
        from core.commands.sessions_text import plural
        from core.commands.table import Row, table

        counts = Counter(one.state for one in results)
        counted = ", ".join(f"{counts[state]:,} {state}" for state in reversed(_ORDER) if counts[state])
        lines = [f"{plural(len(results), 'session')}: {counted}"]
        shown = [one for one in results if self._arguments.verbose or one.state in (FAILED, LATER)]
        rows = [
            Row(one.state, printable(one.seen.family.name), (("", printable(one.detail)),), one.hint or "")
            for one in sorted(shown, key=lambda one: _ORDER.index(one.state))
        ]
        lines += ["", *table(rows, self._output)] if rows else []
        if run_id is None:
            return [*lines, "", "Nothing was written; run without -n to do it."]
        stored = sum(one.backup.manifest.bytes for one in results if one.backup and one.state == BACKED_UP)
        where = printable(self._wiring.state.backups)
        took = f"{time.monotonic() - self._began:.2f} s"
        done = f"Backed up {counts[BACKED_UP]:,} in {took}: {size_text(stored)} in {where}."
        return [*lines, "", f"{done} Each is a login: never run one beside the original."]

    def _document(self, results: list[BackupResult], run_id: str | None, code: int) -> dict[str, Any]:
        from core.commands.documents import problem_texts

        return {
            "schema": {"name": "gavat.backup", "version": 1},
            "run_id": run_id,
            "sessions": [
                {
                    "path": one.seen.family.path,
                    "state": one.state,
                    "detail": one.detail,
                    "hint": one.hint,
                    "backup": one.backup.path if one.backup else None,
                    "taken_at": utc_text(one.backup.manifest.taken_at) if one.backup else None,
                }
                for one in results
            ],
            "problems": problem_texts(self._problems),
            "exit_code": code,
        }


def _refused(seen: FileInspection, error: GavatError) -> BackupResult:
    busy = isinstance(error, SessionFileBusy) or error.retryable
    return BackupResult(seen, LATER if busy else FAILED, str(error), error.hint)


def _unchanged(seen: FileInspection, newest: Backup) -> BackupResult:
    return BackupResult(seen, UNCHANGED, f"not written since {utc_text(newest.manifest.taken_at)}", backup=newest)
