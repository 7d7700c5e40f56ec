"""Replies that the processes of a fleet share through Redis, and one flight for all of them. Every call blocks."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gpt.cache.shared_scripts import EPOCH, FIND, GENERATION, HOLD, LAND, LOG, LOG_LENGTH, NEWS, PREFIX, TAKE_BACK
from gpt.errors import BadReply, EmptyReply, GptError, ProviderFailed, RateLimited, ReplyTimeout, RequestRefused
from gpt.model import GptReply, Priority, Source, Usage
from utils.redis_link import RedisLink

FLIGHT_LIFE = 5.0
"""Seconds that a flight is waited for whose process says nothing more."""
_FAILURE_LIFE = 2.0
"""Seconds in which those who waited may learn why their flight failed."""
LONGEST_LIFE = 8 * 86_400.0
"""Seconds that an entry stays at most, whatever the settings of its process."""
_MARK_LIFE = LONGEST_LIFE + 3600.0
"""Seconds that an invalidation is remembered: beyond any entry that it takes back, and any flight under way."""


class Found(NamedTuple):
    """Somebody has the reply."""

    reply: GptReply
    lifetime: float
    """Seconds that it stays valid."""


class Flying(NamedTuple):
    """Another process is asking; look again soon."""

    token: str


class Failed(NamedTuple):
    """The flight that was waited for failed."""

    error: GptError | None
    """None: for a reason that this program cannot read."""


class Told(NamedTuple):
    """It gave what is not kept (cut, or calls of tools): for those who waited."""

    reply: GptReply


class Lead(NamedTuple):
    """It is ours to ask."""

    generation: str


@dataclass(frozen=True, slots=True)
class Shared:
    """One question, as it is known in Redis."""

    key: str
    marks: tuple[str, ...]

    @property
    def entry(self) -> str:
        """Where its reply is kept."""
        return f"{PREFIX}entry:{self.key}"

    @property
    def flight(self) -> str:
        """Where it stands who asks."""
        return f"{PREFIX}flight:{self.key}"

    @property
    def mark_keys(self) -> list[str]:
        """Where it stands when each of its marks was last taken back."""
        return _mark_keys(self.marks)


class SharedCache:
    """All of it through one link; every method raises RedisUnavailable."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self.first_seen = ""
        """The generation of the first answer: what was taken back since concerns what is kept here."""

    def find(self, one: Shared, *, token: str, waited_for: str = "") -> Found | Flying | Failed | Told | Lead:
        """The reply, or what to do: wait for another process, learn of its failure, or take the lead under `token`."""
        keys = [one.entry, one.flight, GENERATION, LOG, EPOCH, *one.mark_keys]
        what, *said = self._link.run(FIND, keys=keys, args=[token, _milliseconds(FLIGHT_LIFE), waited_for])
        if what in ("entry", "lead"):
            self.first_seen = self.first_seen or said[-1]
        if what == "entry":
            reply = _decoded(said[0])
            return Found(reply, int(said[1]) / 1000) if reply is not None else Lead("0")
        if what == "flying":
            return Flying(said[0])
        if what == "failed":
            reply = _decoded(said[0])
            return Failed(_decoded_error(said[0])) if reply is None else Told(reply)
        return Lead(said[0])

    def hold(self, one: Shared, *, token: str) -> bool:
        """Keep the lead for another `FLIGHT_LIFE`; gives whether it is still ours."""
        return bool(self._link.run(HOLD, keys=[one.flight], args=[token, _milliseconds(FLIGHT_LIFE)]))

    def land(
        self, one: Shared, outcome: GptReply | GptError | None, *, token: str, generation: str, lifetime: float
    ) -> None:
        """Tell the others: a whole reply is kept for `lifetime` seconds (0: not), all else is told to who waits now.

        None, or a failure of this process's own (its budget, its circuit, its key): nothing came of it, let another
        one ask.
        """
        kept = isinstance(outcome, GptReply) and outcome.complete and lifetime > 0
        told = _encoded(outcome) if isinstance(outcome, GptReply) else ""
        body = told if kept else ""
        failure = _encoded_error(outcome) if isinstance(outcome, GptError) else "" if kept else told
        args: list[str | int] = [
            token,
            generation,
            body,
            max(_milliseconds(min(lifetime, LONGEST_LIFE)), 1),
            failure,
            _milliseconds(_FAILURE_LIFE),
        ]
        self._link.run(LAND, keys=[one.entry, one.flight, EPOCH, *one.mark_keys], args=args)

    def take_back(self, marks: Sequence[str]) -> None:
        """Invalidate all entries of these marks, in every process."""
        keys = [GENERATION, LOG, EPOCH, *_mark_keys(marks)]
        self._link.run(TAKE_BACK, keys=keys, args=[_milliseconds(_MARK_LIFE), LOG_LENGTH, *marks])

    def news(self, known: str) -> tuple[str, list[str] | None]:
        """The present generation, and the marks taken back since `known`; None: more than is known, so take all."""
        generation, *marks = self._link.run(NEWS, keys=[GENERATION, LOG, EPOCH], args=[known])
        if marks[:1] == ["all known"]:
            return generation, []
        return generation, None if marks[:1] == ["everything"] else list(marks)


def _mark_keys(marks: Sequence[str]) -> list[str]:
    return [f"{PREFIX}mark:{mark}" for mark in marks]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _encoded(reply: GptReply) -> str:
    fields: dict[str, Any] = {
        "text": reply.text,
        "model": reply.model,
        "finish_reason": reply.finish_reason,
        "usage": list(reply.usage),
        "cost": reply.cost,
        "tool_calls": list(reply.tool_calls),
        "media": list(reply.media),
        "id": reply.id,
    }
    return json.dumps(fields, separators=(",", ":"))


def _decoded(body: str) -> GptReply | None:
    """None for what another version of this program, or somebody else, wrote there."""
    try:
        fields = json.loads(body)
        prompt, completion, cached = (int(count) for count in fields["usage"])
        cost = fields["cost"]
        return GptReply(
            text=str(fields["text"]),
            source=Source.CACHE,
            model=str(fields["model"]),
            finish_reason=str(fields["finish_reason"]),
            usage=Usage(prompt, completion, cached),
            cost=None if cost is None else float(cost),
            tool_calls=tuple(dict(call) for call in fields.get("tool_calls", ())),
            media=tuple(dict(one) for one in fields.get("media", ())),
            id=str(fields.get("id", "")),
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def token_of(priority: Priority) -> str:
    """A name for one who asks, by which a person can be told from a batch."""
    return f"{priority.value}{secrets.token_hex(8)}"


def _encoded_error(error: GptError) -> str:
    """Nothing for what is no other process's matter."""
    name = type(error).__name__
    if name not in _SHARED:
        return ""
    fields = {"error": name, "message": error.message, "hint": error.hint, "retry_after": error.retry_after}
    return json.dumps(fields | {"out_of_time": error.out_of_time})


def _decoded_error(text: str) -> GptError | None:
    try:
        fields = json.loads(text)
        error = _SHARED[fields["error"]](str(fields["message"]), hint=fields["hint"], retry_after=fields["retry_after"])
        error.out_of_time = fields["out_of_time"] is True
        return error
    except (ValueError, TypeError, KeyError):
        return None


_SHARED: Mapping[str, type[GptError]] = {
    one.__name__: one for one in (RequestRefused, EmptyReply, BadReply, ProviderFailed, ReplyTimeout, RateLimited)
}
"""What the provider said of the question itself; budget, circuit, key and settings are each process's own."""
