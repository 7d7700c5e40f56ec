"""How the helper behaves; every time is in seconds, since these names are in users' fingers as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from urllib.parse import urlsplit

from gpt.errors import GptSettingsError

PRESETS: Mapping[str, float] = MappingProxyType({"standard": 5.0, "conservative": 10.0})
"""The least time between two requests, by preset."""


LONGEST_DEADLINE = 600
"""Seconds; what a question holds of the budget is taken for spent after 15 minutes."""
_LARGEST = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class GptSettings:
    """Raises GptSettingsError for what cannot be."""

    model: str = ""
    """Asked when a question names none."""
    temperature: float | None = 0.8
    """Of questions that name none; None leaves it out, as models that reason want it."""
    preset: str = "standard"
    """`standard` or `conservative`: decides `min_request_interval` where that is not given."""
    timeout: float = 30.0
    """Time on the wire for one question, all its tries together; waits at the gate and between tries do not count."""
    deadline: float = 300.0
    """How long a caller waits in all."""
    min_request_interval: float | None = None
    """Between two requests of this key, retries included, of all processes that share a Redis.

    None: the preset's, or none where `requests_per_minute` is given; 0: no such limit.
    """
    requests_per_minute: int | None = None
    """The provider's own limit, where it is known; the slower of both counts."""
    tokens_per_minute: int | None = None
    processes: int = 1
    """How many share the key: while Redis is down each keeps to its part of the rate."""
    max_retries: int = 2
    """Tries after the first one: 2 means three attempts, as in OpenAI's own SDK."""
    base_delay: float = 10.0
    """Wait before the first retry, where the server does not say how long; doubled each time."""
    max_delay: float = 120.0
    """Longest such wait."""
    cache_ttl: float = 300.0
    """How long a reply answers the same question, give or take 10 %; 0 keeps none."""
    stale_for: float = 0.0
    """How long after that it may still stand in for a failing provider, marked as stale."""
    max_entries: int = 10_000
    max_bytes: int = 64 * 2**20
    breaker_failures: int = 5
    """Failures of the provider in a row that open the circuit; no quota and a refused key open it at once."""
    breaker_rest: float = 60.0
    """Time until one probe is let through."""
    daily_tokens: int | None = None
    daily_money: float | None = None
    """US dollars a day (UTC) of all bots; None: no limit."""
    bot_daily_tokens: int | None = None
    bot_daily_money: float | None = None
    alert_at: float = 0.8
    """Share of a limit at which operators are told."""
    prices: str = ""
    """A price table of your own; empty: `gpt/budget/prices.toml`."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise GptSettingsError(f"preset is {self.preset!r}", hint=f"one of {', '.join(PRESETS)}")
        if self.min_request_interval is None:
            interval = PRESETS[self.preset] if self.requests_per_minute is None else 0.0
            object.__setattr__(self, "min_request_interval", interval)
        for one in fields(self):
            value = getattr(self, one.name)
            _refuse(one.name, value)
            if one.name in _WHOLE and value is not None:
                object.__setattr__(self, one.name, int(value))  # 500.0 is a whole number too


_TEXTS = {"model", "preset", "prices"}
_MAY_BE_MISSING = {
    *("temperature", "requests_per_minute", "tokens_per_minute"),
    *("daily_tokens", "daily_money", "bot_daily_tokens", "bot_daily_money"),
}
_AT_LEAST_ONE = {
    *("requests_per_minute", "tokens_per_minute", "processes", "max_entries", "max_bytes", "breaker_failures"),
}
_WHOLE = _AT_LEAST_ONE | {"max_retries", "daily_tokens", "bot_daily_tokens"}
_ABOVE_ZERO = {"timeout", "deadline", "alert_at"}
_AT_MOST = {
    "timeout": 240,
    "deadline": LONGEST_DEADLINE,
    "alert_at": 1,
    **dict.fromkeys(("min_request_interval", "base_delay", "max_delay", "breaker_rest"), 86_400),
    **dict.fromkeys(("cache_ttl", "stale_for"), 7 * 86_400),
}


def _refuse(name: str, value: object) -> None:
    """Raise for what no clock or counter can work with."""
    if value is None and name in _MAY_BE_MISSING:
        return
    hint = _text_hint(value) if name in _TEXTS else _number_hint(name, value)
    if hint:
        raise GptSettingsError(f"{name} is {value!r}", hint=hint)


def _text_hint(value: object) -> str:
    return "" if isinstance(value, str) else "a text"


def _number_hint(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return "a number, 0 or more"
    if name in _WHOLE and value != int(value):
        return "a whole number"
    if name in _AT_LEAST_ONE and value < 1:
        return "1 or more, or leave it out"
    if name in _ABOVE_ZERO and value == 0:
        return "more than 0"
    most = _AT_MOST.get(name, _LARGEST)
    return f"at most {most:,}" if value > most else ""


def usable_key(api_key: str) -> str:
    """The key, or "" for none; raises GptSettingsError for what no header could carry, without repeating it."""
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise GptSettingsError("the API key cannot be one", hint="no spaces, line ends or letters beyond ASCII")
    return api_key


def usable_address(base_url: str) -> str:
    """Without a slash at its end; raises GptSettingsError, without repeating it: it may hold a password."""
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half of an IPv6 address
        usable = False
    if not usable:
        raise GptSettingsError("base_url is no address of an API", hint="https://HOST/v1")
    return base_url.rstrip("/")
