"""What arrived, and reading it from the bytes of a connection."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.openai_server.words import words_in

_HEAD_END = b"\r\n\r\n"


class BadRequestError(ValueError):
    """The bytes are no HTTP/1.1 request that this server reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, whatever became of it."""

    at: float
    """When its last byte had come, on the monotonic clock of the server's machine."""
    method: str
    path: str
    headers: Mapping[str, str]
    """With names in lower case."""
    body: Any
    """Parsed JSON; None where it is none."""
    connection: int
    """The client's port: equal for requests that shared a connection."""
    raw: bytes = field(repr=False)

    @property
    def key(self) -> str:
        """The API key; empty without one."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def model(self) -> str:
        """The model asked."""
        return str(self._fields.get("model", ""))

    @property
    def prompt(self) -> str:
        """The text of the last message, or of a response's input."""
        asked = self._fields.get("messages", self._fields.get("input", ""))
        last = asked[-1] if isinstance(asked, list) and asked else asked
        return _text(last.get("content") if isinstance(last, dict) else last)

    @property
    def prompt_tokens(self) -> int:
        """Words of everything that the model has to read: here a word is a token."""
        asked = self._fields.get("messages", self._fields.get("input", ""))
        items = asked if isinstance(asked, list) else [asked]
        texts = [_text(item.get("content") if isinstance(item, dict) else item) for item in items]
        return sum(map(words_in, [*texts, str(self._fields.get("instructions") or "")]))

    @property
    def most_tokens(self) -> int:
        """The most that the model may say; 0 where the request does not limit it."""
        names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
        return next((int(self._fields[name]) for name in names if self._fields.get(name)), 0)

    @property
    def streamed(self) -> bool:
        """Whether the reply is to come as events."""
        return bool(self._fields.get("stream"))

    @property
    def include_usage(self) -> bool:
        """Whether a stream of chat chunks is to end with its usage."""
        return bool((self._fields.get("stream_options") or {}).get("include_usage"))

    @property
    def _fields(self) -> Mapping[str, Any]:
        return self.body if isinstance(self.body, dict) else {}


def take_request(buffer: bytearray, *, at: float, connection: int) -> Request | None:
    """Cut one whole request from the buffer; None while more has to come. Raises BadRequestError."""
    end = buffer.find(_HEAD_END)
    if end < 0:
        return None
    first, *lines = buffer[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise BadRequestError("requests need a content-length here")
    body_at = end + len(_HEAD_END)
    body_end = body_at + int(headers.get("content-length", "0"))
    if len(buffer) < body_end:
        return None
    raw = bytes(buffer[body_at:body_end])
    del buffer[:body_end]
    try:
        method, path, _version = first.split(" ")
    except ValueError as error:
        raise BadRequestError(first) from error
    return Request(at=at, method=method, path=path, headers=headers, body=_parsed(raw), connection=connection, raw=raw)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _text(content: Any) -> str:
    """A message's content: text, or a list of parts of which some have text."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
