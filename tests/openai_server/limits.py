"""The server's rate limit: so many requests, and tokens, in each window."""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tests.openai_server.answers import Answer, Wait
from tests.openai_server.errors import over_limit

_UNLIMITED = 10_000_000


class Kind(StrEnum):
    """What a window is."""

    FIXED = "fixed"
    """Begins with the first request after the last one ended: twice the limit fits around its edge."""
    SLIDING = "sliding"
    """The last `window` seconds, at every moment."""


class Sent(NamedTuple):
    """One request that was let in."""

    at: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the limit is, and what the server says of it."""

    requests: int
    window: float
    tokens: int = _UNLIMITED
    kind: Kind = Kind.FIXED
    headers: bool = True
    """Whether replies carry x-ratelimit-*."""
    retry_after: bool = False
    """Whether a 429 says when to come again."""


class Limiter:
    """Counts what it lets in. A request that it refuses does not count."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._sent: deque[Sent] = deque()
        self._began = -math.inf

    def admit(self, tokens: int, *, now: float) -> Answer | None:
        """Count a request of so many tokens; or give the 429 that it gets."""
        self._forget(now)
        if len(self._sent) >= self.rule.requests:
            return self._refusal("requests", 1, now)
        if self._tokens + tokens > self.rule.tokens:
            return self._refusal("tokens", tokens, now)
        if not self._sent and self.rule.kind is Kind.FIXED:
            self._began = now
        self._sent.append(Sent(now, tokens))
        return None

    def headers(self, now: float) -> dict[str, str]:
        """What OpenAI says of its limits in each reply; a reset is when the whole limit is free again."""
        if not self.rule.headers:
            return {}
        reset = go_duration(self._until(self._sent[-1].at, now) if self._sent else 0)
        return {
            "x-ratelimit-limit-requests": str(self.rule.requests),
            "x-ratelimit-remaining-requests": str(self.rule.requests - len(self._sent)),
            "x-ratelimit-reset-requests": reset,
            "x-ratelimit-limit-tokens": str(self.rule.tokens),
            "x-ratelimit-remaining-tokens": str(max(0, self.rule.tokens - self._tokens)),
            "x-ratelimit-reset-tokens": reset,
        }

    @property
    def _tokens(self) -> int:
        return sum(one.tokens for one in self._sent)

    def _forget(self, now: float) -> None:
        if self.rule.kind is Kind.FIXED and now - self._began >= self.rule.window:
            self._sent.clear()
        while self.rule.kind is Kind.SLIDING and self._sent and now - self._sent[0].at >= self.rule.window:
            self._sent.popleft()

    def _until(self, sent: float, now: float) -> float:
        """Seconds until what was sent then no longer counts."""
        began = self._began if self.rule.kind is Kind.FIXED else sent
        return max(0, began + self.rule.window - now)

    def _refusal(self, what: str, requested: int, now: float) -> Answer:
        wait = self._until(self._sent[0].at, now) if self._sent else self.rule.window
        most, used = (self.rule.requests, len(self._sent)) if what == "requests" else (self.rule.tokens, self._tokens)
        error = over_limit(what, self.rule.window, most, used=used, requested=requested, wait=go_duration(wait))
        return Answer.refusing(429, error, wait=Wait(wait) if self.rule.retry_after else None)


def go_duration(seconds: float) -> str:
    """A time as Go writes it, in whole milliseconds, rounded up: `6m0s`, `1.5s`, `12ms`, `0s`."""
    milliseconds = math.ceil(round(seconds * 1000, 6))
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{hours}h" if hours else "", f"{minutes}m" if hours or minutes else "", f"{rest / 1000:g}s")
    return "".join(parts)
