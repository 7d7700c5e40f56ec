"""The leases of a running bot: on its session's path, and on its login whatever file or string holds it.

The lease on a path, and that on a login on this machine, are the kernel's; the one among the hosts of a fleet is
Redis's, and is there when `GAVAT_REDIS_URL` is set.
"""

from __future__ import annotations

import os
import secrets
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import NamedTuple

from core.client.model import REDIS_AWAY, FailureKind
from core.client.refusal import LOOK_EVERY, Freed, LeaseRefused, Refused
from core.client.sharing import asking, open_link, set_by
from core.errors import ConfigError, StateError
from core.session_files.looking.holders import describe_holder
from core.session_files.looking.listing import LOCK_SUFFIX, SUFFIX
from core.state import StateFolder
from core.state.fingerprint import fingerprint, install_key
from core.state.settings import RedisSettings
from utils.clock import from_epoch, utc_text
from utils.leases import (
    FleetId,
    ForeignFleet,
    Lease,
    LeaseError,
    LeaseHeld,
    LeaseOwner,
    Leaser,
    LeaseState,
    LeaseUnsettled,
    OsLock,
    RedisLease,
    probe_os_lock,
)
from utils.redact import printable
from utils.redis_link import RedisUnavailable

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_making = threading.Lock()
_messenger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gavat-leases-given-back")
_sessions: dict[str, str] = {}
"""Those that this process runs, by the locks of their leases."""
_LOGIN = "login"
_NO_LOGIN = "0" * 32
"""Named where only the fleet is asked about: the fingerprint of no key."""
_FLEET = b"gavatcore: the fleet that this key belongs to"

Wait = Callable[[float], bool]
"""Waits so many seconds, or less: True when the start has been given up."""


def _begin_anew() -> None:
    """In a forked child: it has none of its parent's threads, and what they hold is held for ever."""
    global _messenger, _making  # noqa: PLW0603  # of this process, as they are
    _messenger = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gavat-leases-given-back")
    _making = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


class Sharers(NamedTuple):
    """Who else may run on the same logins."""

    state: StateFolder
    """All processes with this state folder."""
    redis: RedisSettings
    """All hosts with this Redis."""


def lease_session(target: str) -> OsLock:
    """The lease on a session file, held beside it as `NAME.session.lock`; raises Refused."""
    found = os.stat(os.path.dirname(target))
    path = target + LOCK_SUFFIX
    try:
        return _acquire(path, "session", owner_ids=(found.st_uid, found.st_gid))
    except LeaseError as error:
        raise Refused(
            FailureKind.FILE_SYSTEM, "LOCK_FILE", str(error), hint=error.hint or "see whether the folder can be written"
        ) from error


@contextmanager
def leased_login(key: bytes, sharers: Sharers, *, wait: Wait) -> Iterator[tuple[Lease, ...]]:
    """The leases on a login, for the block: a copy under another name, or a string of it, meets them too.

    Raises Refused, StateError.
    """
    leases = lease_login(key, sharers, wait=wait)
    try:
        yield leases
    finally:
        give_back(leases)


def lease_login(key: bytes, sharers: Sharers, *, wait: Wait) -> tuple[Lease, ...]:
    """The leases on a login, in the order in which they are to be given back; raises Refused, StateError."""
    state = sharers.state
    state.make()
    name = fingerprint(key, install_key(state))
    path = os.path.join(state.leases, name + ".lock")
    try:
        lock = _acquire(path, _LOGIN, owner_ids=None)
    except LeaseError as error:
        raise StateError(str(error), path=path, hint=error.hint) from error
    if not sharers.redis.url:
        return (lock,)
    try:
        return _lease_among_hosts(name, _place(lock), sharers, wait), lock
    except BaseException:
        lock.release()
        raise


def refuse_foreign_fleet(sharers: Sharers) -> None:
    """See before the first bot starts that this host belongs to the fleet of its Redis; raises ConfigError, StateError.

    A Redis that does not answer is no reason: each bot waits for it.
    """
    if not sharers.redis.url:
        return
    sharers.state.make()
    try:
        with suppress(RedisUnavailable), asking(sharers.redis):
            _leaser_of(sharers).looks_free(_NO_LOGIN, place="")
    except ForeignFleet as foreign:
        refused = _foreign(foreign, sharers.state)
        raise ConfigError(str(refused), hint=refused.hint) from foreign


def note_session(leases: Iterable[Lease], session: str) -> None:
    """Have those who meet these leases in this process told which session has them, until they are given back."""
    for lease in leases:
        if isinstance(lease, OsLock):
            _sessions[lease.path] = session


def give_back(leases: Iterable[Lease]) -> None:
    """Release them in their order; what Redis has to be told is told by a thread, which this does not wait for.

    The process waits for it at its end. A bot that starts again meanwhile is not hindered.
    """
    for lease in leases:
        if isinstance(lease, RedisLease):
            tell = lease.let_go()
            try:
                _messenger.submit(tell)
            except RuntimeError:  # the interpreter is shutting down
                tell()
        else:
            if isinstance(lease, OsLock):
                _sessions.pop(lease.path, None)
            lease.release()


