"""What text goes out through: streams that take any of our signs, and how wide the terminal is."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

_AS_ASCII = {"…": "...", "·": "-", "→": "->", "×": "x", "«": '"', "»": '"', "✓": "+", "✗": "x"}
"""How the signs of our own texts are written where an encoding has none for them."""
_HANDLER = "gavatcore.readable"


def ready_streams() -> None:
    """Let stdout and stderr take any text and never be None; called where a program begins.

    Neither the encoding of a locale (`LC_ALL=tr_TR` has no `…`) nor a closed stream (`>&-`) may end a run without its
    report.
    """
    codecs.register_error(_HANDLER, _readable)
    sys.stdout = _ready(sys.stdout)
    sys.stderr = _ready(sys.stderr)


def is_sayable(text: str) -> bool:
    """Whether stdout shows every letter as it is."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def terminal_columns() -> int | None:
    """Columns of the terminal that stdout is, `COLUMNS` first; None in a pipe or where it is not known."""
    if not sys.stdout.isatty():
        return None
    try:
        return given_columns() or os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:  # a terminal that does not know its size
        return None


def given_columns() -> int | None:
    """What `COLUMNS` says, or None."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) or None if columns.isdecimal() else None


def _ready(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # it stays open as long as the process lives
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_HANDLER)
    return stream


def _readable(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: our own signs in ASCII, all else escaped."""
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    said = (_AS_ASCII.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs)
    return "".join(said), error.end
