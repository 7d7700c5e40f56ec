"""Changing one session whose lease is held: the same plan, copy, act and history as `cleanup_sessions.py files`."""

from __future__ import annotations

import os
import random
import time

from core.client.session import PatientSession
from core.errors import RunLockHeld, SessionFileError
from core.session_files.database.schema import NEWEST_SCHEMA
from core.session_files.looking.filesystem import file_system_of
from core.session_files.mending.act import Act, Acted, mend_family
from core.session_files.mending.apply import Applier
from core.session_files.mending.identity import identity_of
from core.session_files.mending.replace import quarantine_folder, replace_leased
from core.session_files.model import EntryResult, FolderPlan, FolderStat, Outcome, PlanEntry, RepairAction
from core.state import RunHistory, StateFolder, new_run_id, run_lock
from utils.clock import utc_now
from utils.leases import OsLock
from utils.redact import printable

STARTED = "start of a client"
"""What the history calls a run that a start made."""
_PATIENCE = 30.0
"""Seconds that a start waits for another run at work; mending one session takes about 10 ms."""
_PAUSE = 0.02


def mend(entry: PlanEntry, state: StateFolder) -> str:
    """Do what the plan of a session says, copied first; says what was done.

    An older schema is upgraded here too, so that a copy comes first: Telethon would do it on opening. Raises
    SessionFileError with what went wrong, CopyFailed, StateError, RunLockHeld.
    """
    act = mend_family
    if is_older(entry):
        entry, act = entry._replace(actions=(*entry.actions, RepairAction.REPAIR_SCHEMA)), _upgrade
    run_id, result = _apply(entry, state, STARTED, act)
    return f"{', '.join(action.value for action in result.entry.actions)}; run {run_id}"


def replace_by_login(entry: PlanEntry, state: StateFolder, new: str) -> tuple[str, str | None]:
    """Put `new`, made beside and just logged in, in the place of the entry's session, which is copied first.

    Returns the run, which undo takes back, and the folder in quarantine that the old family moved to. Raises as `mend`
    does; then the session is as it was, and `new` is where it was.
    """

    def act(entry: PlanEntry, run_id: str) -> Acted:
        quarantine = quarantine_folder(entry.seen.family, run_id)
        return Acted(set_aside=quarantine, left=replace_leased(entry.seen.family, new, quarantine))

    run_id, result = _apply(entry, state, "login", act)
    return run_id, result.set_aside


def _apply(entry: PlanEntry, state: StateFolder, command: str, act: Act) -> tuple[str, EntryResult]:
    """Carry one entry out in a run of its own; the session's lease is held here."""
    state.make()
    with _wait_for_run_lock(state), RunHistory.open(state) as history:
        now = utc_now()
        run_id = new_run_id(now)
        history.begin(run_id, command, now, folders=printable(entry.seen.family.path))
        (result,) = Applier(state, history, run_id, act=act).apply(_plan_of(entry))
        history.end(run_id, result.outcome.value, utc_now())
    if result.outcome is not Outcome.DONE:
        raise SessionFileError(result.detail, path=entry.seen.family.path, hint=result.hint)
    return run_id, result


def is_older(entry: PlanEntry) -> bool:
    """Whether Telethon would upgrade the schema on opening the session."""
    contents = entry.seen.contents
    return contents is not None and (contents.schema_version or NEWEST_SCHEMA) < NEWEST_SCHEMA


def _plan_of(entry: PlanEntry) -> FolderPlan:
    folder = os.path.dirname(entry.seen.family.target)
    found = os.stat(folder)
    seen = FolderStat(folder, found.st_mode & 0o7777, found.st_uid, found.st_gid, file_system_of(folder), False)
    return FolderPlan(seen, (entry,))


def _wait_for_run_lock(state: StateFolder) -> OsLock:
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return run_lock(state)
        except RunLockHeld:
            if time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE * (1 + random.random()))  # spreads a fleet, guards nothing


def _upgrade(entry: PlanEntry, run_id: str) -> Acted:
    """Recover, then let Telethon's own steps bring the schema up, all or nothing."""
    acted = mend_family(entry, run_id)
    PatientSession(entry.seen.family.target).close()
    return acted._replace(left=identity_of(entry.seen.family.target))
