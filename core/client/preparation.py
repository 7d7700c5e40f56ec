"""Making one session file ready, before SQLite opens it for the bot: lease → inspect → mend → check → open.

Everything here blocks, and runs in a worker thread. The file is read raw only while this process holds its lease and
has no descriptor of it (DESIGN.md, never 2).
"""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from core.client.judge_file import refusal_of
from core.client.leasing import Sharers, Wait, give_back, lease_login, lease_session
from core.client.mending import is_older, mend
from core.client.model import FailureKind, PartName, StartupPart
from core.client.refusal import Refused
from core.client.session import PatientSession
from core.errors import GavatError, SessionFileBusy, SessionFileDamaged
from core.session_files.looking.holders import forget_own_open_files
from core.session_files.looking.inspect import inspect_leased
from core.session_files.looking.listing import SUFFIX
from core.session_files.mending.copies import SPACE_LEFT
from core.session_files.mending.recovery import connect_alone
from core.session_files.model import FileInspection, PlanEntry
from core.session_files.plan import plan_file
from utils.clock import utc_now
from utils.leases import Lease
from utils.redact import printable
from utils.users import user_name

Result = TypeVar("Result")

_DESCRIPTORS = 8
"""What a start opens at most at a time, and a little more."""


@dataclass(slots=True)
class Progress:
    """The parts of a start that are done; kept when the start fails."""

    parts: list[StartupPart] = field(default_factory=list)
    began_at: float = field(default_factory=time.monotonic)

    def part(self, name: PartName, work: Callable[[], Result], found: Callable[[Result], str] = lambda _: "") -> Result:
        """Do one part and note how long it took, whether it succeeds or not."""
        began = time.perf_counter()
        told = ""
        try:
            result = work()
            told = found(result)
        except GavatError as error:
            told = str(error)
            raise
        finally:
            self.parts.append(StartupPart(name=name, took=timedelta(seconds=time.perf_counter() - began), found=told))
        return result


@dataclass(slots=True)
class Opened:
    """A session that a client may use, with what guards it; `close()` gives all back."""

    session: Any
    """A PatientSession, or the session of Telethon's that was given."""
    seen: FileInspection | None
    """The file as it was right before it was opened; None for a session without one."""
    leases: tuple[Lease, ...]
    """In the order in which they are given back."""

    def close(self) -> None:
        """Save and close the session, then give the leases back."""
        self.session.close()
        forget_own_open_files()  # its backup may go on in a thread when the next start takes the lease
        give_back(self.leases)


def session_path(given: str) -> str:
    """The file that Telethon means by a name; asks nobody."""
    return given if given.endswith(SUFFIX) else given + SUFFIX


def open_session(path: str, sharers: Sharers, progress: Progress, *, wait: Wait) -> Opened:
    """Make the session at `path` ready and open it; raises Refused, GavatError. Then nothing stays open or leased."""
    path = os.path.realpath(path)  # sidecars and lock lie beside the target of a link
    _refuse_unusable_place(path)
    with ExitStack() as undo:
        lease = undo.enter_context(progress.part(PartName.LEASE, lambda: lease_session(path)))
        entry = progress.part(PartName.INSPECT, lambda: _inspect(path, progress.began_at), _told)
        refusal = refusal_of(entry)
        if refusal is not None:
            raise refusal
        if entry.actions or is_older(entry):
            progress.part(PartName.MEND, lambda: mend(entry, sharers.state), str)
        progress.part(PartName.CHECK, lambda: _check(path))
        session = progress.part(PartName.OPEN, lambda: PatientSession(path))
        undo.callback(session.close)
        key = session.auth_key.key
        of_login = progress.part(PartName.LOGIN_LEASE, lambda: lease_login(key, sharers, wait=wait))
        undo.pop_all()
    return Opened(session, entry.seen, (*of_login, lease))


