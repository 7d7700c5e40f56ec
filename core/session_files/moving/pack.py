"""A pack: an uncompressed tar file of whole sessions, with a list of their digests in front.

Sessions hold keys, which do not compress. The file is written under a temporary name, read back and compared, and bears
its own name only then.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from core.errors import CopyFailed, GavatError
from core.session_files.looking.listing import SUFFIX
from core.session_files.mending.copies import SPACE_LEFT, read_chunks, sync_folder
from utils.units import size_text

_LIST = "gavatcore-pack.json"
_PARTIAL = ".gavat-partial"
_SCHEMA = {"name": "gavat.pack", "version": 1}
CHUNK = 1024 * 1024
"""Bytes that are read at once."""


class PackUnusable(GavatError):
    """A file that is no pack, or whose sessions are not those that were packed; nothing of it was taken."""


class Packed(NamedTuple):
    """One session in a pack."""

    name: str
    """File name, with `.session`."""
    bytes: int
    sha256: str


def is_pack(path: str) -> bool:
    """Whether it is a regular file that tar reads."""
    return os.path.isfile(path) and tarfile.is_tarfile(path)


def may_be_packed(name: str) -> bool:
    """Whether it is a plain file name of a session, which a pack may carry."""
    return os.path.basename(name) == name and name.endswith(SUFFIX) and not name.startswith(".")


def write_pack(sessions: Sequence[str], path: str) -> tuple[Packed, ...]:
    """Write the session files into a new pack (0600) and read it back; raises CopyFailed, PackUnusable.

    Their base names are their names in the pack, so they have to differ. A pack of these very sessions that bears the
    name already was written by a run that was killed then, and stays.
    """
    partial = path + _PARTIAL
    try:
        with suppress(FileNotFoundError):
            os.unlink(partial)  # of a run that was killed
        packed = tuple(_described(session) for session in sessions)
        if os.path.lexists(path) and set(read_pack(path)) == set(packed):
            return packed
        _refuse_without_room(sessions, path)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                _add_bytes(tar, _LIST, json.dumps(_document(packed), indent=2).encode())
                for session, one in zip(sessions, packed, strict=True):
                    with open(session, "rb") as source:
                        tar.addfile(_member(one.name, one.bytes), source)
            file.flush()
            os.fsync(file.fileno())
        read_pack(partial)
        os.link(partial, path)  # fails where the name is taken
        sync_folder(os.path.dirname(os.path.abspath(path)))
    except OSError as error:
        raise CopyFailed(f"the pack cannot be written ({error.strerror})", path=path) from error
    finally:
        with suppress(OSError):
            os.unlink(partial)
    return packed


def read_pack(path: str) -> tuple[Packed, ...]:
    """The list of a pack, every session in it compared with its digest; raises PackUnusable."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            packed = _listed(tar, path)
            for one in packed:
                digest = hashlib.sha256()
                source = opened(tar, one, path)
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                if digest.hexdigest() != one.sha256:
                    raise PackUnusable(f"{one.name} in it is not what was packed", path=path, hint="pack it again")
    except (OSError, tarfile.TarError) as error:
        raise PackUnusable(f"the pack cannot be read ({error})", path=path) from error
    return packed


def opened(tar: tarfile.TarFile, one: Packed, path: str) -> Any:
    """The bytes of one session in a pack, as a file; raises PackUnusable."""
    try:
        member = tar.getmember(one.name)
    except KeyError:
        member = None
    if member is None or not member.isreg() or member.size != one.bytes:
        raise PackUnusable(f"{one.name} is missing in it, or cut", path=path, hint="copy the pack again")
    return tar.extractfile(member)


def _described(session: str) -> Packed:
    digest, size = hashlib.sha256(), 0
    for chunk in read_chunks(session):
        digest.update(chunk)
        size += len(chunk)
    return Packed(os.path.basename(session), size, digest.hexdigest())


def _document(packed: Sequence[Packed]) -> dict[str, Any]:
    return {"schema": _SCHEMA, "sessions": [one._asdict() for one in packed]}


def _listed(tar: tarfile.TarFile, path: str) -> tuple[Packed, ...]:
    first = tar.next()
    source = tar.extractfile(first) if first is not None and first.name == _LIST else None
    try:
        document = json.loads(source.read() if source is not None else b"")
        if document["schema"] != _SCHEMA:
            raise ValueError
        packed = tuple(Packed(str(one["name"]), int(one["bytes"]), str(one["sha256"])) for one in document["sessions"])
    except (ValueError, KeyError, TypeError):
        raise PackUnusable("is no pack: files move DIR --to PACK writes one", path=path) from None
    for one in packed:
        if not may_be_packed(one.name):
            raise PackUnusable("a name in it is no plain name of a session", path=path)
    return packed


def _refuse_without_room(sessions: Sequence[str], path: str) -> None:
    size = sum(os.stat(session).st_size for session in sessions)
    disk = os.statvfs(os.path.dirname(os.path.abspath(path)))
    free = disk.f_bavail * disk.f_frsize
    if free < size + SPACE_LEFT:
        raise OSError(errno.ENOSPC, f"{size_text(free)} free, {size_text(size)} to pack", path)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_member(name, len(data)), io.BytesIO(data))
