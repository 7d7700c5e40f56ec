"""What can be wrong with a session that is to be backed up, or with a backup.

SessionFileError
└── BackupRefused            the session cannot be backed up as it is: it is to be mended first
GavatError
└── BackupUnusable           a stored backup cannot be read, or its bytes are not those that were stored
    └── WrongBackupKey       it is whole, but sealed with another key
"""

from __future__ import annotations

from core.errors import GavatError, SessionFileError

MEND_FIRST = "mend it first: cleanup_sessions.py files"
COMPLETE_FIRST = "complete it first: cleanup_sessions.py files repair-schema"
RESCUE_FIRST = "rescue it: cleanup_sessions.py files salvage, or files restore"


class BackupRefused(SessionFileError):
    """The session cannot be backed up as it is; nothing was written beside it, and no backup was made."""


class BackupUnusable(GavatError):
    """A stored backup cannot be read, or its bytes are not those that were stored; it was left as it is."""


class WrongBackupKey(BackupUnusable):
    """A backup is encrypted, and the key at hand is none or another one; nothing was changed."""
