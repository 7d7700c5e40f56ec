"""What an answer of the API says, by its JSON (pure): chat completions and responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from gpt.errors import BadReply, EmptyReply
from gpt.model import Api, Usage
from gpt.wire.sdk_errors import judge_told

_MOST_TOKENS = 10**8
"""No completion takes more; a count beyond it is a mistake of its host's."""
_TEXTS = ("text", "output_text")
_MADE_THERE = ("web_search_call", "file_search_call", "code_interpreter_call", "mcp_call", "image_generation_call")
"""Calls that the provider has made itself; all others are for the caller."""
_TO_COME = ("queued", "in_progress")
"""What is asked in the background comes later, under the reply's id."""
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading something of another form than promised may raise."""


class Answer(NamedTuple):
    """What the model said."""

    text: str
    model: str
    finish_reason: str
    usage: Usage | None
    """None where the provider does not say."""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    media: tuple[Mapping[str, Any], ...] = ()
    id: str = ""


def read_answer(body: bytes | str, api: Api) -> Answer:
    """The answer in the body of a success; raises BadReply for what is none, else what an error told in it means."""
    try:
        return read_document(json.loads(body), api)
    except (ValueError, RecursionError):
        pass
    raise _no_completion()


def read_document(document: object, api: Api) -> Answer:
    """The same of JSON already read."""
    try:
        return _chat(_mapping(document)) if api is Api.CHAT else _responses(_mapping(document))
    except UNREADABLE:
        pass
    raise _no_completion()


def _no_completion() -> BadReply:
    return BadReply("the provider's answer is no completion", hint="is the base URL that of an OpenAI API?")


def refuse_empty(answer: Answer) -> None:
    """Raise EmptyReply where the model said nothing: there is nothing to show to anybody."""
    if answer.text.strip() or answer.tool_calls or answer.media or answer.finish_reason in _TO_COME:
        return
    why = f"the model said nothing (finish reason {answer.finish_reason or 'not named'})"
    raise EmptyReply(why, hint="models that reason may need more max_completion_tokens")


def _chat(document: Mapping[str, Any]) -> Answer:
    if not document.get("choices"):
        _raise_told(document, document.get("error"))
    choice = _mapping(document["choices"][0])
    _raise_told(document, choice.get("error"))
    message = _mapping(choice["message"])
    said, refused = text_of(message.get("content")), text_of(message.get("refusal"))
    audio = _mapping(message.get("audio") or {})
    return Answer(
        text=said or refused or text_of(audio.get("transcript")),
        model=text_of(document.get("model")),
        finish_reason="refusal" if refused else text_of(choice.get("finish_reason")),
        usage=chat_usage(document.get("usage")),
        tool_calls=_chat_calls(message),
        media=sound(audio),
        id=name_of(document.get("id")),
    )


def _chat_calls(message: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """In today's form, also where the model was asked in the older one (`functions`)."""
    older = message.get("function_call")
    calls = tuple(_mapping(call) for call in message.get("tool_calls") or ())
    return (*calls, {"type": "function", "function": _mapping(older)}) if older else calls


def sound(audio: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """What was spoken, as one of a reply's media."""
    return ({"type": "audio", **audio},) if audio else ()


def _raise_told(document: Mapping[str, Any], error: object) -> None:
    """Raise what an error in a success means; one beside a usage has been paid for."""
    if isinstance(error, Mapping):
        failure = judge_told(error)
        failure.charged = bool(document.get("usage"))
        raise failure


def chat_usage(usage: object) -> Usage | None:
    """Tokens, as chat completions count them; None for counts that cannot be: what is unknown is not free."""
    return _usage(usage, ("prompt_tokens", "completion_tokens", "prompt_tokens_details"))


def _usage(usage: object, names: tuple[str, str, str]) -> Usage | None:
    """Some hosts count what the model thought in the total alone: it is paid for as what it said."""
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = (_count(usage.get(name)) for name in names[:2])
    if prompt is None or completion is None:
        return None
    completion = max(completion, (_count(usage.get("total_tokens")) or 0) - prompt)
    if prompt + completion == 0:
        return None
    details = usage.get(names[2])
    cached = _count(details.get("cached_tokens")) if isinstance(details, Mapping) else 0
    return Usage(prompt, completion, min(cached or 0, prompt))


def _responses(document: Mapping[str, Any]) -> Answer:
    if document.get("status") == "failed" or "output" not in document:
        _raise_told(document, document.get("error") or ({} if document.get("status") == "failed" else None))
    items = [_mapping(item) for item in document["output"]]
    parts = [_mapping(part) for item in items if item.get("type") == "message" for part in item.get("content") or ()]
    said, refused = text_of(parts), "".join(text_of(part.get("refusal")) for part in parts)
    calls = tuple(item for item in items if _is_for_the_caller(item))
    return Answer(
        text=said or refused,
        model=text_of(document.get("model")),
        finish_reason="refusal" if refused else _finish(document, calls=bool(calls)),
        usage=_usage(document.get("usage"), ("input_tokens", "output_tokens", "input_tokens_details")),
        tool_calls=calls,
        media=tuple(item for item in items if item.get("type") == "image_generation_call"),
        id=name_of(document.get("id")),
    )


def _is_for_the_caller(item: Mapping[str, Any]) -> bool:
    kind = text_of(item.get("type"))
    return kind == "mcp_approval_request" or (kind.endswith("_call") and kind not in _MADE_THERE)


def _finish(document: Mapping[str, Any], *, calls: bool) -> str:
    """In the words of chat completions."""
    status = text_of(document.get("status"))
    if status == "incomplete":
        reason = _mapping(document.get("incomplete_details") or {}).get("reason")
        return "length" if reason == "max_output_tokens" else text_of(reason) or "incomplete"
    if calls:
        return "tool_calls"
    return "stop" if status == "completed" else status


def text_of(content: object) -> str:
    """A text, the texts of a list of parts (a model's thoughts are none), or nothing; raises TypeError for the rest."""
    if content is None:
        return ""
    if isinstance(content, list):
        parts = [_mapping(part) for part in content]
        return "".join(text_of(part.get("text")) for part in parts if part.get("type") in _TEXTS)
    if not isinstance(content, str):
        raise TypeError("no text")
    return content


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def name_of(value: object) -> str:
    """A name that nothing depends on: empty where it is no text."""
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    possible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if possible and isinstance(value, int) else None
