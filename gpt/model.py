"""What is asked and answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from gpt.errors import BadReply, GptError


class Source(StrEnum):
    """Where a reply came from; equal to its word."""

    MODEL = "model"
    CACHE = "cache"
    JOINED = "joined"
    """Another caller had asked the same and waited for it already."""
    STALE = "stale"
    """Expired, given because the provider failed."""
    FALLBACK = "fallback"
    """The caller's own text, because there was no answer."""


class Priority(IntEnum):
    """Who goes first at the gate."""

    PERSON = 0
    """Somebody waits for this answer."""
    BATCH = 1


class Api(StrEnum):
    """Which of OpenAI's two interfaces is asked; most compatible hosts know `chat` alone."""

    CHAT = "chat"
    RESPONSES = "responses"


class Usage(NamedTuple):
    """Tokens of one completion."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    """Those of the prompt that the provider had cached; it may charge less for them."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True, kw_only=True)
class GptReply:
    """One answer. Its text never stands in its `repr`."""

    text: str = field(repr=False)
    source: Source
    model: str = ""
    """As the provider names it; empty for a fallback."""
    finish_reason: str = ""
    """`stop`, `length`, `tool_calls`, `content_filter`, `refusal` (its text says so); empty for a fallback."""
    usage: Usage = Usage()
    """Tokens of the call that made it, whoever made that."""
    cost: float | None = None
    """US dollars of that call; None where the model has no price."""
    tool_calls: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """What the model wants called, or allowed, as the API gave it."""
    media: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Images and sound that it made, as the API gave them."""
    id: str = ""
    """The provider's name for it, to go on with (`previous_response_id`); empty where none is known."""
    cause: GptError | None = None
    """Why it is stale or a fallback: for operators, never for whoever is chatting."""

    @property
    def complete(self) -> bool:
        """Whether the model ended by itself and said something: only such replies are kept."""
        return self.finish_reason == "stop" and bool(self.text) and not self.tool_calls and not self.media

    def json(self) -> Any:
        """The text read as JSON, for JSON mode and schemas; raises BadReply."""
        try:
            return json.loads(self.text)
        except ValueError:
            pass
        raise BadReply("the model's text is no JSON", hint="ask for response_format, and for enough tokens")
