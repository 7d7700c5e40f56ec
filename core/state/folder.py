"""The state folder: where each thing that outlives a run lies."""

from __future__ import annotations

import os
from typing import NamedTuple, Self

from core.errors import StateError


class StateFolder(NamedTuple):
    """Paths below the state folder; making it is a separate step, so that looking creates nothing."""

    path: str

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Self:
        """The folder of that name, seen from the working directory of now."""
        return cls(os.path.abspath(path))

    @property
    def runs(self) -> str:
        """History of runs (SQLite)."""
        return os.path.join(self.path, "runs.sqlite3")

    @property
    def copies(self) -> str:
        """Byte copies of families, taken before each change."""
        return os.path.join(self.path, "copies")

    @property
    def backups(self) -> str:
        """Scheduled backups of sessions, live ones too."""
        return os.path.join(self.path, "backups")

    @property
    def run_lock(self) -> str:
        """Lock file of the run at work."""
        return os.path.join(self.path, "run.lock")

    @property
    def leases(self) -> str:
        """Lock files of logins, named by fingerprint."""
        return os.path.join(self.path, "leases")

    @property
    def status(self) -> str:
        """What processes say of their bots, one file each."""
        return os.path.join(self.path, "status")

    @property
    def install_key(self) -> str:
        """The fleet's secret, under which logins are told apart."""
        return os.path.join(self.path, "install.key")

    def make(self) -> None:
        """Create the folder (0700) where it is missing; raises StateError when it cannot be used.

        Nothing is made in the folder of another user: its owner could not write into what root leaves there.
        """
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._refuse_another_users()
            os.makedirs(self.copies, mode=0o700, exist_ok=True)
            os.makedirs(self.leases, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"the state folder cannot be made or used ({error.strerror})",
                path=self.path,
                hint="set GAVAT_STATE to a folder that this user may write, on a disk with free space",
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise StateError(
                "the state folder cannot be written",
                path=self.path,
                hint="run as its owner, or set GAVAT_STATE to a folder of your own",
            )

    def _refuse_another_users(self) -> None:
        if os.stat(self.path).st_uid != os.geteuid():
            raise StateError(
                "the state folder belongs to another user, who could change what undo gives back",
                path=self.path,
                hint="run as its owner, or set GAVAT_STATE to a folder of your own",
            )


def is_state_folder(path: str) -> bool:
    """Whether a folder looks like a state folder, ours or another one: its copies must never be taken for sessions."""
    state = StateFolder(path)
    return any(map(os.path.isdir, (state.copies, state.backups))) and (
        os.path.exists(state.runs) or os.path.exists(state.run_lock)
    )
