"""A sample fleet: sessions written by the real Telethon class, their writers really killed (SIGKILL).

Each writer is a forked child of this process that does its work and kills itself in the middle, so the journals and
WALs are what a crash leaves, not imitations. The live holder is a process of its own that ends by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from core.errors import ConfigError, GavatError

HOLDER_MINUTES = 10
_OLD = 3600
_HOLDER = """
import sys, time
sys.path.insert(0, {root!r})
from core.session_files.sample_fleet import leave_transaction_open
session = leave_transaction_open({path!r})
print("holding", flush=True)
time.sleep({seconds})
"""


class SampleFleet(NamedTuple):
    """What was made."""

    folder: str
    sessions: tuple[tuple[str, str], ...]
    """Name and what it shows."""
    holder_pid: int
    holder_minutes: int = HOLDER_MINUTES


def make_sample_fleet(folder: str, *, holder_minutes: int = HOLDER_MINUTES) -> SampleFleet:
    """Make the fleet in a new or empty folder.

    Raises ConfigError when the folder has something in it, GavatError when Telethon is not installed.
    """
    _session_class()
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.listdir(folder):
            raise ConfigError("is not empty", path=folder, hint="name a folder that does not exist yet")
    except OSError as error:
        raise ConfigError(f"cannot be made ({error.strerror})", path=folder) from error
    made = [(name, what) for name, what, make in _SAMPLES if _made(make, os.path.join(folder, name))]
    pid = _start_holder(os.path.join(folder, "shop_01"), holder_minutes)
    return SampleFleet(folder, (("shop_01", "held by a live process, in a transaction"), *made), pid, holder_minutes)


def leave_transaction_open(path: str) -> Any:
    """A logged-in session with entities written and not yet committed, as Telethon keeps one for up to a minute."""
    session = _logged_in(path)
    session.process_entities(_people(0, 20))
    return session


def _session_class() -> Any:
    try:
        from telethon.sessions import SQLiteSession
    except ImportError as error:
        from core.state.settings import ROOT

        hint = f"run it with the environment of `make run`: {ROOT}/.venv/bin/python {ROOT}/cleanup_sessions.py demo DIR"
        raise GavatError("the sample fleet needs Telethon, which is not installed", hint=hint) from error
    return SQLiteSession


def _logged_in(path: str) -> Any:
    from telethon.crypto import AuthKey

    session = _session_class()(path)
    os.chmod(path + ".session", 0o600)
    session.set_dc(2, "149.154.167.51", 443)
    session.auth_key = AuthKey(os.urandom(256))
    session.process_entities(_people(1000, 60))
    session.save()
    return session


def _people(first: int, count: int) -> Any:
    from telethon.tl.types import User
    from telethon.tl.types.contacts import ResolvedPeer

    users = [User(id=first + n + 1, access_hash=7 * n, first_name=f"Customer {n}" + 60 * "x") for n in range(count)]
    return ResolvedPeer(peer=None, chats=[], users=users)


def _made(make: Callable[[str], None], path: str) -> bool:
    make(path)
    return True


def _killed(write: Callable[[str], object], path: str) -> None:
    """Run `write(path)` in a child that then kills itself with everything open."""
    pid = os.fork()
    if pid == 0:
        try:
            keep = write(path)
            os.kill(os.getpid(), signal.SIGKILL)
            del keep
        finally:
            os._exit(1)
    _pid, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        raise GavatError("a sample writer failed before it could be killed", path=path)


def write_healthy(path: str) -> None:
    """A logged-in session, closed properly. `path` without `.session`."""
    _logged_in(path).close()


def crash_in_large_transaction(path: str) -> None:
    """Killed when part of a transaction had reached the file: a hot journal. `path` without `.session`."""

    def write(path: str) -> object:
        session = _logged_in(path)
        session._cursor().execute("PRAGMA cache_size = 4")  # a transaction larger than the cache reaches the file
        session.process_entities(_people(0, 500))
        return session

    _killed(write, path)


def crash_in_wal_mode(path: str) -> None:
    """Killed in WAL mode: the last commits are only in the -wal. `path` without `.session`."""

    def write(path: str) -> object:
        session = _logged_in(path)
        session._cursor().execute("PRAGMA journal_mode = WAL")
        for batch in range(4):
            session.process_entities(_people(100 * batch, 100))
            session.save()
        return session

    _killed(write, path)


def crash_in_small_transaction(path: str) -> None:
    """Killed before a commit began: a journal with nothing to play back. `path` without `.session`."""
    _killed(leave_transaction_open, path)


def _damaged(path: str) -> None:
    write_healthy(path)
    file = path + ".session"
    os.truncate(file, os.path.getsize(file) - 3 * 4096)
    written = os.path.getmtime(file) - _OLD
    os.utime(file, (written, written))


def _orphan(path: str) -> None:
    crash_in_large_transaction(path)
    os.unlink(path + ".session")


def _readable(path: str) -> None:
    write_healthy(path)
    os.chmod(path + ".session", 0o644)


def _start_holder(path: str, minutes: int) -> int:
    """A bot as the process table shows one, `python bot.py`; its script is gone once it runs."""
    from core.state.settings import ROOT

    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "bot.py")
        with open(script, "w", encoding="utf-8") as opened:
            opened.write(_HOLDER.format(root=ROOT, path=os.path.abspath(path), seconds=60 * minutes))
        holder = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert holder.stdout is not None
        with holder.stdout:
            if holder.stdout.readline() != b"holding\n":
                raise GavatError("the sample holder did not start", path=path)
    return holder.pid


_SAMPLES: tuple[tuple[str, str, Callable[[str], None]], ...] = (
    ("shop_02", "healthy", write_healthy),
    ("shop_03", "killed inside a large transaction: hot journal", crash_in_large_transaction),
    ("shop_04", "healthy", write_healthy),
    ("shop_05", "killed inside a small transaction: cold journal", crash_in_small_transaction),
    ("shop_06", "healthy", write_healthy),
    ("shop_07", "killed in WAL mode: commits only in the -wal", crash_in_wal_mode),
    ("shop_08", "healthy", write_healthy),
    ("shop_09", "readable by everyone", _readable),
    ("shop_10", "its session file was deleted, the hot journal is left", _orphan),
    ("shop_11", "damaged: its last pages are missing", _damaged),
)
