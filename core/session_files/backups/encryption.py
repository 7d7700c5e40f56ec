"""Encryption of backups at rest: Fernet (AES-128-CBC and HMAC-SHA256) of the package `cryptography`, where asked for.

The package is imported only when a key is set. No message, repr or error names the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import ConfigError
from core.session_files.backups.errors import BackupUnusable, WrongBackupKey
from utils.private_files import NotPrivate, read_private

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

FERNET = "fernet"
"""What a manifest calls this encryption."""
_KEY_BYTES = 32
_MAKE_KEY = "make one: python -c 'from cryptography.fernet import Fernet as F; print(F.generate_key().decode())'"


class Secret:
    """A text that shows itself to nobody."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        """The text itself."""
        return self._text


class Cipher:
    """Seals and opens backups with one key."""

    def __init__(self, fernet: Fernet) -> None:
        self._fernet = fernet

    def seal(self, data: bytes) -> bytes:
        """The data encrypted, a third longer."""
        return self._fernet.encrypt(data)

    def open(self, sealed: bytes, *, path: str) -> bytes:
        """The data of what `seal` gave, read from `path`; raises WrongBackupKey."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            hint = "set the key that it was made with; the backup is whole and stays as it is"
            raise WrongBackupKey("the backup was encrypted with another key", path=path, hint=hint) from None


def read_cipher(key: Secret | None, key_file: str | None) -> Cipher | None:
    """The cipher of the key that the settings give, or None when they give none.

    Raises ConfigError: both are set, the file is not private, the key is none, the package is missing.
    """
    if key is not None and key_file is not None:
        raise ConfigError("both GAVAT_BACKUP_KEY and GAVAT_BACKUP_KEY_FILE are set", hint="keep one of them")
    if key_file is not None:
        key = _read_key_file(key_file)
    if key is None:
        return None
    if not _is_fernet_key(key):
        raise ConfigError("the backup key is not 32 bytes in URL-safe base64", path=key_file, hint=_MAKE_KEY)
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise ConfigError(
            "encrypted backups need the package cryptography, which is not installed",
            hint="install it with `python -m pip install cryptography`, or unset the backup key",
        ) from None
    return Cipher(Fernet(key.reveal()))


def open_sealed(cipher: Cipher | None, sealed: bytes, *, encryption: str, path: str) -> bytes:
    """The data of a sealed backup; raises WrongBackupKey, and BackupUnusable for an encryption not known here."""
    if encryption != FERNET:
        raise BackupUnusable("its encryption is not known here", path=path, hint="a newer version may have made it")
    if cipher is None:
        hint = "set GAVAT_BACKUP_KEY or GAVAT_BACKUP_KEY_FILE"
        raise WrongBackupKey("the backup is encrypted, and no backup key is set", path=path, hint=hint)
    return cipher.open(sealed, path=path)


def _is_fernet_key(key: Secret) -> bool:
    from base64 import urlsafe_b64decode

    try:
        return len(urlsafe_b64decode(key.reveal().encode("ascii"))) == _KEY_BYTES
    except ValueError:  # binascii.Error is one
        return False


def _read_key_file(path: str) -> Secret:
    try:
        data = read_private(path)
    except OSError as error:
        raise ConfigError(f"the backup key cannot be read ({error.strerror})", path=path) from error
    except NotPrivate:
        raise ConfigError("the backup key is not private to this user", path=path, hint=f"chmod 600 {path}") from None
    return Secret(data.decode("ascii", errors="replace").strip())
