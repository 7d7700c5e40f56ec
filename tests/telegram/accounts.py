"""Accounts: users and bots, as a test holds them in its hands."""

from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from telethon.tl import types

from tests.telegram.boxes import Box, Message
from tests.telegram.keys import Key
from tests.telegram.peer import Peer

if TYPE_CHECKING:
    from tests.telegram.world import World


class Standing(Enum):
    """What the account may do: all, nothing at all, or only look."""

    GOOD = auto()
    BANNED = auto()
    FROZEN = auto()


class Account(Peer):
    """One account with one login to begin with (`key`), which `session_file` and `string_session` write down."""

    def __init__(self, world: "World", first_name: str, *, number: int, is_bot: bool, username: str | None) -> None:
        self._world = world
        self.id = number
        self.first_name = first_name
        self.username = username
        self.is_bot = is_bot
        self.phone: str | None = None if is_bot else f"99966{number % 100_000_000:08}"
        self.bot_token: str | None = f"{number}:{world.secret_for(number)}" if is_bot else None
        self.password: str | None = None
        self.standing = Standing.GOOD
        self.deaf = False
        self.contacts: list[Account] = []
        self.blocked: list[Account] = []
        self.box = Box()
        self.keys: list[Key] = []  # its logins, oldest first
        self.key = world.keys.make(self).secret  # the 256 bytes of its first login

    def __repr__(self) -> str:
        return f"<account {self.first_name!r} {self.id}>"

    @property
    def marked_id(self) -> int:
        """The id as Telethon's `chat_id` shows it; a user's is plain."""
        return self.id

    @property
    def tl_peer(self) -> "types.TypePeer":
        """The account as a TL peer."""
        return types.PeerUser(self.id)

    def session_file(self, path: Path, *, key: bytes | None = None) -> Path:
        """Write a Telethon session file that is logged in, and give its path, which ends in `.session`.

        It knows the access hashes of all that this account sees, so ids resolve without a request. `key` is
        another login of the account (see `log_in_elsewhere`).
        """
        return self._world.write_session_file(path, key or self.key, viewer=self)

    def string_session(self, *, key: bytes | None = None) -> str:
        """The login as a Telethon string session (which holds no access hashes)."""
        return self._world.string_session(key or self.key)

    def receives(self, text: str, *, sender: "Account") -> Message:
        """Deliver a private message to this account, and its copy to the sender's own clients."""
        return self._world.deliver(Message(text=text, sender=sender, chat=self, date=self._world.now())).message

    def revoke(self, error: str = "SESSION_REVOKED", *, key: bytes | None = None) -> None:
        """End all its logins, or one: requests that need one are answered with 401 and this error."""
        for login in self.keys:
            if key is None or login.secret == key:
                login.error = error

    def ban(self) -> None:
        """The account is deleted by Telegram: USER_DEACTIVATED_BAN to itself, INPUT_USER_DEACTIVATED to others."""
        self.standing = Standing.BANNED

    def freeze(self) -> None:
        """The account may only look: FROZEN_METHOD_INVALID on all else."""
        self.standing = Standing.FROZEN

    def pardon(self) -> None:
        """Take a ban or a freeze back."""
        self.standing = Standing.GOOD

    def forget_keys(self) -> None:
        """The server no longer knows its keys: -404 on the transport."""
        for login in list(self.keys):
            self._world.keys.forget(login)

    def log_in_elsewhere(self) -> bytes:
        """Another device logs in: its key; the account's live clients are told so."""
        key = self._world.keys.make(self)
        self._world.announce_login(self)
        return key.secret
