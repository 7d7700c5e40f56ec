"""One changing run at a time for one state folder."""

from __future__ import annotations

from core.errors import RunLockHeld, StateError
from core.state.folder import StateFolder
from utils.leases import LeaseError, LeaseHeld, LeaseState, OsLock, probe_os_lock


def run_lock(state: StateFolder) -> OsLock:
    """Take the run lock, a context manager; raises RunLockHeld when another run has it."""
    try:
        return OsLock.acquire(state.run_lock)
    except LeaseHeld as held:
        raise RunLockHeld(f"another run is at work: {held}", hint="wait until it has ended, then run again") from held
    except LeaseError as error:
        raise StateError(str(error), hint=error.hint) from error


def pid_at_work(state: StateFolder) -> int | None:
    """The process of the run at work, asked without taking its lock; None when there is none."""
    probe = probe_os_lock(state.run_lock)
    return probe.owner.pid if probe.state is LeaseState.HELD and probe.owner else None
