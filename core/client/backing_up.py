"""The daily backup of a running bot's session, beside its work: through SQLite's backup API, in a worker thread."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from datetime import datetime, timedelta

from core.errors import GavatError, RunLockHeld
from core.session_files.backups.catalog import newest_on
from core.session_files.backups.encryption import read_cipher
from core.session_files.backups.settings import BackupSettings
from core.session_files.backups.store import BackupStore
from core.session_files.mending.copies import shelf_name
from core.session_files.model import FileInspection
from core.state import RunHistory, StateFolder, new_run_id, run_lock
from core.state.runs import DAILY_BACKUP, DONE
from utils.clock import Clock
from utils.redact import printable

logger = logging.getLogger("gavatcore.client")
"""What the history calls a run of this."""
_LOOKS = 24
"""How often within the wanted age of a backup it is seen whether one is due …"""
_SHORTEST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
"""… within these bounds."""
_TRIES, _RUN_TAKES = 60, 10.0
"""Tries, and seconds between them, while another run is at work."""
_PATIENCE = 30.0
"""Seconds that a start waits for the backup of the client before it."""

_ended = threading.Condition()
_under_way: set[str] = set()
"""Session files of which this process is making a backup."""


async def back_up_daily(
    seen: FileInspection, state: StateFolder, settings: BackupSettings, *, every: timedelta, clock: Clock
) -> None:
    """Back the session up whenever its newest backup is older than `every`, until cancelled.

    `seen` is the file as it was before the bot opened it. A failure is logged and told by the report and the doctor;
    the bot goes on, and it is tried again; another run at work is waited for.
    """
    pause = min(max(every / _LOOKS, _SHORTEST_PAUSE), _LONGEST_PAUSE).total_seconds()
    while True:
        try:
            await _back_up_when_due(seen, state, settings, every=every, clock=clock)
        except (GavatError, OSError) as error:
            logger.warning("%s: no backup for now: %s", printable(seen.family.path), error)
        await asyncio.sleep(pause * (0.5 + random.random()))  # spreads a fleet


def wait_for_backup(target: str) -> None:
    """Wait until no backup of the session file is under way in this process: a stopped client's may outlive it.

    It has the file open through SQLite, so a start must not look at it raw meanwhile (DESIGN.md, never 2).
    """
    with _ended:
        _ended.wait_for(lambda: target not in _under_way, timeout=_PATIENCE)


async def _back_up_when_due(
    seen: FileInspection, state: StateFolder, settings: BackupSettings, *, every: timedelta, clock: Clock
) -> None:
    for _try in range(_TRIES):
        if not await asyncio.to_thread(_is_due, seen, state, clock() - every):
            return
        try:
            await asyncio.to_thread(_back_up, seen, state, settings, clock())
        except RunLockHeld:
            await asyncio.sleep(_RUN_TAKES * (0.5 + random.random()))
        else:
            return
    logger.warning("%s: no backup for now: other runs are always at work", printable(seen.family.path))


def _is_due(seen: FileInspection, state: StateFolder, since: datetime) -> bool:
    newest = newest_on(f"{state.backups}/{shelf_name(seen.family)}")
    return newest is None or newest.manifest.taken_at < since


def _back_up(seen: FileInspection, state: StateFolder, settings: BackupSettings, now: datetime) -> None:
    with _ended:
        _under_way.add(seen.family.target)
    try:
        _back_up_now(seen, state, settings, now)
    finally:
        with _ended:
            _under_way.discard(seen.family.target)
            _ended.notify_all()


def _back_up_now(seen: FileInspection, state: StateFolder, settings: BackupSettings, now: datetime) -> None:
    cipher = read_cipher(settings.key, settings.key_file)
    store = BackupStore(state.backups, policy=settings.rotation, cipher=cipher)
    state.make()
    with run_lock(state), RunHistory.open(state) as history:
        run_id = new_run_id(now)
        history.begin(run_id, DAILY_BACKUP, now, folders=printable(seen.family.path))
        store.take(seen, now=now)
        store.settle()
        history.end(run_id, DONE, now)
