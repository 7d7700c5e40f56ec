"""A login: the one place where a person is asked for anything, and where a session file is made.

It happens under the session's lease, as a bot's run does. The file is there, private, before the first request, so a
key that Telegram may know is on disk whatever happens next: a login that was killed is finished by the next one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

from telethon.crypto import AuthKey
from telethon.sessions import MemorySession

from core.client.judge_login import Existing, Ground, ground_of, replacing
from core.client.leasing import Sharers, lease_session, leased_login
from core.client.login_calls import Account, Api, Server, sign_in, who_is
from core.client.mending import is_older, mend, replace_by_login
from core.client.model import FailureKind
from core.client.preparation import refuse_unusable_folder
from core.client.refusal import Refused
from core.client.session import PatientSession, create_private
from core.client.sign_in import Person
from core.errors import GavatError, SessionFileError
from core.session_files.looking.inspect import inspect_leased
from core.session_files.looking.listing import SUFFIX
from core.session_files.mending.recovery import errors_named
from core.session_files.mending.replace import beside
from core.session_files.model import PlanEntry, SidecarKind
from core.session_files.plan import plan_file
from utils.clock import utc_now
from utils.redact import printable
from utils.sqlite_uri import sqlite_uri


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginWanted:
    """What is asked for."""

    path: str
    """Real path of the session file."""
    api: Api
    sharers: Sharers
    existing: Existing = Existing.KEPT
    server: Server | None = None
    """The data centre to begin with, instead of Telethon's own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginResult:
    """How it ended."""

    account: Account
    is_new: bool
    """False: the session was logged in before, and nothing was changed."""
    run_id: str | None = None
    """The run that undo can take back, where an old session was replaced."""
    quarantine: str | None = None
    """Folder that the old session moved to."""


class _Stored(NamedTuple):
    """The login that a file holds; never shown."""

    server: Server
    key: bytes
    is_used: bool
    """Whether anything was ever remembered with it: who one is, who others are, how far updates were handled."""


def log_in(wanted: LoginWanted, person: Person) -> LoginResult:
    """Log in under the lease of the session, which is given back in any case; outside of any event loop.

    A session that is logged in already stays as it is, unless it is to be replaced. Raises Refused, other GavatError,
    KeyboardInterrupt (for SIGTERM and SIGHUP too).
    """
    refuse_unusable_folder(wanted.path)
    with lease_session(wanted.path):
        entry = plan_file(inspect_leased(wanted.path), now=utc_now())
        if wanted.existing is Existing.REPLACED and _may_hold_a_login(entry):
            return _log_in_anew(wanted, person, replacing(entry))
        ground = ground_of(entry)
        if ground is Ground.NOTHING:
            with _made(wanted.path) as made:
                return LoginResult(account=_log_in_at(wanted.path, wanted, person, made.keep), is_new=True)
        if entry.actions or is_older(entry):
            mend(entry, wanted.sharers.state)
        found = _logged_in_already(wanted) if ground is Ground.SESSION else None
        return LoginResult(account=found or _log_in_at(wanted.path, wanted, person), is_new=found is None)


def _may_hold_a_login(entry: PlanEntry) -> bool:
    """Whether a login anew would end something: False for nothing, an empty file, and one that has no key."""
    main, contents = entry.seen.family.main, entry.seen.contents
    return main is not None and main.size > 0 and (contents is None or contents.logged_in is not False)


def _log_in_anew(wanted: LoginWanted, person: Person, entry: PlanEntry) -> LoginResult:
    """Log in into a file beside, which takes the session's place only when Telegram has said yes."""
    new = beside(entry.seen.family)
    with suppress(FileNotFoundError):
        os.unlink(new)  # of a login that was killed; a journal beside it is SQLite's to drop: the new file is empty
    with _made(new) as made:
        account = _log_in_at(new, wanted, person)
        made.keep()
    try:
        run_id, quarantine = replace_by_login(entry, wanted.sharers.state, new)
    except GavatError as error:
        kept = _give_name(new, wanted.path.removesuffix(SUFFIX) + "-new")
        error.hint = f"the session is as it was, and the new login is not lost: it is in {printable(kept)}"
        raise
    return LoginResult(account=account, is_new=True, run_id=run_id, quarantine=quarantine)


def _give_name(new: str, stem: str) -> str:
    """Give the file a name that everybody sees, taking nobody's, and return it."""
    name = stem + SUFFIX
    while True:
        try:
            os.link(new, name)
        except FileExistsError:
            name = name.removesuffix(SUFFIX) + "+" + SUFFIX
        else:
            os.unlink(new)
            return name


class _Made:
    """A file of this login's own making."""

    def __init__(self, path: str) -> None:
        try:
            create_private(path)
        except OSError as error:
            raise SessionFileError(f"cannot be made ({error.strerror})", path=path) from error
        self._path = path
        self._file = os.lstat(path)
        self._is_kept = False

    def keep(self) -> None:
        """It holds a login, or may hold one."""
        self._is_kept = True

    def remove(self) -> None:
        """Take the file away, if it is the one that was made and no login can be in it.

        Whoever gives up expects to find what was there before: nothing. A key that nobody is logged in with is worth no
        more than none, and no bot starts on it. A journal beside it means that saving failed half-way: then both
        stay, and the next login goes on from there.
        """
        if self._is_kept or os.path.lexists(self._path + SidecarKind.JOURNAL.value):
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(self._path), self._file):
                os.unlink(self._path)


@contextmanager
def _made(path: str) -> Iterator[_Made]:
    made = _Made(path)
    try:
        yield made
    except BaseException:
        made.remove()
        raise


def _log_in_at(path: str, wanted: LoginWanted, person: Person, keep: Callable[[], None] = lambda: None) -> Account:
    """Log in on the session file; `keep()` is called once Telegram may know its key for a login."""
    session = PatientSession(path)
    try:
        if wanted.server is not None and not session.auth_key:
            session.set_dc(*wanted.server)
        return sign_in(session, wanted.api, person, keep)
    finally:
        session.close()


def _logged_in_already(wanted: LoginWanted) -> Account | None:
    """Whom Telegram knows by the key in the file; None for no key, or that of a login that was never finished.

    Raises Refused when the login is held elsewhere, was ended, or cannot be asked about. The file is only read.
    """
    stored = _stored_in(wanted.path)
    if stored is None or not stored.key:
        return None
    session = MemorySession()
    session.set_dc(*stored.server)
    session.auth_key = AuthKey(stored.key)
    with leased_login(stored.key, wanted.sharers, wait=threading.Event().wait):
        try:
            return who_is(session, wanted.api)
        except Refused as refused:
            failure = refused.failure
            if failure.kind is not FailureKind.REVOKED or failure.retryable:
                raise
            if not stored.is_used:
                return None
            hint = "log in anew, the old session is kept aside: the same command with --again"
            raise Refused(FailureKind.REVOKED, failure.code, "its login was ended", hint=hint) from refused


def _stored_in(path: str) -> _Stored | None:
    used = "SELECT EXISTS (SELECT 1 FROM entities) OR EXISTS (SELECT 1 FROM update_state)"
    with errors_named(path), closing(sqlite3.connect(sqlite_uri(path, mode="ro"), uri=True, timeout=0.0)) as database:
        row = database.execute("SELECT dc_id, server_address, port, auth_key FROM sessions").fetchone()
        (is_used,) = database.execute(used).fetchone()
    return None if row is None else _Stored(Server(*row[:3]), row[3] or b"", bool(is_used))
