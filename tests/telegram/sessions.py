"""Session files and string sessions that lead to the server."""

from pathlib import Path
from typing import Any

from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession, StringSession
from telethon.tl import types

ADDRESS = "127.0.0.1"  # an empty or IPv6 address would make Telethon connect to Telegram itself
DC_ID = 2


def write_session_file(path: Path, secret: bytes | None, *, port: int, users: list[Any], chats: list[Any]) -> Path:
    """Write a session file with this key (None: without any), knowing these users and chats; give its path."""
    session = SQLiteSession(str(path))
    try:
        session.set_dc(DC_ID, ADDRESS, port)
        if secret is not None:
            session.auth_key = AuthKey(secret)
        session.process_entities(types.contacts.ResolvedPeer(None, chats, users))
        session.save()
    finally:
        session.close()
    return Path(session.filename)


def string_session(secret: bytes, *, port: int) -> str:
    """A string session with this key."""
    session = StringSession()
    session.set_dc(DC_ID, ADDRESS, port)
    session.auth_key = AuthKey(secret)
    return str(session.save())
