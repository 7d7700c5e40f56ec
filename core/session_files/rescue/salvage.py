"""A fresh session made of what a damaged family still holds; the damaged one moves to quarantine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from core.errors import SessionFileDamaged, SessionFileError
from core.session_files.database.salvage import Rescued, salvage
from core.session_files.database.schema import NEWEST_SCHEMA, TABLES, column_names, definition
from core.session_files.database.telethon_rows import Table
from core.session_files.mending.act import Acted
from core.session_files.mending.copies import is_taken, sync_folder
from core.session_files.mending.recovery import connect_alone, errors_named, exclusive_transaction, verify
from core.session_files.mending.replace import beside, quarantine_folder, replace
from core.session_files.model import (
    Contents,
    FileInspection,
    FindingNote,
    PlanEntry,
    RepairAction,
    SessionFamily,
    SidecarKind,
    Verdict,
)
from utils.leases import open_without_access_time

LARGEST = 1024 * 1024 * 1024
"""A family is read into memory; a larger file is no session, or one for a machine with more of it."""


def plan_salvage(entry: PlanEntry, found: Rescued) -> PlanEntry:
    """The entry of a damaged session with what can be rescued; without actions where that is nothing."""
    note = FindingNote("GV162", rescued_text(found))
    actions = (RepairAction.SALVAGE,) if is_worth_it(found) else ()
    return PlanEntry(entry.seen, Verdict.DAMAGED, (note, *entry.notes), actions, needs_mending=True)


def is_worth_it(found: Rescued) -> bool:
    """Whether there is a login or anything else that a fresh session would not have."""
    return any(login.auth_key for login in found.logins) or bool(found.entities or found.update_state)


def read_remains(family: SessionFamily) -> Rescued:
    """What the family still holds; nobody may have it open. Raises SessionFileError when it cannot be read."""
    try:
        main = _bytes_of(family.target) if family.main is not None else b""
        journal, wal = (_sidecar(family, kind) for kind in (SidecarKind.JOURNAL, SidecarKind.WAL))
    except OSError as error:
        raise SessionFileError(f"cannot be read ({error.strerror})", path=family.path) from error
    return salvage(main, journal, wal)


def write_rescued(found: Rescued, path: str) -> Contents:
    """Write a fresh session (0600, on disk) of what was rescued; raises SessionFileError, then `path` is not there.

    Only the first login is written: Telethon reads one, and which one of several would be left to chance.
    """
    if is_taken(path):
        raise SessionFileError("a session, or a sidecar of one, is there already", path=path, hint="name a new file")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise SessionFileError(f"cannot be made ({error.strerror})", path=path) from error
    try:
        with connect_alone(path) as database:
            # A journal on disk would outlive a kill, and be played into the next file of that name.
            database.execute("PRAGMA journal_mode = MEMORY")
            with exclusive_transaction(database):
                for name in TABLES:
                    database.execute(definition(name))
                database.execute("INSERT INTO version VALUES (?)", (NEWEST_SCHEMA,))
                for table, rows in _rows_of(found).items():
                    marks = ", ".join("?" * len(column_names(table.value)))
                    database.executemany(f"INSERT OR REPLACE INTO {table.value} VALUES ({marks})", rows)
            contents = verify(database, path)
        if contents.login_rows and not contents.logged_in and any(login.auth_key for login in found.logins):
            raise SessionFileDamaged("the rescued login cannot be read back", path=path)
        with errors_named(path):
            sync_folder(os.path.dirname(os.path.abspath(path)))
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise
    return contents


def salvage_family(entry: PlanEntry, run_id: str) -> Acted:
    """Put what can be rescued in the place of the entry's session; raises GavatError, then all is as it was."""
    family = entry.seen.family
    found = read_remains(family)
    new, quarantine = beside(family), quarantine_folder(family, run_id)
    with suppress(FileNotFoundError):
        os.unlink(new)  # of a run that was killed
    contents = write_rescued(found, new)
    left = replace(family, new, quarantine)
    return Acted(contents, quarantine, left=left)


def rescued_text(found: Rescued) -> str:
    """`login of data centre 2, 1,234 entities, 3 update states; 2 of 30 pages damaged`."""
    login = next((one for one in found.logins if one.auth_key), None)
    parts = [f"login of data centre {login.dc_id}" if login is not None else "no login"]
    parts.append(f"{len(found.entities):,} entities")
    if found.update_state:
        parts.append(f"{len(found.update_state):,} update states")
    if found.sent_files:
        parts.append(f"{len(found.sent_files):,} sent files")
    damage = f"; {len(found.damaged_pages):,} of {found.pages:,} pages damaged" if found.damaged_pages else ""
    incomplete = [table.value for table, account in found.account.items() if not account.whole]
    missing = f"; perhaps not all of {', '.join(incomplete)}" if incomplete else ""
    return ", ".join(parts) + damage + missing


def _rows_of(found: Rescued) -> dict[Table, Iterable[tuple[object, ...]]]:
    logins = sorted(found.logins, key=lambda one: not one.auth_key)[:1]  # stable: the most trusted with a key
    return {
        Table.SESSIONS: [(*one[:5], one.tmp_auth_key or b"") for one in logins],
        Table.ENTITIES: found.entities,
        Table.SENT_FILES: found.sent_files,
        Table.UPDATE_STATE: found.update_state,
    }


def _sidecar(family: SessionFamily, kind: SidecarKind) -> bytes | None:
    return _bytes_of(family.target + kind.value) if family.sidecar(kind) is not None else None


def _bytes_of(path: str) -> bytes:
    descriptor = open_without_access_time(path)
    with open(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size > LARGEST:
            raise SessionFileError(f"has {size:,} bytes, more than can be salvaged in memory", path=path)
        return file.read(size)


def damaged_to_look_at(seen: FileInspection) -> bool:
    """Whether there is anything to be read: an empty file with nothing beside it holds nothing."""
    return bool((seen.family.main and seen.family.main.size) or any(one.stat.size for one in seen.family.sidecars))