def _acquire(path: str, what: str, *, owner_ids: tuple[int, int] | None) -> OsLock:
    """The lease on this machine; raises LeaseRefused, LeaseError."""
    try:
        return OsLock.acquire(path, owner_ids=owner_ids)
    except LeaseHeld as held:
        freed = Freed(lambda: probe_os_lock(path).state is LeaseState.FREE)
        twin = _sessions.get(path) if held.owner is not None and held.owner.pid == os.getpid() else None
        if twin is not None and what == _LOGIN:
            raise _held_by_twin(twin, freed) from held
        raise _held(what, _holder(held.owner), freed) from held


def _lease_among_hosts(name: str, place: str, sharers: Sharers, wait: Wait) -> Lease:
    leaser = _leaser_of(sharers)
    # A look counts for a sixth of the lease's length at most: more seldom ones would make the takeover later
    freed = Freed(partial(_looks_free, leaser, name, place, sharers.redis), min(LOOK_EVERY, leaser.ttl / 6))
    try:
        with asking(sharers.redis):
            return leaser.acquire(name, place=place, wait=wait)
    except LeaseHeld as held:
        raise _held(_LOGIN, _host_text(held.owner), freed) from held
    except LeaseUnsettled as unsettled:
        raise LeaseRefused(FailureKind.HELD, "LEASE_UNSETTLED", str(unsettled), hint="", freed=freed) from unsettled
    except ForeignFleet as foreign:
        raise _foreign(foreign, sharers.state) from foreign
    except RedisUnavailable as unavailable:
        raise LeaseRefused(
            FailureKind.UNREACHABLE,
            REDIS_AWAY,
            f"whether another host runs on its login is unknown: {unavailable}",
            hint=f"bring it back; where this host is the only one, take {set_by(sharers.redis)} away",
            freed=freed,
        ) from unavailable


def _foreign(foreign: ForeignFleet, state: StateFolder) -> Refused:
    copying = shlex.join(["scp", "-p", foreign.where, os.path.abspath(state.install_key)])
    return Refused(
        FailureKind.CONFIGURATION,
        "INSTALL_KEY",
        f"this host's install.key is not that of the fleet, which {foreign.where} registered: the two would not know "
        "each other's logins",
        hint=f"while no bot runs here: {copying}; or, where it is another fleet, give it a database number of its own",
    )


def _looks_free(leaser: Leaser, name: str, place: str, redis: RedisSettings) -> bool:
    try:
        with asking(redis):
            return leaser.looks_free(name, place=place)
    except (RedisUnavailable, ForeignFleet):
        return False  # it is asked again; why not is in the refusal


def _leaser_of(sharers: Sharers) -> Leaser:
    with _making:
        return _leaser(sharers, fingerprint(_FLEET, install_key(sharers.state)), os.getpid())


@cache
def _leaser(sharers: Sharers, check: str, _pid: int) -> Leaser:
    """One for all bots of a process: it renews their leases together. Raises ConfigError."""
    me, redis = LeaseOwner.of_this_process(), sharers.redis
    fleet = FleetId(check=check, where=f"{me.host}:{os.path.abspath(sharers.state.install_key)}")
    return Leaser(open_link(redis), about=me, ttl=redis.lease_ttl, loss=redis.lease_loss, fleet=fleet)


def _place(lock: OsLock) -> str:
    """Names the lock's file among all machines: whoever holds its lock knows that no other process does.

    A kernel (its boot) and a file's device and inode there; a copy of the state folder on another machine, or beside
    this one, is another place.
    """
    found = os.stat(lock.path)
    try:
        with open(_BOOT_ID, encoding="ascii") as opened:
            kernel = opened.read().strip()
    except OSError:
        kernel = secrets.token_hex(16)  # one that nobody else has: then nothing follows from the lock
    return f"{kernel}:{found.st_dev}:{found.st_ino}"


def _held(what: str, holder: str, freed: Freed) -> LeaseRefused:
    return LeaseRefused(
        FailureKind.HELD,
        "LEASE_HELD",
        f"its {what} is in use by {holder}",
        hint="one client a login: stop that one, or wait until it ends; this one takes over then",
        freed=freed,
    )


def _held_by_twin(twin: str, freed: Freed) -> LeaseRefused:
    """Two files of one login, or a file and its string, in one process."""
    name = os.path.basename(twin).removesuffix(SUFFIX)
    return LeaseRefused(
        FailureKind.HELD,
        "LEASE_HELD",
        f"its login is in use by {twin}, in this process (pid {os.getpid()})",
        hint=f"same login as {name}: keep one; `run = false` for the other",
        freed=freed,
    )


def _holder(owner: LeaseOwner | None) -> str:
    if owner is None:
        return "another process"
    if owner.host != os.uname().nodename:
        return _host_text(owner)
    if owner.pid == os.getpid():
        return f"another client in this process (pid {owner.pid}) since {printable(owner.acquired_at)}"
    return holder_text(owner.pid)


def _host_text(owner: LeaseOwner | None) -> str:
    """A process that may be on another machine: what it said of itself."""
    if owner is None:
        return "another host"
    return owner.described()


def holder_text(pid: int) -> str:
    """A process as it is named to people: PID, command, since when, systemd unit or container."""
    holder = describe_holder(pid)
    since = f" since {utc_text(from_epoch(holder.since))}" if holder.since is not None else ""
    unit = f" in {holder.unit}" if holder.unit else ""
    command = f" ({holder.command})" if holder.command else ""
    return f"pid {pid}{command}{since}{unit}"
