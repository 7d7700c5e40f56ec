"""`GptHelper`: ask a model, at the least cost and within its limits."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import urlsplit

from gpt.answering import Answering
from gpt.assembly import cache_of, link_to, parts_of
from gpt.budget import BudgetAlert
from gpt.cache.shared_cache import SharedCache
from gpt.errors import GptError, GptSettingsError
from gpt.figures import count_in, process_helpers
from gpt.model import GptReply, Source
from gpt.provider import Provider
from gpt.question import Asking, Default, Options, Prompt
from gpt.request_key import selector_mark, short_hash
from gpt.settings import GptSettings
from gpt.streaming import GptStream, Streams

logger = logging.getLogger("gavatcore.openai")

OPENAI = "https://api.openai.com/v1"


class GptHelper:
    """Asks a model: from the cache, with whoever asks the same already, or within rate and budget from the provider.

    `api_key` (default: OPENAI_API_KEY) and `base_url` (default: OPENAI_BASE_URL, then OpenAI's own) name the
    provider; `redis_url` a Redis or Valkey that all processes share; `state` the folder of `budget.sqlite3`, without
    which the day's budget is forgotten at the end; `on_alert` is told when a budget comes near its limit. One helper
    serves many tasks, event loops and threads. Raises GptSettingsError.
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
        api_key = _usable_key(api_key or os.environ.get("OPENAI_API_KEY", ""))
        self._base_url = _usable_address(base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI)
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
            shared=SharedCache(link, longest_life=settings.cache_ttl * 2 + settings.deadline) if link else None,
            ttl=settings.cache_ttl,
        )
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

        `fallback`: a text, or texts by `GptError.kind`, "" for any other kind. Why it was needed is the reply's
        `cause`, counted and logged for operators.
        """
        try:
            return await self.ask(prompt, system=system, temperature=temperature, **options)
        except GptError as error:
            self._parts.counters.add("fallbacks")
            logger.warning("fallback given: %s", error)
            text = fallback if isinstance(fallback, str) else fallback.get(error.kind, fallback.get("", ""))
            return GptReply(text=text, source=Source.FALLBACK, cause=error)

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
        self, *, namespace: str | None = None, model: str | None = None, tag: str | None = None, key: str | None = None
    ) -> int:
        """Take replies back, in all processes that share the Redis; gives how many were dropped here.

        All that is named must be true of a reply; without a name all go. `key`: `key_of`. Questions that are under
        way are answered, but their replies are not kept. Without Redis' answer it is told later.
        """
        return self._answering.take_back(selector_mark(namespace=namespace, model=model, tag=tag, key=key))

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
        """Its figures: `figures.COUNTED`, `hit_ratio`, `failures` by kind, `circuit`, and `budgets` by name."""
        gate, wallet = self._parts.gate.stats(), self._parts.wallet.stats()
        return {
            **self._parts.counters.stats(),
            **self._cache.stats(),
            **{name: gate.get(name, 0) for name in ("waits", "waited_seconds", "waiting", "refused")},
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


def _usable_key(api_key: str) -> str:
    """The key; raises GptSettingsError for what no header could carry, without repeating it."""
    if not api_key:
        raise GptSettingsError("no API key", hint="api_key=…, or the variable OPENAI_API_KEY")
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise GptSettingsError("the API key cannot be one", hint="no spaces, line ends or letters beyond ASCII")
    return api_key


def _usable_address(base_url: str) -> str:
    """Without a slash at its end; raises GptSettingsError, without repeating it: it may hold a password."""
    if not base_url.startswith(("http://", "https://")):
        raise GptSettingsError("base_url is no address of an API", hint="it begins with https:// or http://")
    return base_url.rstrip("/")


def _after_fork() -> None:
    for helper in process_helpers():
        if isinstance(helper, GptHelper):
            helper.after_fork()


os.register_at_fork(after_in_child=_after_fork)
