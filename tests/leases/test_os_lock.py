"""The lease on this machine: held by one process, asked without being taken, lost in the open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tool import ROOT
from utils.leases import LeaseError, LeaseHeld, LeaseLost, LeaseOwner, LeaseState, OsLock, probe_os_lock, watch_lease


@pytest.fixture
def lock_path(tmp_path: Path) -> str:
    return str(tmp_path / "a.session.lock")


def test_a_lease_is_held_by_one_at_a_time(lock_path: str) -> None:
    """The second taker is refused at once and told who has it."""
    with OsLock.acquire(lock_path), pytest.raises(LeaseHeld) as refused:
        OsLock.acquire(lock_path)

    assert refused.value.owner is not None
    assert refused.value.owner.pid == os.getpid()
    assert f"held by pid {os.getpid()}" in str(refused.value)


def test_a_lease_given_back_can_be_taken_again(lock_path: str) -> None:
    """Releasing twice does no harm, and the file stays where it is."""
    lock = OsLock.acquire(lock_path)
    inode = os.stat(lock_path).st_ino
    lock.release()
    lock.release()

    with OsLock.acquire(lock_path):
        assert os.stat(lock_path).st_ino == inode


def test_asking_tells_the_state_and_takes_nothing(lock_path: str) -> None:
    """Free, held with its owner, free again; a thousand askings refuse no taker."""
    assert probe_os_lock(lock_path).state is LeaseState.FREE
    assert not os.path.exists(lock_path)

    with OsLock.acquire(lock_path):
        asked = probe_os_lock(lock_path)
    assert asked.state is LeaseState.HELD
    assert asked.owner is not None
    assert asked.owner.pid == os.getpid()

    for _asking in range(1000):
        assert probe_os_lock(lock_path).state is LeaseState.FREE
        OsLock.acquire(lock_path).release()


def test_reading_the_lock_file_elsewhere_does_not_drop_the_lease(lock_path: str) -> None:
    """What would drop a POSIX lock, open and close in the same process, leaves this one alone."""
    with OsLock.acquire(lock_path):
        Path(lock_path).read_bytes()

        assert probe_os_lock(lock_path).state is LeaseState.HELD


def test_a_killed_holder_leaves_a_free_lease(lock_path: str) -> None:
    """The kernel ends the lease with the process: nothing is ever stale."""
    code = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[2])\n"
        "from utils.leases import OsLock; lock = OsLock.acquire(sys.argv[1])\n"
        "print('held', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, lock_path, str(ROOT)], capture_output=True, text=True, check=False
    )

    assert killed.stdout == "held\n"
    assert probe_os_lock(lock_path).state is LeaseState.FREE


def test_a_replaced_lock_file_is_a_lost_lease(lock_path: str) -> None:
    """Somebody deletes lock files: the holder notices at its next check, though the kernel still counts its lock."""
    lock = OsLock.acquire(lock_path)
    lock.check()
    os.unlink(lock_path)
    Path(lock_path).touch()

    with pytest.raises(LeaseLost, match="removed or replaced"):
        lock.check()
    lock.release()


def test_a_forked_child_knows_that_the_lease_is_not_its_own(lock_path: str) -> None:
    """The child inherits the descriptor; its check says so, the parent's stays true."""
    lock = OsLock.acquire(lock_path)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            lock.check()
        except LeaseLost as lost:
            os.write(write, str(lost).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)

    with open(read, "rb") as told:
        assert b"this is its forked child" in told.read()
    lock.check()
    lock.release()
    with pytest.raises(LeaseLost, match="given back"):
        lock.check()


def test_the_lock_file_is_private_and_never_shrinks(lock_path: str) -> None:
    """0600, and the text is overwritten in place."""
    os.umask(os.umask(0o022))
    OsLock.acquire(lock_path).release()
    first = os.stat(lock_path)

    OsLock.acquire(lock_path).release()

    assert first.st_mode & 0o777 == 0o600
    assert os.stat(lock_path).st_size == first.st_size == 512


def test_foreign_text_in_the_file_is_not_believed(lock_path: str) -> None:
    """Anybody can write there: junk is no owner, and it does not free or hold anything."""
    for junk in (b"", b"\xff" * 600, b"[]", b'{"pid": "x"}', b'{"pid": 1}'):
        Path(lock_path).write_bytes(junk)
        assert probe_os_lock(lock_path).state is LeaseState.FREE
        assert LeaseOwner.from_text(junk.decode("latin-1")) is None


def test_a_lock_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    """A missing folder is an error with a hint, not a lease."""
    with pytest.raises(LeaseError) as failed:
        OsLock.acquire(str(tmp_path / "no" / "a.session.lock"))

    assert failed.value.hint is not None


def test_a_lock_file_behind_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link named like the lock file is somebody's trick."""
    (tmp_path / "a.session.lock").symlink_to(tmp_path / "target")

    with pytest.raises(LeaseError):
        OsLock.acquire(str(tmp_path / "a.session.lock"))

    assert not (tmp_path / "target").exists()
    assert probe_os_lock(str(tmp_path / "a.session.lock")).state is LeaseState.UNKNOWN


def test_the_watch_returns_the_loss_at_the_next_minute(lock_path: str) -> None:
    """It checks each minute and ends with the reason."""
    lock = OsLock.acquire(lock_path)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            os.unlink(lock_path)

    loss = asyncio.run(watch_lease(lock, sleep=sleep))

    assert "removed or replaced" in str(loss)
    assert slept == [60.0, 60.0, 60.0]
    lock.release()
