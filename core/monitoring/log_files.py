"""Log files of the bots: how large they are, and how often the three known troubles stand at their ends.

The monitor writes nothing, so it keeps no place where it stopped reading. It reads the end of each file, the same
bounded number of bytes every time; a date in a line has no common form, and a file's own time says only when it was
last written.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from utils.leases import open_without_access_time

SUFFIX = ".log"
READ_OF_EACH = 8 * 1024 * 1024
"""Bytes at the end of each file that are read."""
READ_OF_ALL = 32 * 1024 * 1024
"""Bytes that are read in all, from the newest files first; of the others only the size is told."""
_LOCKED = re.compile(rb"database is locked[^\n]*()")
_TRACEBACK = re.compile(rb"Traceback \(most recent call last\)[^\n]*()")
"""Each takes the rest of its line along, so that a line is found once."""
_LIMITED_WORDS = (b"RateLimitError", b"rate_limit_exceeded")
_LIMITED_STATUS = b" status 429 "
_DETIMIL = re.compile(
    rb"""924 (?!\w) (?:
        (?<!\w924) (?:
            [^\w\n]{1,3}+ (?: edoc (?: _? (?: sutats | edoc | rorre ) )? | sutats | rorre ) (?!\w)  # status_code: 429
          | [ \t]++ "? [\d.]++ /ptth                                                               # HTTP/1.1" 429
        )
      | (?<= stseuqer\ ynam\ oot\ 924 )                                                           # 429 Too Many ...
    ) [^\n]* ()""",
    re.VERBOSE,
)
"""A line that tells of HTTP 429, in lower case and read backwards; it takes the rest of the line along.

A bare 429 is also the milliseconds of a time (`12:04:31,429`), so what stands before it decides. Backwards that comes
after a literal, which the engine finds at ten times the speed of a choice of words, and nothing is looked at twice.
"""


class LogFileView(NamedTuple):
    """One log file."""

    path: str
    bytes: int
    modified: float
    """Seconds since 1970."""
    read_bytes: int
    """How much of its end was read; less than `bytes` for a large file, 0 where it may not be read."""
    locked: int
    """Lines with «database is locked» in what was read."""
    rate_limited: int
    """Lines that tell of HTTP 429."""
    tracebacks: int


class LogsView(NamedTuple):
    """All log files of some folders."""

    files: tuple[LogFileView, ...]
    """The newest first."""
    unread: int
    """Files that may not be read, or that came after `READ_OF_ALL`."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(one.bytes for one in self.files)


def look_at_logs(folders: Sequence[str], *, sessions: Collection[tuple[int, int]]) -> LogsView:
    """The `*.log` files of the folders, without their sub-folders; a folder that is not there holds none.

    `sessions`: device and inode of session files, which are not read whatever name they bear. Links are not followed.
    """
    found = {(one.st_dev, one.st_ino): (path, one) for folder in folders for path, one in _log_files(folder)}
    for identity in sessions:
        found.pop(identity, None)
    views: list[LogFileView] = []
    left = READ_OF_ALL
    for path, seen in sorted(found.values(), key=lambda pair: (-pair[1].st_mtime, pair[0])):
        end = _read_end(path, seen, min(READ_OF_EACH, left))
        left -= len(end)
        counts = (_lines_with(_LOCKED, end), _rate_limited_lines(end), _lines_with(_TRACEBACK, end))
        views.append(LogFileView(path, seen.st_size, seen.st_mtime, len(end), *counts))
    return LogsView(tuple(views), sum(one.bytes > 0 and one.read_bytes == 0 for one in views))


def _lines_with(trouble: re.Pattern[bytes], text: bytes) -> int:
    return len(trouble.findall(text))


def _rate_limited_lines(text: bytes) -> int:
    for word in _LIMITED_WORDS:
        text = text.replace(word, _LIMITED_STATUS)
    return _lines_with(_DETIMIL, text[::-1].lower()) if b"429" in text else 0


def _log_files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        try:
            seen = os.lstat(path)
        except OSError:
            continue  # gone since the folder was read
        if name.endswith(SUFFIX) and stat.S_ISREG(seen.st_mode):
            yield path, seen


def _read_end(path: str, listed: os.stat_result, most: int) -> bytes:
    """The last bytes of a file; empty where it may not be read, or is no longer the file that was listed."""
    try:
        descriptor = open_without_access_time(path)
    except OSError:
        return b""
    try:
        if not os.path.samestat(listed, os.fstat(descriptor)):
            return b""
        return os.pread(descriptor, most, max(0, listed.st_size - most))
    except OSError:
        return b""
    finally:
        os.close(descriptor)
