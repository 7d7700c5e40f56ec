"""The bytes of a reply."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from tests.openai_server import errors
from tests.openai_server.answers import Answer, Manner, Text, Tokens, answer_to
from tests.openai_server.completions import (
    Body,
    Completion,
    Event,
    chat_body,
    chat_error,
    chat_events,
    response_body,
    response_error,
    response_events,
)
from tests.openai_server.requests import Request
from tests.openai_server.words import words_in

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as it goes over the wire."""

    head: bytes
    parts: tuple[bytes, ...]
    """The body, framed: one part, or the events of a stream."""
    end: bytes = b""

    @property
    def whole(self) -> bytes:
        """All of it."""
        return b"".join((self.head, *self.parts, self.end))

    @property
    def half(self) -> bytes:
        """What is sent of it when it breaks midway: half the events, or half the bytes."""
        if len(self.parts) > 1:
            return b"".join((self.head, *self.parts[: len(self.parts) // 2]))
        body = b"".join(self.parts)
        return self.head + body[: len(body) // 2]

    @property
    def drops(self) -> tuple[bytes, ...]:
        """In what it drips after its head: events, or bytes."""
        parts = self.parts if len(self.parts) > 1 else [bytes([byte]) for byte in b"".join(self.parts)]
        return (*parts, self.end)


def refusal_of(request: Request) -> Answer | None:
    """The error that OpenAI gives for a request that could never be answered."""
    needed = {CHAT: ("messages", errors.NO_MESSAGES), RESPONSES: ("input", errors.NO_INPUT)}.get(request.path)
    if needed is None or request.method != "POST":
        return Answer.refusing(404, errors.NO_PATH)
    if not request.key:
        return Answer.refusing(401, errors.NO_KEY)
    if not isinstance(request.body, dict):
        return Answer.refusing(400, errors.NO_JSON)
    name, error = needed
    return None if name in request.body else Answer.refusing(400, error)


def reply_to(request: Request, answer: Answer, *, number: int, headers: Mapping[str, str]) -> Reply:
    """What the answer is for this request, the `number`th; `headers` come besides the usual ones."""
    headers = {**headers, "x-request-id": f"req_{number:032x}", "openai-version": "2020-10-01", **answer.headers}
    if answer.wait is not None:
        name, value = answer.wait.header()
        headers[name] = value
    if request.streamed and answer.error is None and answer.raw is None:
        return _stream(request, replace(answer, content_type="text/event-stream; charset=utf-8"), number, headers)
    body = _body(request, answer, number)
    if answer.gzipped:
        body = gzip.compress(body)
        headers["content-encoding"] = "gzip"
    if not answer.chunked:
        return Reply(head=_head(answer, headers, length=len(body)), parts=(body,))
    return Reply(head=_head(answer, headers), parts=tuple(map(_chunk, _blocks(body))), end=_chunk(b""))


def _body(request: Request, answer: Answer, number: int) -> bytes:
    if answer.raw is not None:
        return answer.raw
    if answer.error is not None:
        return json.dumps({"error": _told(answer.error, request)}, indent=2).encode()
    form = chat_body if request.path == CHAT else response_body
    return json.dumps(form(_completion(request, answer, number))).encode()


def _stream(request: Request, answer: Answer, number: int, headers: Mapping[str, str]) -> Reply:
    said = _completion(request, answer, number)
    chat = request.path == CHAT
    events = chat_events(said, include_usage=request.include_usage) if chat else response_events(said)
    done = b"data: [DONE]\n\n" if chat else b""
    if answer.manner is Manner.ERROR_MIDWAY:
        half = len(events) // 2
        error = dict(errors.SERVER_ERROR)
        events = [*events[:half], chat_error(error) if chat else response_error(error, half)]
        done = b""
    texts = [*map(_event, events), *([done] if done else [])]
    if answer.gzipped:
        # One gzip member is enough for a client, and needs no flushing between the events.
        texts = [gzip.compress(b"".join(texts))]
        headers = {**headers, "content-encoding": "gzip"}
    return Reply(head=_head(answer, headers), parts=tuple(map(_chunk, texts)), end=_chunk(b""))


def _completion(request: Request, answer: Answer, number: int) -> Completion:
    text = {Text.ECHO: answer_to(request.prompt), Text.NULL: None}.get(answer.text, answer.text)  # type: ignore[arg-type]
    assert not isinstance(text, Text)
    said = words_in(text or "") + sum(words_in(call.arguments) for call in answer.tool_calls)
    tokens = answer.tokens or Tokens(request.prompt_tokens, said)
    return Completion(
        number=number,
        model=answer.model or request.model,
        text=text,
        finish_reason=answer.finish_reason,
        calls=answer.tool_calls,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
    )


def _told(error: errors.Error, request: Request) -> Body:
    message = str(error["message"])
    for name, value in (
        ("{model}", request.model),
        ("{key}", errors.masked(request.key)),
        ("{prompt}", request.prompt),
    ):
        message = message.replace(name, value)
    return {**error, "message": message}


def _head(answer: Answer, headers: Mapping[str, str], *, length: int | None = None) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"content-type: {answer.content_type}"]
    lines += [framing, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _blocks(body: bytes, size: int = 4096) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(event: Event) -> bytes:
    name = f"event: {event.name}\n" if event.name else ""
    return f"{name}data: {json.dumps(event.data)}\n\n".encode()
