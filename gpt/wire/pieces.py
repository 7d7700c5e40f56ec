"""What the events of a streamed reply add up to: chat completion chunks, and events of responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpt.errors import BadReply, ProviderFailed
from gpt.model import Api, Usage
from gpt.wire.answers import Answer, chat_usage, read_document

_ENDED = ("response.completed", "response.incomplete")
_FAILED = ("response.failed", "error")


class Pieces:
    """Takes each event, gives its text, and in the end the whole answer."""

    def __init__(self, api: Api) -> None:
        self._take = self._chunk if api is Api.CHAT else self._event
        self._texts: list[str] = []
        self._model = ""
        self._finish_reason = ""
        self._calls: dict[int, dict[str, Any]] = {}
        self._whole: Answer | None = None
        self.usage: Usage | None = None

    def take(self, event: Any) -> str:
        """The text that this event of the SDK brings; often none. Raises GptError where it says that all failed."""
        try:
            text = self._take(event)
        except (AttributeError, TypeError, KeyError, IndexError, ValueError):
            text = None
        if not isinstance(text, str):
            raise BadReply("the provider's stream is no completion", hint="is the base URL that of an OpenAI API?")
        if text:
            self._texts.append(text)
        return text

    def answer(self) -> Answer:
        """The whole; raises ProviderFailed for a stream that ended before its reply did."""
        if self._whole is not None:
            return self._whole
        if not self._finish_reason:
            raise _broken("the stream ended before the reply did")
        calls = tuple(self._calls[index] for index in sorted(self._calls))
        return Answer("".join(self._texts), self._model, self._finish_reason, self.usage, calls)

    def _chunk(self, chunk: Any) -> str:
        if getattr(chunk, "usage", None) is not None:
            self.usage = chat_usage(_plain(chunk.usage))
        self._model = getattr(chunk, "model", None) or self._model
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._finish_reason = choice.finish_reason or self._finish_reason
        delta = getattr(choice, "delta", None)
        if delta is None:  # some hosts end so
            return ""
        for call in getattr(delta, "tool_calls", None) or ():
            self._add_call(call.index, _plain(call))
        return getattr(delta, "content", None) or ""

    def _add_call(self, index: int, part: Mapping[str, Any]) -> None:
        """The name comes with a call's first part, its arguments in many."""
        call = self._calls.setdefault(index, {"function": {"name": "", "arguments": ""}})
        call.update({name: value for name, value in part.items() if name in ("id", "type")})
        for name, value in part.get("function", {}).items():
            call["function"][name] = call["function"].get(name, "") + value

    def _event(self, event: Any) -> str:
        if event.type == "response.output_text.delta":
            return str(event.delta)
        if event.type in _ENDED:
            self._whole = read_document(_plain(event.response), Api.RESPONSES)
            self.usage = self._whole.usage
        if event.type in _FAILED:
            raise _broken("the provider broke off")
        return ""


def _plain(value: Any) -> Any:
    """As JSON has it. Without pydantic's warnings about hosts that differ a little: they show the text."""
    return value.model_dump(exclude_none=True, warnings=False)


def _broken(why: str) -> ProviderFailed:
    error = ProviderFailed(why)
    error.charged = True
    return error
