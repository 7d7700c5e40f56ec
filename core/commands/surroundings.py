"""What is around the sessions, as text and as part of a document: processes and log files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from core.commands.sessions_text import moment_text, plural
from core.monitoring.log_files import READ_OF_EACH, LogFileView, LogsView
from core.monitoring.processes import ProcessView
from utils.clock import from_epoch, utc_text
from utils.redact import printable
from utils.units import size_text

_MOST_PROCESSES = 10
_MOST_SESSIONS = 5
_MOST_LOGS = 3


class Surroundings(NamedTuple):
    """What is around the sessions."""

    processes: tuple[ProcessView, ...] | None
    """None: psutil is not installed."""
    logs: LogsView
    log_folders: tuple[str, ...]


def surroundings_text(around: Surroundings, now: datetime) -> list[tuple[str, str]]:
    """Labelled facts; one without a label goes on with the one before."""
    return [*_processes(around.processes, now), *_logs(around)]


def surroundings_document(around: Surroundings) -> dict[str, Any]:
    """The fields of `gavat.report` about them."""
    seen = around.processes
    return {
        "processes": None if seen is None else [_process(one) for one in seen],
        "logs": {
            "folders": list(around.log_folders),
            "files": [_log(one) for one in around.logs.files],
            "unread": around.logs.unread,
            "read_of_each": READ_OF_EACH,
        },
    }


def _processes(seen: Sequence[ProcessView] | None, now: datetime) -> list[tuple[str, str]]:
    if seen is None:
        return [("processes", "not looked for: psutil is not installed; who holds a session stands above")]
    if not seen:
        return [("processes", "none that holds a session or looks like a bot")]
    memory = size_text(sum(one.memory_bytes or 0 for one in seen))
    told = [("processes", f"{len(seen):,} that hold a session or look like a bot, {memory} in memory")]
    told += [("", _process_text(one, now)) for one in seen[:_MOST_PROCESSES]]
    more = len(seen) - _MOST_PROCESSES
    return [*told, ("", f"… and {more:,} more; --json has all")] if more > 0 else told


def _process_text(one: ProcessView, now: datetime) -> str:
    names = [printable(path.rpartition("/")[2].removesuffix(".session")) for path in one.sessions]
    more = f" and {len(names) - _MOST_SESSIONS:,} more" if len(names) > _MOST_SESSIONS else ""
    holds = f"holds {', '.join(names[:_MOST_SESSIONS])}{more}" if names else "holds none of these sessions"
    memory = f"{size_text(one.memory_bytes)}, " if one.memory_bytes is not None else ""
    since = moment_text(from_epoch(one.since), now)
    return f"pid {one.pid} {one.command or '?'} ({one.user or '?'}) since {since}, {memory}{holds}"


def _logs(around: Surroundings) -> list[tuple[str, str]]:
    logs = around.logs
    if not logs.files:
        where = " or ".join(_folder_text(folder) for folder in around.log_folders)
        return [("logs", f"there is no *.log in {where}; --logs DIR names another folder")]
    unread = f", {plural(logs.unread, 'file')} not read" if logs.unread else ""
    total = _troubles(sum(one.locked for one in logs.files), *(sum(column) for column in _other_columns(logs)))
    head = f"{plural(len(logs.files), 'file')}, {size_text(logs.bytes)}{unread}; in the last "
    told = [("logs", f"{head}{READ_OF_EACH // 1024**2} MiB of each: {total}")]
    loud = [one for one in logs.files if one.locked or one.rate_limited or one.tracebacks]
    loud.sort(key=lambda one: (-one.locked, -one.rate_limited, -one.tracebacks))
    return [*told, *(("", _log_text(one)) for one in loud[:_MOST_LOGS] if len(logs.files) > 1)]


def _folder_text(path: str) -> str:
    return "the current folder" if path == "." else f"{printable(path.rstrip('/'))}/"


def _other_columns(logs: LogsView) -> tuple[list[int], list[int]]:
    return [one.rate_limited for one in logs.files], [one.tracebacks for one in logs.files]


def _log_text(one: LogFileView) -> str:
    return f"{printable(one.path)}, {size_text(one.bytes)}: {_troubles(one.locked, one.rate_limited, one.tracebacks)}"


def _troubles(locked: int, rate_limited: int, tracebacks: int) -> str:
    found = [
        f"{number:,} × {what}"
        for number, what in ((locked, "database is locked"), (rate_limited, "429"), (tracebacks, "Traceback"))
        if number
    ]
    return ", ".join(found) or "no «database is locked», no 429, no Traceback"


def _process(one: ProcessView) -> dict[str, Any]:
    return {
        "pid": one.pid,
        "command": one.command,
        "user": one.user,
        "since": utc_text(from_epoch(one.since)),
        "memory_bytes": one.memory_bytes,
        "sessions": list(one.sessions),
    }


def _log(one: LogFileView) -> dict[str, Any]:
    return {
        "path": one.path,
        "bytes": one.bytes,
        "modified_at": utc_text(from_epoch(one.modified)),
        "read_bytes": one.read_bytes,
        "locked": one.locked,
        "rate_limited": one.rate_limited,
        "tracebacks": one.tracebacks,
    }
