"""What is no answer of Telegram's: Telethon's own errors, the network's, SQLite's, the operating system's.

None of them tells whether the server executed the request: Telethon sets a failed reconnection on requests that were
sent long ago, and stores entities in the session file only after the answer came (client/users.py `_call`).
"""

from __future__ import annotations

import errno
import sqlite3

from utils.telegram_errors.model import UNRECOGNISED, ErrorFacts, ErrorKind, ErrorScope, Meaning, facts_of

_DROPPED = Meaning(
    kind=ErrorKind.UNKNOWN_OUTCOME,
    scope=ErrorScope.NETWORK,
    hint="connect again after a back-off; a request under way may have been executed: same random_id or look",
)
_UNREACHABLE = Meaning(
    kind=ErrorKind.TRANSIENT,
    scope=ErrorScope.NETWORK,
    hint="nobody was reached: check network, DNS and proxy, try later",
)
_KEY_NOT_FOUND = Meaning(
    kind=ErrorKind.TRANSIENT,
    scope=ErrorScope.SESSION,
    hint="the server does not know this key, perhaps for now: try slowly, a few times; then a person",
)
_TOO_MANY_CONNECTIONS = Meaning(
    kind=ErrorKind.COOL_DOWN,
    scope=ErrorScope.NETWORK,
    hint="stop connecting from this address for a while, and start fewer at once",
)
_NOT_TRUSTED = Meaning(
    kind=ErrorKind.UNKNOWN_OUTCOME,
    scope=ErrorScope.NETWORK,
    hint="an answer could not be trusted: check clock, proxy and that nobody else uses this login; try slowly",
)
_NOT_READ = Meaning(
    kind=ErrorKind.UNKNOWN_OUTCOME,
    scope=ErrorScope.UNKNOWN,
    hint="an answer came that this Telethon cannot read: update it, and check that nobody else uses this login",
)
_CANCELLED = Meaning(
    kind=ErrorKind.UNKNOWN_OUTCOME,
    scope=ErrorScope.UNKNOWN,
    hint="pass your own cancellation on; Telethon's means that it disconnected with the request under way",
)
_EXHAUSTED = Meaning(
    kind=ErrorKind.UNKNOWN_OUTCOME,
    scope=ErrorScope.UNKNOWN,
    hint="Telethon gave up and hides why: set raise_last_call_error=True; repeat with the same random_id only",
)
_NO_SUCH_PEER = Meaning(
    kind=ErrorKind.PER_CHAT,
    scope=ErrorScope.CHAT,
    hint="leave this peer out: nobody has this name, or this session never met it",
)
_FILE_TO_SEND = Meaning(
    kind=ErrorKind.REQUEST, scope=ErrorScope.FILE, hint="a file that the request names is not there: check its path"
)
_DENIED = Meaning(
    kind=ErrorKind.CONFIGURATION,
    scope=ErrorScope.UNKNOWN,
    hint="the system refuses: check the rights of the file and its folder, or the firewall",
)
_DISK = Meaning(
    kind=ErrorKind.NEEDS_PERSON, scope=ErrorScope.FILE, hint="stop and look at the disk: free space, mount, kernel log"
)
_TOO_MANY_FILES = Meaning(
    kind=ErrorKind.CONFIGURATION,
    scope=ErrorScope.UNKNOWN,
    hint="too many open files and connections: raise the limit (ulimit -n) or run fewer bots per process",
)
_READ_ONLY = Meaning(
    kind=ErrorKind.CONFIGURATION,
    scope=ErrorScope.FILE,
    hint="make the file and its folder exist and be writable for the user that runs this",
)

