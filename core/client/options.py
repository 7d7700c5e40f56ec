"""The options that Telethon gets, and the refusal of those that would cost the login or fail without saying why."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from telethon.network import ConnectionTcpFull
from telethon.network.connection.tcpmtproxy import TcpMTProxy

from core.client.model import FailureKind
from core.client.refusal import Refused
from utils.redact import printable

_FOREVER = -1
"""Telethon's way to say that connecting is tried without end; the pace and the deadline of a start bound it."""
_PROXY_LIBRARIES = ("python_socks", "socks")


def telethon_options(session: Any, api_id: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What was given, over what a fleet needs; raises Refused for what cannot go well on this session."""
    options = {
        "catch_up": given.get("receive_updates", True),
        "connection_retries": _FOREVER,
        "raise_last_call_error": True,
        "use_ipv6": ":" in (session.server_address or ""),
    } | given
    _refuse_no_number(api_id)
    _refuse_other_data_centre(session.server_address, use_ipv6=options["use_ipv6"])
    _refuse_proxy_without_library(options.get("proxy"), options.get("connection", ConnectionTcpFull))
    return options


def _refuse_no_number(api_id: Any) -> None:
    """Refuse without repeating the value: where the two were swapped it is the api_hash."""
    try:
        int(api_id)
    except (TypeError, ValueError):
        raise Refused(
            FailureKind.CONFIGURATION, "API_ID", "api_id is not a number", hint="was it swapped with api_hash?"
        ) from None


def _refuse_other_data_centre(address: str | None, *, use_ipv6: bool) -> None:
    """Refuse where Telethon would write its own choice of data centre over the one to which the session's key belongs.

    It does so before it connects (client/telegrambaseclient.py `connect`), and the key works nowhere else.
    """
    if not address:
        raise Refused(
            FailureKind.UNUSABLE,
            "NO_ADDRESS",
            "the session does not say where its data centre is",
            hint="bring a backup back: cleanup_sessions.py files restore",
        )
    if (":" in address) != use_ipv6:
        raise Refused(
            FailureKind.CONFIGURATION,
            "USE_IPV6",
            f"use_ipv6={use_ipv6} does not fit the session's data centre at {printable(address)}",
            hint="leave use_ipv6 out: the session knows",
        )


def _refuse_proxy_without_library(proxy: Any, connection: type[Any]) -> None:
    needs_library = proxy and not issubclass(connection, TcpMTProxy)
    if needs_library and not any(map(find_spec, _PROXY_LIBRARIES)):
        raise Refused(
            FailureKind.CONFIGURATION,
            "PROXY",
            "Telethon needs the package python-socks to use a proxy",
            hint="pip install 'python-socks[asyncio]'",
        )
