"""The least that asking a model takes: the SDK with its defaults, no cache and no limit of its own."""

from __future__ import annotations

from openai import AsyncOpenAI


class BareGpt:
    """`ask` as the helper has it; raises what the SDK raises."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model

    async def ask(self, prompt: str, *, system: str) -> str:
        """The model's text."""
        reply = await self._client.chat.completions.create(
            model=self._model,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}],
        )
        return reply.choices[0].message.content or ""
