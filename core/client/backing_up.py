"""The daily backup of a running bot's session, beside its work: through SQLite's backup API, in a worker thread."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime, timedelta

from core.errors import GavatError, RunLockHeld
from core.session_files.backups.catalog import newest_on
from core.session_files.backups.encryption import read_cipher
from core.session_files.backups.settings import BackupSettings
from core.session_files.backups.store import BackupStore
from core.session_files.mending.copies import shelf_name
from core.session_files.model import FileInspection
from core.state import RunHistory, StateFolder, new_run_id, run_lock
from utils.clock import Clock
from utils.redact import printable

logger = logging.getLogger("gavatcore.client")
DAILY_BACKUP = "daily backup"
"""What the history calls a run of this."""
_TRIES = 60
_PAUSE_SECONDS = 10.0


async def back_up_daily(
    seen: FileInspection, state: StateFolder, settings: BackupSettings, *, every: timedelta, clock: Clock
) -> None:
    """Back the session up when its newest backup is older than `every`, when no other run is at work.

    `seen` is the file as it was before the bot opened it. A failure is logged and told by the report and the doctor;
    the bot goes on.
    """
    for _try in range(_TRIES):
        try:
            if not await asyncio.to_thread(_is_due, seen, state, clock() - every):
                return
            await asyncio.to_thread(_back_up, seen, state, settings, clock())
            return
        except RunLockHeld:
            await asyncio.sleep(_PAUSE_SECONDS * (0.5 + random.random()))  # spreads a fleet
        except GavatError as error:
            logger.warning("%s: no backup: %s; %s", printable(seen.family.path), error, error.hint or "")
            return


def _is_due(seen: FileInspection, state: StateFolder, since: datetime) -> bool:
    newest = newest_on(f"{state.backups}/{shelf_name(seen.family)}")
    return newest is None or newest.manifest.taken_at < since


def _back_up(seen: FileInspection, state: StateFolder, settings: BackupSettings, now: datetime) -> None:
    cipher = read_cipher(settings.key, settings.key_file)
    store = BackupStore(state.backups, policy=settings.rotation, cipher=cipher)
    state.make()
    with run_lock(state), RunHistory.open(state) as history:
        run_id = new_run_id(now)
        history.begin(run_id, DAILY_BACKUP, now, folders=printable(seen.family.path))
        store.take(seen, now=now)
        store.settle()
        history.end(run_id, "done", now)
