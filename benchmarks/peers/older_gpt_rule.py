"""The rule of the older GavatCore helper, made again from the parameters that its document states; no code of it.

A reply is kept under the hash of its prompt and persona for `cache_ttl`; before each request the time since the last
one is read and the rest of `min_request_interval` slept, without a lock; `max_retries` counts attempts; after a 429
`base_delay` is slept, doubled each time; the SDK's own retries are left on; when all fails there is a canned text.
Written for asyncio here, in its favour: the older helper slept with `time.sleep`, on the loop of all its bots.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from openai import AsyncOpenAI, OpenAIError

APOLOGY = "I cannot answer just now, please try again later."


@dataclass(slots=True, kw_only=True)
class OlderGptRule:
    """Its numbers, and what it remembers; times in seconds."""

    client: AsyncOpenAI
    model: str
    min_request_interval: float = 5.0
    max_retries: int = 2
    base_delay: float = 10.0
    cache_ttl: float = 300.0
    _last_request: float = 0.0
    _cache: dict[int, tuple[float, str]] = field(default_factory=dict)

    async def ask(self, prompt: str, *, system: str) -> str:
        """The model's text, or APOLOGY."""
        key = hash((prompt, system))
        kept_at, text = self._cache.get(key, (0.0, ""))
        if text and time.monotonic() - kept_at < self.cache_ttl:
            return text
        for attempt in range(self.max_retries):
            await asyncio.sleep(max(0.0, self.min_request_interval - (time.monotonic() - self._last_request)))
            self._last_request = time.monotonic()
            try:
                text = await self._request(prompt, system)
            except OpenAIError:
                await asyncio.sleep(self.base_delay * 2**attempt)
            else:
                self._cache[key] = time.monotonic(), text
                return text
        return APOLOGY

    async def _request(self, prompt: str, system: str) -> str:
        reply = await self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}],
        )
        return reply.choices[0].message.content or ""
