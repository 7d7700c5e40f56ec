"""The bodies of completions: chat completions and responses, whole and as events of a stream, as OpenAI forms them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.openai_server.answers import ToolCall
from tests.openai_server.words import pieces_of

Body = dict[str, Any]

_CREATED = 1_790_000_000
"""Nobody reads it, and a test's server should not depend on the day."""


class Completion(NamedTuple):
    """What there is to say, whatever form it takes."""

    number: int
    model: str
    text: str | None
    finish_reason: str
    calls: tuple[ToolCall, ...]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class Event(NamedTuple):
    """One event of a stream; `name` is empty where the API gives none."""

    name: str
    data: Body


def chat_body(said: Completion) -> Body:
    """A `chat.completion`."""
    message: Body = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.calls:
        message["tool_calls"] = [_chat_call(said, index, call) for index, call in enumerate(said.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
    return {**_chat_head(said, "chat.completion"), "choices": [choice], "usage": _chat_usage(said)}


def chat_events(said: Completion, *, include_usage: bool) -> list[Event]:
    """The `chat.completion.chunk`s; [DONE] is the stream's own."""
    head = _chat_head(said, "chat.completion.chunk")

    def chunk(delta: Body, finish_reason: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return Event("", {**head, "choices": [choice], **({"usage": None} if include_usage else {})})

    first = None if said.text is None else ""
    events = [chunk({"role": "assistant", "content": first, "refusal": None})]
    events += [chunk({"content": piece}) for piece in pieces_of(said.text or "")]
    for index, call in enumerate(said.calls):
        events.append(chunk({"tool_calls": [{"index": index, **_chat_call(said, index, call)}]}))
    events.append(chunk({}, said.finish_reason))
    if include_usage:
        events.append(Event("", {**head, "choices": [], "usage": _chat_usage(said)}))
    return events


def chat_error(error: Body) -> Event:
    """What a broken stream of chunks says."""
    return Event("", {"error": error})


def response_body(said: Completion, status: str = "") -> Body:
    """A `response`; its status follows from the finish reason unless given."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(said.finish_reason)
    status = status or ("incomplete" if reason else "completed")
    done = status != "in_progress"
    return {
        "id": f"resp_{said.number:032x}",
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason and done else None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": said.model,
        "output": [item for item, _parts in _items(said)] if done else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _response_usage(said) if done else None,
    }


def response_events(said: Completion) -> list[Event]:
    """The events of a response, numbered in order."""
    events: list[Event] = []

    def add(kind: str, **fields: Any) -> None:
        events.append(Event(kind, {"type": kind, "sequence_number": len(events), **fields}))

    for kind in ("response.created", "response.in_progress"):
        add(kind, response=response_body(said, "in_progress"))
    for index, (item, parts) in enumerate(_items(said)):
        empty: Body = {"content": []} if item["type"] == "message" else {"arguments": ""}
        begun = {**item, "status": "in_progress", **empty}
        add("response.output_item.added", output_index=index, item=begun)
        for kind, fields in parts:
            add(kind, output_index=index, item_id=item["id"], **fields)
        add("response.output_item.done", output_index=index, item=item)
    body = response_body(said)
    add(f"response.{body['status']}", response=body)
    return events


def response_error(error: Body, number: int) -> Event:
    """What a broken stream of response events says."""
    fields = {name: error.get(name) for name in ("code", "message", "param")}
    return Event("error", {"type": "error", "sequence_number": number, **fields})


def _chat_head(said: Completion, kind: str) -> Body:
    return {
        "id": f"chatcmpl-{said.number:029x}",
        "object": kind,
        "created": _CREATED,
        "model": said.model,
        "service_tier": "default",
        "system_fingerprint": "fp_loopback",
    }


def _chat_call(said: Completion, index: int, call: ToolCall) -> Body:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_{said.number}_{index}", "type": "function", "function": function}


def _chat_usage(said: Completion) -> Body:
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": said.completion_tokens,
        "total_tokens": said.prompt_tokens + said.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": said.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _response_usage(said: Completion) -> Body:
    return {
        "input_tokens": said.prompt_tokens,
        "input_tokens_details": {"cached_tokens": said.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": said.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": said.prompt_tokens + said.completion_tokens,
    }


def _items(said: Completion) -> Iterator[tuple[Body, list[tuple[str, Body]]]]:
    """The output items, each with the events between its beginning and its end."""
    if said.text is not None:
        yield _message(said, said.text)
    for index, call in enumerate(said.calls):
        yield _function_call(said, index, call)


def _message(said: Completion, text: str) -> tuple[Body, list[tuple[str, Body]]]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    item = {
        "id": f"msg_{said.number:032x}",
        "type": "message",
        "status": "incomplete" if said.finish_reason in {"length", "content_filter"} else "completed",
        "role": "assistant",
        "content": [part],
    }
    events: list[tuple[str, Body]] = [
        ("response.content_part.added", {"part": {**part, "text": ""}}),
        *(("response.output_text.delta", {"delta": piece, "logprobs": []}) for piece in pieces_of(text)),
        ("response.output_text.done", {"text": text, "logprobs": []}),
        ("response.content_part.done", {"part": part}),
    ]
    return item, [(name, {"content_index": 0, **fields}) for name, fields in events]


def _function_call(said: Completion, index: int, call: ToolCall) -> tuple[Body, list[tuple[str, Body]]]:
    item = {
        "id": f"fc_{said.number}_{index}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{said.number}_{index}",
        "name": call.name,
        "arguments": call.arguments,
    }
    events: list[tuple[str, Body]] = [
        ("response.function_call_arguments.delta", {"delta": call.arguments}),
        ("response.function_call_arguments.done", {"arguments": call.arguments, "name": call.name}),
    ]
    return item, events
