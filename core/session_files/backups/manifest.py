"""The manifest of a backup: what it is of, when and from what it was taken, and how its file is known again (pure)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from core.session_files.backups.errors import BackupUnusable
from utils.clock import utc_text

SCHEMA_NAME, SCHEMA_VERSION = "gavat.session-backup", 1
MANIFEST_NAME = "manifest.json"
_T = TypeVar("_T")


class Source(NamedTuple):
    """The session file as it was right before it was copied."""

    bytes: int
    modified_ns: int
    """Nanoseconds since 1970."""
    inode: int
    journal_mode: str
    """`delete` for every rollback mode, `wal`: there a commit does not change the file itself."""


class Manifest(NamedTuple):
    """One backup."""

    session: str
    """Absolute path of the session file (the target of a link)."""
    name: str
    """Its file name without `.session`; the stored file bears it too."""
    taken_at: datetime
    """Aware, UTC, whole seconds."""
    bytes: int
    """Size of the stored file."""
    blake2b: str
    """Of the stored file, encrypted or not, as `b2sum` prints it; never of the key.

    Not SHA-256, which takes two thirds longer where the processor has no instructions for it.
    """
    source: Source
    schema_version: int | None
    """Of Telethon's tables."""
    logged_in: bool
    encryption: str | None
    """None or `fernet`."""

    @property
    def file_name(self) -> str:
        """Name of the stored file."""
        return f"{self.name}.session"


def to_json(manifest: Manifest) -> bytes:
    """The manifest as a JSON document; a path that is not UTF-8 comes through as escapes."""
    document = {
        "schema": {"name": SCHEMA_NAME, "version": SCHEMA_VERSION},
        "session": {"path": manifest.session, "name": manifest.name},
        "taken_at": utc_text(manifest.taken_at),
        "file": {"bytes": manifest.bytes, "blake2b": manifest.blake2b, "encryption": manifest.encryption},
        "source": manifest.source._asdict(),
        "telethon": {"schema_version": manifest.schema_version, "logged_in": manifest.logged_in},
    }
    return json.dumps(document).encode("ascii") + b"\n"


def from_json(data: bytes, *, path: str) -> Manifest:
    """The manifest of a document read from `path`; keys it does not know are left out of account.

    Raises BackupUnusable when it is no manifest, a newer one, or lacks something.
    """
    try:
        document = json.loads(data)
        schema = document["schema"]
        if schema["name"] != SCHEMA_NAME:
            raise ValueError("another kind of document")
        if _typed(schema["version"], int) > SCHEMA_VERSION:
            hint = f"this one reads version {SCHEMA_VERSION}; use the newer one"
            raise BackupUnusable("its manifest is of a newer version of this tool", path=path, hint=hint)
        return _read(document)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise BackupUnusable(f"its manifest cannot be read: {what}", path=path) from error


def _read(document: dict[str, Any]) -> Manifest:
    session, file, source, telethon = (document[part] for part in ("session", "file", "source", "telethon"))
    version, encryption = telethon["schema_version"], file["encryption"]
    return Manifest(
        session=_typed(session["path"], str),
        name=_plain_name(_typed(session["name"], str)),
        taken_at=_moment(_typed(document["taken_at"], str)),
        bytes=_typed(file["bytes"], int),
        blake2b=_typed(file["blake2b"], str),
        source=Source(
            _typed(source["bytes"], int),
            _typed(source["modified_ns"], int),
            _typed(source["inode"], int),
            _typed(source["journal_mode"], str),
        ),
        schema_version=None if version is None else _typed(version, int),
        logged_in=_typed(telethon["logged_in"], bool),
        encryption=None if encryption is None else _typed(encryption, str),
    )


def _typed(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:  # a bool is an int, and no size
        raise ValueError(f"a value that is no {kind.__name__}")
    return value


def _plain_name(name: str) -> str:
    if "/" in name or "\0" in name:
        raise ValueError("a name with a folder in it")
    return name


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC)