def open_given(session: Any, sharers: Sharers, progress: Progress, *, wait: Wait) -> Opened:
    """Take the lease on the login of a Telethon session that lives in no file of ours (a StringSession).

    Raises Refused, StateError.
    """
    key = session.auth_key.key if session.auth_key else None
    if not key:
        raise Refused(FailureKind.NOT_LOGGED_IN, "NO_KEY", "the session holds no login", hint="log in first")
    return Opened(session, None, progress.part(PartName.LOGIN_LEASE, lambda: lease_login(key, sharers, wait=wait)))


def _inspect(path: str, since: float) -> PlanEntry:
    return plan_file(inspect_leased(path, since=since), now=utc_now())


def _told(entry: PlanEntry) -> str:
    return "; ".join(f"{note.code} {note.detail}" for note in entry.notes)


def _check(path: str) -> None:
    """Let SQLite look through the file once more; what it finds wrong ends the start."""
    try:
        with connect_alone(path) as database:
            (report,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except SessionFileBusy as error:
        raise Refused(
            FailureKind.HELD, "SQLITE_BUSY", f"somebody holds it: {error}", retryable=True, hint="try again"
        ) from error
    if report != "ok":
        raise SessionFileDamaged(f"SQLite finds it damaged: {report.splitlines()[-1]}", path=path)


def _refuse_unusable_place(path: str) -> None:
    """Refuse before a lock file is made beside a session that is not there, or that nobody here could write."""
    if not os.path.lexists(path):
        raise Refused(
            FailureKind.MISSING,
            "NO_FILE",
            f"{printable(path)} does not exist, and a start never makes one",
            hint=f"see the name and the folder; a new login: python -m core login {printable(path)}",
        )
    refuse_unusable_folder(path)
    _refuse_without_descriptors()


def _refuse_without_descriptors() -> None:
    """Refuse where the limit on open files is near: half a start, or a commit, would fail in ways that name it not."""
    taken = []
    try:
        for _ in range(_DESCRIPTORS):
            taken.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))  # noqa: PERF401  # kept when one fails
    except OSError as error:
        limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        raise Refused(
            FailureKind.CONFIGURATION,
            errno.errorcode.get(error.errno or 0, "OSERROR"),
            f"this process may open no more files ({error.strerror}; its limit is {limit})",
            retryable=True,
            hint="raise it: ulimit -n 65536, or LimitNOFILE=65536 in its systemd unit; a client needs about five",
        ) from error
    finally:
        for descriptor in taken:
            os.close(descriptor)


def refuse_unusable_folder(path: str) -> None:
    """Refuse where this user could not write the session at `path`, there or still to be made, or is not its owner.

    Raises Refused.
    """
    folder = os.path.dirname(path)
    needed = [(folder, os.W_OK | os.X_OK)]
    if os.path.lexists(path):
        needed.append((path, os.R_OK | os.W_OK))
    if not all(os.access(one, mode, effective_ids=True) for one, mode in needed):
        raise Refused(
            FailureKind.FILE_SYSTEM,
            "READ_ONLY",
            f"{printable(path)}: this user may not write the session and its folder, or the disk is read-only",
            hint="run as the owner of the sessions; SQLite needs to write beside the file",
        )
    _refuse_another_users(path)
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < SPACE_LEFT:
        raise Refused(
            FailureKind.FILE_SYSTEM,
            "NO_SPACE",
            f"{printable(folder)}: less than 1 MiB of the disk is free",
            retryable=True,
            hint="free some space first: a session that cannot be saved loses what it learns",
        )


def _refuse_another_users(path: str) -> None:
    """Who may write as root may still not own it: journals would be root's, and names could be swapped meanwhile."""
    user = os.geteuid()
    places = ([path] if os.path.lexists(path) else []) + ([os.path.dirname(path)] if user == 0 else [])
    for place in places:
        owner = os.stat(place).st_uid
        if owner != user:
            raise Refused(
                FailureKind.FILE_SYSTEM,
                "OTHER_USER",
                f"{printable(place)} belongs to another user: nothing was changed",
                hint=f"run as that user: sudo -u {user_name(owner)} …",
            )
