"""The methods of the API by their names, and what one of them is handed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.telegram.accounts import Account
from tests.telegram.keys import Key
from tests.telegram.peers import Peers

if TYPE_CHECKING:
    from tests.telegram.connections import Connection
    from tests.telegram.settings import Settings
    from tests.telegram.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request under way."""

    world: "World"
    settings: "Settings"
    connection: "Connection"
    key: Key
    query: Any

    @property
    def viewer(self) -> Account:
        """Who asks; only methods that need a login may want to know."""
        assert self.key.account is not None
        return self.key.account

    @property
    def peers(self) -> Peers:
        """Resolves what the asker names."""
        return Peers(self.world, self.viewer)


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method: what it does, who may call it."""

    run: Handler
    needs_login: bool
    for_bots: bool


METHODS: dict[str, Method] = {}


def method(*names: str, needs_login: bool = True, for_bots: bool = True) -> Callable[[Handler], Handler]:
    """Register a function as the method of these names; it gives a TL object, a list of them, or a bool."""

    def register(run: Handler) -> Handler:
        METHODS.update(dict.fromkeys(names, Method(run=run, needs_login=needs_login, for_bots=for_bots)))
        return run

    return register


def method_name(query: Any) -> str:
    """`messages.sendMessage` for a SendMessageRequest, `ping` for a PingRequest."""
    area = type(query).__module__.rpartition(".")[2]
    name = type(query).__name__.removesuffix("Request")
    name = name[:1].lower() + name[1:]
    return name if area == "functions" else f"{area}.{name}"
