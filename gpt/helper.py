"""`GptHelper`: ask a model, at the least cost and within its limits."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import urlsplit

from gpt.answering import Answering
from gpt.assembly import cache_of, link_to, parts_of
from gpt.budget import BudgetAlert
from gpt.cache.shared_cache import SharedCache
from gpt.errors import CircuitOpen, GptError, GptSettingsError
from gpt.figures import count_in, process_helpers
from gpt.model import GptReply, Source
from gpt.provider import Provider
from gpt.question import Asking, Default, Options, Prompt
from gpt.request_key import selector_mark, short_hash
from gpt.settings import GptSettings, usable_address, usable_key
from gpt.streaming import GptStream, Streams
from utils.redact import printable

logger = logging.getLogger("gavatcore.openai")

OPENAI = "https://api.openai.com/v1"
_TOLD_AGAIN = 60.0
"""Seconds after which a kind of failure is a warning once more."""


class Anything(Enum):
    """Stands for a name that a selector leaves open."""

    AT_ALL = "anything at all"


class GptHelper:
    """Asks a model: from the cache, with whoever asks the same already, or within rate and budget from the provider.

    `api_key` (default: OPENAI_API_KEY) and `base_url` (default: OPENAI_BASE_URL, then OpenAI's own) name the
    provider; `redis_url` a Redis or Valkey that all processes share; `state` the folder of `budget.sqlite3`, without
    which the day's budget is forgotten at the end; `on_alert` is told when a budget comes near its limit. One helper
    serves many tasks, event loops and threads. Raises GptSettingsError; without any key each question does, so that
    `reply` still has something to say.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        redis_url: str | None = None,
        settings: GptSettings | None = None,
        state: str | None = None,
        on_alert: Callable[[BudgetAlert], None] | None = None,
    ) -> None:
        self.settings = settings = settings or GptSettings()
        api_key = usable_key(api_key or os.environ.get("OPENAI_API_KEY", ""))
        self._base_url = usable_address(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
        self._account = short_hash(api_key, self._base_url)
        self._asking = Asking(
            model=settings.model,
            temperature=settings.temperature,
            deadline=settings.deadline,
            base_url=self._base_url,
        )
        self._link = link = link_to(redis_url)
        self._parts = parts = parts_of(
            settings,
            account=(api_key, self._base_url),
            redis=(redis_url, link) if redis_url and link else None,
            state=state,
            on_alert=on_alert,
        )
        self._cache = cache_of(settings)
        provider = Provider(parts, settings)
        self._answering = Answering(
            provider,
            Streams(provider, parts.wire, timeout=settings.timeout),
            cache=self._cache,
            shared=SharedCache(link) if link else None,
            ttl=settings.cache_ttl,
        )
        self._told: dict[str, float] = {}
        count_in(self)

    def __repr__(self) -> str:
        host = urlsplit(self._base_url).hostname  # no user, no password
        return f"GptHelper({host}, model={self.settings.model!r})"

    async def ask(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        temperature: float | Default | None = Default.SETTINGS,
        **options: Unpack[Options],
    ) -> GptReply:
        """The model's reply; its `source` says whether it was asked.

        `prompt`: a text, or messages as the API takes them. `options` are those of `question.Options`. Raises
        GptError, each kind with what to do; cancelling this leaves others who ask the same unharmed.
        """
        return await self._answering.answer(self._asking.question(prompt, system, temperature, options))

    async def reply(
        self,
        prompt: Prompt,
        *,
        fallback: str | Mapping[str, str],
        system: str | None = None,
        temperature: float | Default | None = Default.SETTINGS,
        **options: Unpack[Options],
    ) -> GptReply:
        """As `ask`, but with `fallback` where that fails: always something to say, and never the provider's words.

        `fallback`: a text, or texts by `GptError.kind`, "" for any other kind; while the circuit is open the kind
        that opened it counts too. Why it was needed is the reply's `cause`, counted and logged for operators. Raises
        GptSettingsError for fallbacks that would leave something unsaid.
        """
        if not isinstance(fallback, str) and not fallback.get(""):
            raise GptSettingsError("a fallback is missing", hint='a text under "", for every kind that is not named')
        try:
            return await self.ask(prompt, system=system, temperature=temperature, **options)
        except GptError as error:
            self._parts.counters.add("fallbacks")
            self._tell_fallback(error, str(options.get("bot", "")))
            return GptReply(text=_said(fallback, error), source=Source.FALLBACK, cause=error)

    def _tell_fallback(self, error: GptError, bot: str) -> None:
        """A warning for the first of a kind in a minute: a used-up budget meets every message until midnight."""
        now = time.monotonic()
        level = logging.INFO if now < self._told.get(error.kind, -_TOLD_AGAIN) + _TOLD_AGAIN else logging.WARNING
        if level == logging.WARNING:
            self._told[error.kind] = now
        logger.log(level, "fallback given%s: %s", f" to {printable(bot)}" if bot else "", error)

    def stream(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        temperature: float | Default | None = Default.SETTINGS,
        **options: Unpack[Options],
    ) -> GptStream:
        """The reply piece by piece: `async for text in helper.stream(…)`; `GptStream.reply` is the whole of it.

        It is answered from the local cache and kept there; it joins no flight. Raises GptError while it is read: once
        a piece has been given nothing is tried again.
        """
        question = self._asking.question(prompt, system, temperature, options)
        return GptStream(partial(self._answering.texts, question))

    def invalidate(
        self,
        *,
        namespace: str | Anything = Anything.AT_ALL,
        model: str | Anything = Anything.AT_ALL,
        tag: str | Anything = Anything.AT_ALL,
        key: str | Anything = Anything.AT_ALL,
    ) -> int:
        """Take replies back, in all processes that share the Redis; gives how many were dropped here.

        All that is named must be true of a reply; `invalidate()` drops everything. `key`: `key_of`. Questions that
        are under way are answered, but their replies are not kept. Without Redis' answer it is told later. Raises
        GptSettingsError for what is no text: a variable that is None must not drop everything.
        """
        if isinstance(key, str) and any(isinstance(value, str) for value in (namespace, model, tag)):
            raise GptSettingsError(
                "a key is named with something else", hint="it means one reply: leave the others out"
            )
        named = {"namespace": namespace, "model": model, "tag": tag, "key": key}
        for name, value in named.items():
            if not isinstance(value, str | Anything):
                raise GptSettingsError(f"{name} is a {type(value).__name__}", hint="a text, or leave it out")
        return self._answering.take_back(
            selector_mark(**{name: value for name, value in named.items() if isinstance(value, str)})
        )

    def key_of(
        self,
        prompt: Prompt,
        *,
        system: str | None = None,
        temperature: float | Default | None = Default.SETTINGS,
        **options: Unpack[Options],
    ) -> str | None:
        """Under which a reply to this question is kept, for `invalidate`; None for one that is never kept."""
        return self._asking.question(prompt, system, temperature, options).key

    def stats(self) -> dict[str, Any]:
        """Its figures: `figures.COUNTED`, `hit_ratio`, `failures` by kind, `circuit`, and `budgets` by name.

        `gate`: a number that helpers with one queue at the gate have in common, whose `waits` are the same ones.
        """
        gate, wallet = self._parts.gate.stats(), self._parts.wallet.stats()
        return {
            **self._parts.counters.stats(),
            **self._cache.stats(),
            **{name: gate.get(name, 0) for name in ("waits", "waited_seconds", "waiting", "refused")},
            "gate": id(self._parts.gate),
            "circuit": self._parts.breaker.state(time.monotonic()).value,
            "budgets": {self._account: wallet},
        }

    async def aclose(self) -> None:
        """End it: who still waits gets HelperClosed, what was sent is counted as spent. Again it does nothing."""
        await self._answering.aclose()
        await self._parts.wire.aclose()
        await self._parts.wallet.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def after_fork(self) -> None:
        """In a child process: threads, event loops, connections and counts are its parent's; what is kept, stays."""
        parts = self._parts
        if self._link is not None:
            self._link.after_fork()
        for part in (parts.breaker, parts.wallet, parts.gate, parts.wire, parts.counters, self._answering):
            part.after_fork()


def _said(fallback: str | Mapping[str, str], error: GptError) -> str:
    if isinstance(fallback, str):
        return fallback
    kinds = (error.kind, error.opened_by) if isinstance(error, CircuitOpen) else (error.kind,)
    return next((fallback[kind] for kind in kinds if fallback.get(kind)), fallback[""])


def _after_fork() -> None:
    for helper in process_helpers():
        if isinstance(helper, GptHelper):
            helper.after_fork()


os.register_at_fork(after_in_child=_after_fork)
