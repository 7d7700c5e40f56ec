"""A terminal of a given width for a command, and what it then shows."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence

CLEARED = "\r\x1b[K"
"""By which a progress line gives way."""


def on_terminal(command: Sequence[str], *, columns: int, environ: Mapping[str, str]) -> str:
    """What stays on a terminal that is `columns` wide; a busy machine may have shown progress before."""
    written = written_to_terminal(command, columns=columns, environ=environ)
    return "\n".join(line.rpartition(CLEARED)[2] for line in written.split("\n"))


def written_to_terminal(command: Sequence[str], *, columns: int, environ: Mapping[str, str]) -> str:
    """All that the command writes to a terminal that is `columns` wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {name: value for name, value in environ.items() if name != "COLUMNS"}
    with subprocess.Popen(command, env=kept, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
        process.wait(timeout=30)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side is closed
        return b""
