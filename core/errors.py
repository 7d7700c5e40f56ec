"""The one error tree of `core`: every error says what, where and what to do next.

GavatError
├── ConfigError              a setting or argument is wrong: exit 2
├── SessionFileError         about one session file; the run goes on with the next
│   ├── SessionFileBusy      somebody uses it: left alone, retryable
│   ├── SessionFileDamaged   SQLite cannot read it
│   └── PlanOutdated         it changed since it was looked at, retryable
├── FolderReadOnly           this user may not change a folder: its sessions stay as they are
├── CopyFailed               the copy that must come first could not be made
├── StateError               the state folder or a file in it cannot be used
│   └── RunLockHeld          another run is at work: exit 11, retryable
├── RunUnfinished            a killed run left a session half moved: exit 3
└── UndoRefused              undo would destroy something newer
"""

from __future__ import annotations

from typing import ClassVar


class GavatError(Exception):
    """An expected failure with what the reader needs: message, the path it is about, the next step."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint


class ConfigError(GavatError):
    """A setting, environment variable or argument that cannot be used."""


class SessionFileError(GavatError):
    """Something about one session file."""


class SessionFileBusy(SessionFileError):
    """Another process uses the file; nothing was changed."""

    retryable = True


class SessionFileDamaged(SessionFileError):
    """SQLite cannot read the file, or what it reads is not whole."""


class PlanOutdated(SessionFileError):
    """The file is not as it was when the plan was made; nothing was changed."""

    retryable = True


class FolderReadOnly(GavatError):
    """A folder in which this user may not, or must not, change anything; nothing was changed there."""


class CopyFailed(GavatError):
    """The byte copy that precedes every change could not be made; nothing was changed."""


class StateError(GavatError):
    """The state folder, or a file in it, cannot be used."""


class RunLockHeld(StateError):
    """Another run of the tool is at work with the same state folder."""

    retryable = True


class RunUnfinished(GavatError):
    """A run was killed while it put a file in a session's place; what it moved is to be brought back first."""


class UndoRefused(GavatError):
    """Undoing would overwrite what came after; nothing was changed."""
