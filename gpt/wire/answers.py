"""What an answer of the API says, by its JSON (pure): chat completions and responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gpt.errors import BadReply, EmptyReply
from gpt.model import Api, Usage

_MOST_TOKENS = 10**8
"""No completion takes more; a count beyond it is a mistake of its host's."""


class Answer(NamedTuple):
    """What the model said."""

    text: str
    model: str
    finish_reason: str
    usage: Usage | None
    """None where the provider does not say."""
    tool_calls: tuple[Mapping[str, Any], ...] = ()


def read_answer(body: bytes | str, api: Api) -> Answer:
    """The answer in the body of a success; raises BadReply for what is none."""
    try:
        return read_document(json.loads(body), api)
    except (ValueError, RecursionError):
        pass
    raise _no_completion()


def read_document(document: object, api: Api) -> Answer:
    """The same of JSON already read."""
    try:
        return _chat(_mapping(document)) if api is Api.CHAT else _responses(_mapping(document))
    except (KeyError, IndexError, TypeError):
        pass
    raise _no_completion()


def _no_completion() -> BadReply:
    return BadReply("the provider's answer is no completion", hint="is the base URL that of an OpenAI API?")


def refuse_empty(answer: Answer) -> None:
    """Raise EmptyReply where the model said nothing: there is nothing to show to anybody."""
    if not answer.text.strip() and not answer.tool_calls:
        why = f"the model said nothing (finish reason {answer.finish_reason or 'not named'})"
        raise EmptyReply(why, hint="models that reason may need more max_completion_tokens")


def _chat(document: Mapping[str, Any]) -> Answer:
    choice = _mapping(document["choices"][0])
    message = _mapping(choice["message"])
    usage = document.get("usage")
    return Answer(
        text=_text(message.get("content")),
        model=_text(document.get("model")),
        finish_reason=_text(choice.get("finish_reason")),
        usage=chat_usage(usage),
        tool_calls=tuple(_mapping(call) for call in message.get("tool_calls") or ()),
    )


def chat_usage(usage: object) -> Usage | None:
    """Tokens, as chat completions count them; None for counts that cannot be: what is unknown is not free."""
    return _usage(usage, ("prompt_tokens", "completion_tokens", "prompt_tokens_details"))


def _usage(usage: object, names: tuple[str, str, str]) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = (_count(usage.get(name)) for name in names[:2])
    if prompt is None or completion is None or prompt + completion == 0:
        return None
    details = usage.get(names[2])
    cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else 0
    return Usage(prompt, completion, min(cached or 0, prompt))


def _responses(document: Mapping[str, Any]) -> Answer:
    items = [_mapping(item) for item in document["output"]]
    parts = [_mapping(part) for item in items if item.get("type") == "message" for part in item.get("content") or ()]
    names = ("input_tokens", "output_tokens", "input_tokens_details")
    return Answer(
        text="".join(_text(part.get("text")) for part in parts if part.get("type") == "output_text"),
        model=_text(document.get("model")),
        finish_reason=_finish(document, items),
        usage=_usage(document.get("usage"), names),
        tool_calls=tuple(item for item in items if item.get("type") == "function_call"),
    )


def _finish(document: Mapping[str, Any], items: list[Mapping[str, Any]]) -> str:
    """In the words of chat completions."""
    if document.get("status") == "incomplete":
        reason = _mapping(document.get("incomplete_details") or {}).get("reason")
        return "length" if reason == "max_output_tokens" else _text(reason) or "incomplete"
    if any(item.get("type") == "function_call" for item in items):
        return "tool_calls"
    return "stop" if document.get("status") == "completed" else _text(document.get("status"))


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _count(value: object) -> int | None:
    possible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if possible and isinstance(value, int) else None
