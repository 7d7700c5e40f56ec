"""Users, as commands take them."""

from __future__ import annotations

from utils.redact import printable


def user_name(uid: int) -> str:
    """A user as `sudo -u` takes one."""
    return _known_name(uid) or f"'#{uid}'"


def file_owner(uid: int) -> str:
    """A user as `chown` takes one."""
    return _known_name(uid) or str(uid)


def _known_name(uid: int) -> str | None:
    import pwd

    try:
        return printable(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return None
