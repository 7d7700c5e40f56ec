"""Authorisation keys as the server knows them: who is logged in with one, and what became of it."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.telegram.encryption import KEY_BYTES, key_id

if TYPE_CHECKING:
    from tests.telegram.accounts import Account
    from tests.telegram.connections import Connection
    from tests.telegram.srp import Challenge


@dataclass(slots=True, kw_only=True, eq=False)
class Key:
    """One key. `error` answers all that needs a login (a revoked session); `burnt` answers everything, for ever."""

    secret: bytes
    account: "Account | None" = None
    awaiting_password: "Account | None" = None
    error: str | None = None
    burnt: bool = False
    connections: "list[Connection]" = field(default_factory=list)  # the live ones that use it
    challenges: "dict[int, Challenge]" = field(default_factory=dict)  # by srp_id, each good for one answer

    def log_in(self, account: "Account") -> None:
        """The account is logged in with this key, whatever was before."""
        self.log_out()
        self.account = account
        account.keys.append(self)

    def await_password(self, account: "Account") -> None:
        """The account is half logged in: its code was right, its password is still to come."""
        self.log_out()
        self.awaiting_password = account

    def log_out(self) -> None:
        """Nobody is logged in with this key."""
        if self.account is not None:
            self.account.keys.remove(self)
        self.account = self.awaiting_password = self.error = None


class Keys:
    """All keys by their id on the wire; one that is forgotten is answered with -404."""

    def __init__(self) -> None:
        self._by_id: dict[bytes, Key] = {}

    def make(self, account: "Account | None" = None, *, secret: bytes | None = None) -> Key:
        """A new key, logged in as the account where one is given."""
        key = Key(secret=secret or os.urandom(KEY_BYTES))
        if account is not None:
            key.log_in(account)
        self._by_id[key_id(key.secret)] = key
        return key

    def find(self, wire_id: bytes) -> Key | None:
        """The key that a payload names."""
        return self._by_id.get(wire_id)

    def forget(self, key: Key) -> None:
        """The server no longer knows it."""
        key.log_out()
        del self._by_id[key_id(key.secret)]
