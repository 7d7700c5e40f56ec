"""Mending one session at its start: the same plan, copy, recovery and history as `cleanup_sessions.py files`."""

from __future__ import annotations

import os
import random
import time

from core.client.session import PatientSession
from core.errors import RunLockHeld, SessionFileError
from core.session_files.database.schema import NEWEST_SCHEMA
from core.session_files.looking.filesystem import file_system_of
from core.session_files.mending.act import Acted, mend_family
from core.session_files.mending.apply import Applier
from core.session_files.mending.identity import identity_of
from core.session_files.model import FolderPlan, FolderStat, Outcome, PlanEntry, RepairAction
from core.state import RunHistory, StateFolder, new_run_id, run_lock
from utils.clock import utc_now
from utils.leases import OsLock
from utils.redact import printable

_PATIENCE = 30.0
"""Seconds that a start waits for another run at work; mending one session takes about 10 ms."""
_PAUSE = 0.02


def mend(entry: PlanEntry, state: StateFolder) -> str:
    """Do what the plan of a session says, copied first; says what was done.

    An older schema is upgraded here too, so that a copy comes first: Telethon would do it on opening. Raises
    SessionFileError with what went wrong, CopyFailed, StateError, RunLockHeld.
    """
    state.make()
    with _wait_for_run_lock(state), RunHistory.open(state) as history:
        now = utc_now()
        run_id = new_run_id(now)
        history.begin(run_id, "start of a client", now, folders=printable(entry.seen.family.path))
        applier = Applier(state, history, run_id, act=_upgrade if is_older(entry) else mend_family)
        (result,) = applier.apply(_plan_of(entry))
        history.end(run_id, result.outcome.value, utc_now())
    if result.outcome is not Outcome.DONE:
        raise SessionFileError(result.detail, path=entry.seen.family.path, hint=result.hint)
    return f"{', '.join(action.value for action in result.entry.actions)}; run {run_id}"


def is_older(entry: PlanEntry) -> bool:
    """Whether Telethon would upgrade the schema on opening the session."""
    contents = entry.seen.contents
    return contents is not None and (contents.schema_version or NEWEST_SCHEMA) < NEWEST_SCHEMA


def _plan_of(entry: PlanEntry) -> FolderPlan:
    if is_older(entry):
        entry = entry._replace(actions=(*entry.actions, RepairAction.REPAIR_SCHEMA))
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
