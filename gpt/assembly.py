"""From settings to the parts of a helper."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from gpt.breaker import CircuitBreaker
from gpt.budget import BudgetAlert, Limits, PriceTable, Wallet
from gpt.cache.completion_cache import CompletionCache
from gpt.counters import Counters
from gpt.errors import GptSettingsError
from gpt.gate import Gate, Memory, Rate
from gpt.passage import Parts
from gpt.request_key import short_hash
from gpt.settings import GptSettings
from gpt.wire.wire import Wire
from utils.redis_link import RedisLink

_gates: WeakValueDictionary[tuple[str, str, Rate, int], Gate] = WeakValueDictionary()
"""Two helpers of a process with one key, and the same idea of its rate, wait in one queue."""
_memories: WeakValueDictionary[str, Memory] = WeakValueDictionary()
"""Two with one key and different rates keep their distance all the same."""
_links: WeakValueDictionary[str, RedisLink] = WeakValueDictionary()
"""Helpers of a process share their connections to one Redis."""


def cache_of(settings: GptSettings) -> CompletionCache:
    """The cache that they describe."""
    return CompletionCache(
        ttl=settings.cache_ttl,
        stale_for=settings.stale_for,
        max_entries=settings.max_entries,
        max_bytes=settings.max_bytes,
    )


def link_to(redis_url: str | None) -> RedisLink | None:
    """The way to Redis, where there is one; raises GptSettingsError. `redis` is loaded with it (170 ms)."""
    if not redis_url:
        return None
    link = _links.get(redis_url)
    if link is not None:
        return link
    try:
        link = _links[redis_url] = RedisLink(redis_url)
        return link
    except ValueError:  # whose words may repeat a password
        pass
    hint = "redis://HOST:6379/0; ?socket_timeout= is above 0 and at most 10"
    raise GptSettingsError("redis_url is no address of Redis", hint=hint)


def parts_of(
    settings: GptSettings,
    *,
    account: tuple[str, str],
    redis: tuple[str, RedisLink] | None,
    state: str | None,
    on_alert: Callable[[BudgetAlert], None] | None,
) -> Parts:
    """What stands between a question and the wire. `account`: API key and base URL; raises GptSettingsError."""
    api_key, base_url = account
    key = short_hash(api_key, base_url)
    limits = Limits(
        daily_tokens=settings.daily_tokens,
        daily_money=settings.daily_money,
        bot_daily_tokens=settings.bot_daily_tokens,
        bot_daily_money=settings.bot_daily_money,
        alert_at=settings.alert_at,
    )
    prices = PriceTable.load(settings.prices)
    link = redis[1] if redis else None
    return Parts(
        breaker=CircuitBreaker(failures=settings.breaker_failures, rest=settings.breaker_rest),
        wallet=Wallet(limits, prices, key=key, state=state, redis=link, on_alert=on_alert),
        prices=prices,
        gate=_gate(settings, key, redis),
        wire=Wire(api_key=api_key, base_url=base_url),
        counters=Counters(),
    )


def _gate(settings: GptSettings, key: str, redis: tuple[str, RedisLink] | None) -> Gate:
    assert settings.min_request_interval is not None  # the preset has filled it
    rate = Rate.of(
        min_request_interval=settings.min_request_interval,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
    )
    url, link = redis or ("", None)
    known = (key, url, rate, settings.processes)
    gate = _gates.get(known)
    if gate is None:
        memory = _memories.setdefault(key, Memory())
        gate = _gates[known] = Gate(rate, key=key, redis=link, processes=settings.processes, memory=memory)
    return gate
