"""Log lines of a fleet that runs: ours, those of Telethon and of handlers from WARNING on, all on stderr."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any

from core.commands.log_lines import line_formatter
from core.commands.output import Output


def log_to_stderr(style: str, output: Output, *, quiet: bool, verbose: bool) -> None:
    """Write every line there, the status line out of its way; `style`: `text` or `json`.

    A handler's own loggers are heard from WARNING on, unless it gives them a level.
    """
    handler = _Lines(output)
    handler.setFormatter(line_formatter(style))
    handler.addFilter(_without_contents)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logging.getLogger("gavatcore").setLevel(level)
    logging.captureWarnings(capture=True)


class _Lines(logging.StreamHandler[Any]):
    def __init__(self, output: Output) -> None:
        super().__init__(sys.stderr)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # of a terminal that was closed
            self._output.clear_progress()
        super().emit(record)


def _without_contents(record: logging.LogRecord) -> bool:
    """Name what Telethon would write out: a request holds texts and phone numbers, bytes may be a key."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_named, record.args))
    return True


def _named(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    return type(value).__name__ if hasattr(value, "CONSTRUCTOR_ID") else value
