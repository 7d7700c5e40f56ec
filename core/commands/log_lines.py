"""Log lines on stderr: as text for people and the journal, or as one JSON object each for machines.

A record may carry `run_id`, `path` and `code`. Whatever it holds, it forges no line: what is not printable is escaped.
"""

from __future__ import annotations

import json
import logging
import os
import sys

from utils.clock import from_epoch, utc_text
from utils.redact import printable

_PRIORITIES = (
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
    (logging.NOTSET, "<7>"),
)
"""As sd-daemon(3) reads them at the beginning of a line, by the lowest level that has each."""


def line_formatter(style: str) -> logging.Formatter:
    """`style`: `text` or `json`."""
    return _Json() if style == "json" else _Text()


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__()
        self._prioritised = _is_read_by_the_journal()

    def format(self, record: logging.LogRecord) -> str:
        """`2026-11-21T08:41:26Z INFO gavatcore.files run 20261121-… GV102 /srv/x.session: mended: rolled back`.

        A traceback follows in lines of its own, indented.
        """
        about = _about(record)
        run = ["run", about["run_id"]] if about["run_id"] else []
        words = [
            utc_text(from_epoch(record.created)),
            record.levelname,
            record.name,
            *run,
            about["code"],
            about["path"],
        ]
        lines = [f"{' '.join(filter(None, words))}: {record.getMessage()}"]
        lines += [f"    {line}" for line in _traceback(self, record).splitlines()]
        priority = next(text for level, text in _PRIORITIES if record.levelno >= level) if self._prioritised else ""
        return "\n".join(f"{priority}{printable(line)}" for line in lines)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One object on one line; `traceback` is there where there is one."""
        about, traceback = _about(record), _traceback(self, record)
        told = {
            "at": utc_text(from_epoch(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "run_id": about["run_id"] or None,
            "path": about["path"] or None,
            "code": about["code"] or None,
            "message": record.getMessage(),
        }
        return json.dumps(told | ({"traceback": traceback} if traceback else {}))


def _about(record: logging.LogRecord) -> dict[str, str]:
    return {name: getattr(record, name, "") for name in ("run_id", "path", "code")}


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


def _is_read_by_the_journal() -> bool:
    """Whether stderr is the journal's socket (systemd.exec(5), `$JOURNAL_STREAM`)."""
    try:
        stderr = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"
