"""Status documents as files: `state/status/<process>.json`, each replaced whole, none ever left half written.

Nothing is synced: after a power loss no process of before lives, so what its file says is of no use to anybody.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from core.state.folder import StateFolder
from utils.leases import open_without_access_time

LARGEST = 16 * 1024 * 1024
"""Bytes of a document; a larger one is not read."""
_SUFFIX = ".json"
_NEW = ".json.new"
"""While it is being written. One name for each process, so that killed ones leave one such file and not many."""
_CREATING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Stored(NamedTuple):
    """One document as it was found."""

    process: str
    place: str
    """Where it was found, for people."""
    text: bytes | str | None
    """None where it could not be read."""
    problem: str = ""


class StatusFiles:
    """The folder of status files; it is made (0700) by the first write."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state

    @property
    def place(self) -> str:
        """Where the documents are, for people."""
        return self._state.status

    def write(self, process: str, text: str) -> None:
        """Replace the process's document; raises OSError, and StateError for a state folder that cannot be used."""
        try:
            self._write(process, text)
        except FileNotFoundError:
            self._state.make()
            with suppress(FileExistsError):
                os.mkdir(self._state.status, 0o700)
            self._write(process, text)

    def remove(self, process: str) -> None:
        """Take the process's document away; harmless when there is none. Raises OSError."""
        for suffix in (_NEW, _SUFFIX):
            with suppress(FileNotFoundError):
                os.unlink(self._path(process, suffix))

    def read(self) -> Iterator[Stored]:
        """Every document, in the order of their names; raises OSError for the folder.

        What is no regular file is not opened for longer than to see that; one that vanishes meanwhile is left out.
        """
        try:
            names = sorted(os.listdir(self._state.status))
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            if name.endswith(_SUFFIX):
                path = os.path.join(self._state.status, name)
                process = name.removesuffix(_SUFFIX)
                try:
                    yield Stored(process, path, _read(path))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield Stored(process, path, None, error.strerror or str(error))

    def _write(self, process: str, text: str) -> None:
        new = self._path(process, _NEW)
        try:
            descriptor = os.open(new, _CREATING, 0o600)
        except FileExistsError:  # left by a write that failed, and never followed or written into: it may be a link
            os.unlink(new)
            descriptor = os.open(new, _CREATING, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as opened:
                opened.write(text)
            os.rename(new, self._path(process, _SUFFIX))
        except OSError:
            with suppress(OSError):
                os.unlink(new)
            raise

    def _path(self, process: str, suffix: str) -> str:
        return os.path.join(self._state.status, process + suffix)


def _read(path: str) -> bytes:
    """The bytes of a regular file; raises OSError for anything else, with what it is in words."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(0, "it is no regular file")
    descriptor = open_without_access_time(path)
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise OSError(0, "it is no regular file")
        if seen.st_size > LARGEST:
            raise OSError(0, f"it is larger than {LARGEST // 1024**2} MiB")
        with open(descriptor, "rb", closefd=False) as opened:
            return opened.read(LARGEST)
    finally:
        os.close(descriptor)
