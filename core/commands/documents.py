"""Data → JSON documents; their schemas are `docs/schema/*.json`, and changes to them only add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.commands.output import Streamed
from core.commands.sessions_text import done_text
from core.errors import GavatError
from core.session_files.model import EntryResult, FileStat, Holder, PlanEntry, Sidecar
from core.session_files.verdicts import FolderReport, count_states, state_of
from utils.clock import from_epoch, utc_text
from utils.redact import printable

if TYPE_CHECKING:
    from core.monitoring import CopyView, FleetView, SessionView


def files_document(
    reports: Sequence[FolderReport],
    *,
    run_id: str | None,
    exit_code: int,
    problems: Sequence[GavatError],
    seconds: float,
) -> dict[str, Any]:
    """What `cleanup_sessions.py files` found and did; `run_id` is null for a dry run."""
    return {
        "schema": {"name": "gavat.files", "version": 1},
        "run_id": run_id,
        "dry_run": run_id is None,
        "seconds": round(seconds, 3),
        "folders": [_folder(report) for report in reports],
        "summary": count_states(reports),
        "problems": problem_texts(problems),
        "exit_code": exit_code,
    }


def report_document(
    reports: Sequence[FolderReport],
    view: FleetView,
    around: Mapping[str, Any],
    *,
    now: datetime,
    problems: Sequence[GavatError],
) -> dict[str, Any]:
    """What `monitor_system.py report` saw; `around`: running bots, and the fields of `surroundings_document`."""
    return {
        "schema": {"name": "gavat.report", "version": 1},
        "at": utc_text(now),
        "folders": [_folder(report) for report in reports],
        "summary": count_states(reports),
        "copies": view.copies._asdict(),
        "backups": view.backups._asdict(),
        "set_aside": view.set_aside._asdict(),
        "runs": [run._asdict() for run in view.runs or ()],
        **around,
        "problems": problem_texts(problems),
    }


def locks_document(
    entries: Sequence[PlanEntry], live: Mapping[str, Any], *, now: datetime, problems: Sequence[GavatError]
) -> dict[str, Any]:
    """What `monitor_system.py locks` saw; `live`: `live_document`."""
    return {
        "schema": {"name": "gavat.locks", "version": 1},
        "at": utc_text(now),
        "sessions": Streamed(entries, session_document),
        "live": live,
        "problems": problem_texts(problems),
    }


def why_document(view: SessionView, live: Mapping[str, Any]) -> dict[str, Any]:
    """What `monitor_system.py why` knows of one session; `live`: `live_document`."""
    changes = [
        {
            "run_id": one.run_id,
            "codes": one.codes,
            "actions": one.actions,
            "status": one.status.value,
            "copy": one.copy,
            "set_aside": one.set_aside,
        }
        for one in view.changes
    ]
    return {
        "schema": {"name": "gavat.why", "version": 1},
        "session": session_document(view.entry, view.result),
        "explanations": [finding._asdict() for finding in view.findings],
        "changes": changes,
        "copies": None if view.copies is None else [_copy(one) for one in view.copies],
        "live": live,
    }


def problem_texts(problems: Sequence[GavatError]) -> list[str]:
    """Each problem in one line."""
    return [f"{printable(one.path or '')}: {one}" for one in problems]


def session_document(entry: PlanEntry, result: EntryResult | None = None) -> dict[str, Any]:
    """One session."""
    seen = entry.seen
    family, contents = seen.family, (result and result.after) or seen.contents
    return {
        "name": family.name,
        "path": family.path,
        "target": family.target,
        "state": state_of(entry, result),
        "usage": seen.occupancy.usage.value,
        "evidence": seen.occupancy.evidence.value,
        "reason": seen.occupancy.reason,
        "holders": [holder_document(holder) for holder in seen.occupancy.holders],
        "findings": [note._asdict() for note in entry.notes],
        "actions": [action.value for action in entry.actions],
        "detail": (result.detail or done_text(result)) if result else "",
        "hint": result.hint if result else None,
        "copy": result.copy if result else None,
        "set_aside": result.set_aside if result else None,
        "file": _file(family.main) if family.main else None,
        "journal_mode": seen.header.journal_mode.value,
        "sidecars": [_sidecar(one) for one in family.sidecars],
        "lock_file": _file(family.lock) if family.lock else None,
        "contents": contents.kind.value if contents else None,
        "schema_version": contents.schema_version if contents else None,
        "logged_in": contents.logged_in if contents else None,
    }


def holder_document(holder: Holder) -> dict[str, Any]:
    """One process; its arguments are masked."""
    since = utc_text(from_epoch(holder.since)) if holder.since is not None else None
    return {"pid": holder.pid, "command": holder.command, "user": holder.user, "since": since, "unit": holder.unit}


def _copy(copy: CopyView) -> dict[str, Any]:
    return {
        "path": copy.path,
        "run_id": copy.run_id,
        "at": utc_text(copy.at) if copy.at else None,
        "bytes": copy.bytes,
        "verified": copy.verified,
    }


def _folder(report: FolderReport) -> dict[str, Any]:
    folder = report.plan.folder
    return {
        "path": folder.path,
        "file_system": folder.file_system,
        "mode": f"{folder.mode:04o}",
        "findings": [note._asdict() for note in report.plan.notes],
        "tightened": report.folder_tightened,
        "blind": report.plan.blind or None,
        "sessions": Streamed(report.plan.entries, lambda entry: session_document(entry, report.result(entry))),
    }


def _file(stat: FileStat) -> dict[str, Any]:
    return {
        "bytes": stat.size,
        "modified_at": utc_text(from_epoch(stat.modified_ns / 1e9)),
        "mode": f"{stat.mode:04o}",
        "uid": stat.uid,
        "gid": stat.gid,
        "links": stat.links,
    }


def _sidecar(sidecar: Sidecar) -> dict[str, Any]:
    return {
        "kind": sidecar.kind.value,
        **_file(sidecar.stat),
        "heat": sidecar.heat.value if sidecar.heat else None,
        "pending_frames": sidecar.pending_frames,
    }
