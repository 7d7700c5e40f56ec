"""Settings of the backups of sessions."""

from __future__ import annotations

from typing import NamedTuple

from core.session_files.backups.encryption import Secret
from core.session_files.backups.rotation import RotationPolicy
from core.settings import Declaration, Room, parse_count, parse_path


class BackupSettings(NamedTuple):
    """`[backup]` of gavat.toml."""

    newest: int = 7
    daily: int = 7
    weekly: int = 4
    key: Secret | None = None
    """Encrypts new backups and opens old ones; its text is in no message and no repr."""
    key_file: str | None = None
    """Where the key lies instead; private to its owner."""

    @property
    def rotation(self) -> RotationPolicy:
        """Which backups of a session stay."""
        return RotationPolicy(self.newest, self.daily, self.weekly)


def _parse_count_or_none(text: str) -> int:
    return 0 if text == "0" else parse_count(text)


BACKUP_ROOM = Room(
    "backup",
    BackupSettings,
    {
        "newest": Declaration("GAVAT_BACKUP_NEWEST", parse_count, "how many of the newest backups stay, at least 1"),
        "daily": Declaration("GAVAT_BACKUP_DAILY", _parse_count_or_none, "for how many days the last backup stays"),
        "weekly": Declaration("GAVAT_BACKUP_WEEKLY", _parse_count_or_none, "for how many weeks the last backup stays"),
        "key": Declaration("GAVAT_BACKUP_KEY", Secret, "a Fernet key: 32 bytes in URL-safe base64"),
        "key_file": Declaration("GAVAT_BACKUP_KEY_FILE", parse_path, "a file (0600) that holds the key"),
    },
)
