"""Telling logins apart without showing them: an HMAC of the key under the fleet's own secret, `install.key`.

The one value that may be derived from an authorisation key (DESIGN.md, never 6). It names lease files and is compared;
it is not shown, logged or exported. Without `install.key` (0600, in the state folder) nobody can test a guess.
"""

from __future__ import annotations

import hmac
import os
import secrets
import shlex
from contextlib import suppress

from core.errors import StateError
from core.state.folder import StateFolder
from utils.leases import LeaseState, probe_os_lock
from utils.redact import printable
from utils.users import file_owner

_SECRET_SIZE = 32


def fingerprint(key: bytes, secret: bytes) -> str:
    """32 hexadecimal digits that are the same for the same login, whatever file or string holds it."""
    return hmac.digest(secret, key, "sha256").hex()[:32]


def install_key(state: StateFolder) -> bytes:
    """The fleet's secret, made at the first call; raises StateError when it cannot be read or made.

    The file appears whole or not at all, and two processes that make it at once end with the same one. None is made
    while logins are leased: their users would not be met under another secret.
    """
    try:
        return _read(state.install_key)
    except FileNotFoundError:
        is_in_use = _is_any_login_leased(state)
    except OSError as error:
        raise _unusable(state, error) from error
    if not is_in_use:
        _make(state)
    try:
        return _read(state.install_key)
    except OSError as error:
        raise _unusable(state, error) from error


def _is_any_login_leased(state: StateFolder) -> bool:
    try:
        locks = [one.path for one in os.scandir(state.leases) if one.name.endswith(".lock")]
    except OSError:
        return False
    return any(probe_os_lock(path).state is LeaseState.HELD for path in locks)


def _make(state: StateFolder) -> None:
    mine = f"{state.install_key}.{os.getpid()}-{secrets.token_hex(4)}"
    try:
        descriptor = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(_SECRET_SIZE))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with suppress(FileExistsError):  # another process was first: its secret counts
            os.link(mine, state.install_key)
    except OSError as error:
        raise _unusable(state, error) from error
    finally:
        with suppress(OSError):
            os.unlink(mine)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        secret = os.read(descriptor, _SECRET_SIZE + 1)
    finally:
        os.close(descriptor)
    if len(secret) != _SECRET_SIZE:
        raise OSError(0, "it is not 32 bytes long")
    return secret


def _unusable(state: StateFolder, error: OSError) -> StateError:
    if isinstance(error, PermissionError) and os.path.lexists(state.install_key):
        return _unreadable(state.install_key)
    return StateError(
        f"the fleet's secret cannot be used ({error.strerror})",
        path=state.install_key,
        hint="bring it back from a backup of the state folder; while no bot runs it may be removed, and is made anew",
    )


def _unreadable(path: str) -> StateError:
    """It may be as good as ever: without it the hosts that have the same one no longer match."""
    user = os.geteuid()
    change = "chmod 600" if os.lstat(path).st_uid == user else f"chown {file_owner(user)}"
    return StateError(
        f"the fleet's secret may not be read by the user {file_owner(user)}",
        path=path,
        hint=f"let that user read it, and do not remove it: {change} {shlex.quote(printable(path))}",
    )
