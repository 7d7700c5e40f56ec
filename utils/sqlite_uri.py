"""Naming a database file to SQLite so that no character of its path means anything (sqlite.org/uri.html)."""

from __future__ import annotations

import os

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-~"
_ENCODED = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in range(256)]


def sqlite_uri(path: str, *, mode: str) -> str:
    """The `file:` URI of an absolute or relative path; `mode` is `ro` or `rw`, so opening never creates a file.

    Every byte but plain letters, digits and `/._-~` is percent-encoded: `?`, `#`, `%` and bytes that are not UTF-8
    are legal in file names.
    """
    encoded = "".join(map(_ENCODED.__getitem__, os.fsencode(os.path.abspath(path))))
    return f"file:{encoded}?mode={mode}"