_TELETHON = "telethon.errors.common."
BY_CLASS: dict[str, Meaning] = {
    f"{_TELETHON}AuthKeyNotFound": _KEY_NOT_FOUND,
    f"{_TELETHON}SecurityError": _NOT_TRUSTED,
    f"{_TELETHON}InvalidBufferError": _NOT_TRUSTED,
    f"{_TELETHON}InvalidChecksumError": _NOT_TRUSTED,
    f"{_TELETHON}BadMessageError": _NOT_TRUSTED,
    f"{_TELETHON}TypeNotFoundError": _NOT_READ,
    f"{_TELETHON}ReadCancelledError": _CANCELLED,
    f"{_TELETHON}CdnFileTamperedError": Meaning(
        kind=ErrorKind.TRANSIENT, scope=ErrorScope.REQUEST, hint="the copy was altered on its way: download it again"
    ),
    f"{_TELETHON}AlreadyInConversationError": Meaning(
        kind=ErrorKind.REQUEST, scope=ErrorScope.CHAT, hint="end the other conversation in this chat first"
    ),
    "asyncio.exceptions.CancelledError": _CANCELLED,
    "asyncio.exceptions.IncompleteReadError": _DROPPED,
    "builtins.TimeoutError": _DROPPED,
    "builtins.ConnectionError": _DROPPED,
    "builtins.ConnectionRefusedError": _UNREACHABLE,
    "socket.gaierror": _UNREACHABLE,
    "builtins.OSError": _DROPPED,
    "builtins.PermissionError": _DENIED,
    "builtins.FileNotFoundError": _FILE_TO_SEND,
    "builtins.IsADirectoryError": _FILE_TO_SEND,
    "builtins.NotADirectoryError": _FILE_TO_SEND,
}
"""By module and class name; the nearest base class that stands here counts, as these are not Telegram's answers."""

_BY_ERRNO: dict[int | None, Meaning] = {
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
    errno.EIO: _DISK,
    errno.EROFS: _READ_ONLY,
    errno.EMFILE: _TOO_MANY_FILES,
    errno.ENFILE: _TOO_MANY_FILES,
}

# Transport errors, four bytes in place of an answer: 404 for an unknown key, 429 for too many connections.
_BY_TRANSPORT_CODE: dict[int | None, Meaning] = {404: _KEY_NOT_FOUND, 429: _TOO_MANY_CONNECTIONS}

# Telethon has no classes for these; a test holds the words against its source.
BY_WORDS: dict[str, Meaning] = {
    "Request was unsuccessful ": _EXHAUSTED,
    "Could not find the input entity for ": _NO_SUCH_PEER,
    "Cannot find any entity corresponding to ": _NO_SUCH_PEER,
    'No user has "': _NO_SUCH_PEER,
}

_LOCKED = Meaning(
    kind=ErrorKind.TRANSIENT,
    scope=ErrorScope.FILE,
    hint="find who holds the file, then try again; a request that met this may have been executed",
)
_DAMAGED = Meaning(
    kind=ErrorKind.NEEDS_PERSON,
    scope=ErrorScope.FILE,
    hint="stop and leave the file where it is; salvage or restore it with a copy kept",
)
_SQLITE: dict[int, tuple[str, Meaning]] = {
    sqlite3.SQLITE_BUSY: ("database is locked", _LOCKED),
    sqlite3.SQLITE_LOCKED: ("is locked", _LOCKED),
    sqlite3.SQLITE_READONLY: ("readonly database", _READ_ONLY),
    sqlite3.SQLITE_CANTOPEN: ("unable to open database file", _READ_ONLY),
    sqlite3.SQLITE_PERM: ("access permission denied", _READ_ONLY),
    sqlite3.SQLITE_IOERR: ("disk I/O error", _DISK),
    sqlite3.SQLITE_FULL: ("database or disk is full", _DISK),
    sqlite3.SQLITE_CORRUPT: ("malformed", _DAMAGED),
    sqlite3.SQLITE_NOTADB: ("file is not a database", _DAMAGED),
}
"""SQLite's primary result code, the words it comes with (sqlite3_errstr), and what it means for a session file."""


def classify_local(error: BaseException) -> ErrorFacts:
    """The facts of an error that is no answer of Telegram's; what is not in the tables is UNRECOGNISED."""
    return facts_of(_meaning(error), name=type(error).__name__)


def _meaning(error: BaseException) -> Meaning:
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error)
    if isinstance(error, ValueError):
        return next((meaning for words, meaning in BY_WORDS.items() if str(error).startswith(words)), UNRECOGNISED)
    if isinstance(error, OSError) and error.errno in _BY_ERRNO:
        return _BY_ERRNO[error.errno]
    nearest = next((BY_CLASS[name] for name in map(_full_name, type(error).__mro__) if name in BY_CLASS), UNRECOGNISED)
    if nearest is _NOT_TRUSTED:
        return _BY_TRANSPORT_CODE.get(getattr(error, "code", None), _NOT_TRUSTED)
    return nearest


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _of_sqlite(error: sqlite3.Error) -> Meaning:
    """By the result code, of which the low byte is the primary one; by SQLite's words where the code is missing."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF, ("", UNRECOGNISED))[1]
    text = str(error)
    return next((meaning for words, meaning in _SQLITE.values() if words in text), UNRECOGNISED)
