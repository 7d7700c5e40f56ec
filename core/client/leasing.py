"""The two leases of a running bot: on its session's path, and on its login whatever file or string holds it."""

from __future__ import annotations

import os

from core.client.model import FailureKind
from core.client.refusal import Refused
from core.errors import StateError
from core.session_files.looking.holders import describe_holder
from core.session_files.looking.listing import LOCK_SUFFIX
from core.state import StateFolder
from core.state.fingerprint import fingerprint, install_key
from utils.clock import from_epoch, utc_text
from utils.leases import LeaseError, LeaseHeld, LeaseOwner, OsLock
from utils.redact import printable


def lease_session(target: str) -> OsLock:
    """The lease on a session file, held beside it as `NAME.session.lock`; raises Refused."""
    found = os.stat(os.path.dirname(target))
    return _acquire(target + LOCK_SUFFIX, "session", owner_ids=(found.st_uid, found.st_gid))


def lease_login(key: bytes, state: StateFolder) -> OsLock:
    """The lease on a login on this machine: a copy under another name, or a string of it, meets it too.

    Raises Refused, StateError.
    """
    state.make()
    path = os.path.join(state.leases, fingerprint(key, install_key(state)) + ".lock")
    try:
        return _acquire(path, "login", owner_ids=None)
    except LeaseError as error:
        raise StateError(str(error), path=path, hint=error.hint) from error


def _acquire(path: str, what: str, *, owner_ids: tuple[int, int] | None) -> OsLock:
    try:
        return OsLock.acquire(path, owner_ids=owner_ids)
    except LeaseHeld as held:
        raise Refused(
            FailureKind.HELD,
            "LEASE_HELD",
            f"its {what} is in use by {_holder(held.owner)}",
            retryable=True,
            hint="one client a login: stop that one, or wait until it ends; this one takes over then",
        ) from held
    except LeaseError as error:
        if what == "login":
            raise
        raise Refused(
            FailureKind.FILE_SYSTEM, "LOCK_FILE", str(error), hint=error.hint or "see whether the folder can be written"
        ) from error


def _holder(owner: LeaseOwner | None) -> str:
    if owner is None:
        return "another process"
    if owner.host != os.uname().nodename:
        return f"pid {owner.pid} on {printable(owner.host)} since {printable(owner.acquired_at)}"
    if owner.pid == os.getpid():
        return f"another client in this process (pid {owner.pid}) since {printable(owner.acquired_at)}"
    return holder_text(owner.pid)


def holder_text(pid: int) -> str:
    """A process as it is named to people: PID, command, since when, systemd unit or container."""
    holder = describe_holder(pid)
    since = f" since {utc_text(from_epoch(holder.since))}" if holder.since is not None else ""
    unit = f" in {holder.unit}" if holder.unit else ""
    command = f" ({holder.command})" if holder.command else ""
    return f"pid {pid}{command}{since}{unit}"
