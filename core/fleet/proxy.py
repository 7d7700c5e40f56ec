"""A proxy as one address, and as Telethon takes it; its password is in no message and no repr."""

from __future__ import annotations

from typing import Any, NamedTuple

_KINDS = ("socks5", "socks4", "http")
_FORM = "write socks5://user:password@host:port (or socks4, http), with what is special in a password as %40"


class Proxy(NamedTuple):
    """Where a bot's connections go through."""

    kind: str
    """`socks5`, `socks4` or `http`."""
    host: str
    port: int
    user: str = ""
    password: str = ""

    def __str__(self) -> str:
        """As an address, without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}"

    def __repr__(self) -> str:
        """The same: what is shown by mistake must not tell them either."""
        return f"Proxy({self})"

    def for_telethon(self) -> dict[str, Any]:
        """Telethon's `proxy=`; names are resolved at the proxy, so that the bot's own machine asks nobody for them."""
        given = {"proxy_type": self.kind, "addr": self.host, "port": self.port, "rdns": True}
        return given | ({"username": self.user, "password": self.password} if self.user else {})


def parse_proxy(text: str) -> Proxy:
    """A proxy from its address. Raises ValueError that repeats nothing of it: it may hold a password."""
    from urllib.parse import unquote, urlsplit  # every command reads settings, and hardly one has a proxy

    try:
        parts = urlsplit(text)
        kind, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:  # a port that is no number, a bracket too many
        raise ValueError(f"that is no address of a proxy; {_FORM}") from None
    if kind not in _KINDS or not host or not port or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"that is no address of a proxy; {_FORM}")
    return Proxy(kind, host, port, unquote(parts.username or ""), unquote(parts.password or ""))
