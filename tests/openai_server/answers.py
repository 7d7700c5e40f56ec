"""What a request gets: `Answer(text="…")`, or one of OpenAI's own errors: `Answer.quota()`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import Enum
from hashlib import blake2b
from json import dumps
from typing import Any, NamedTuple, Self

from tests.openai_server import errors
from utils.clock import utc_now


class Text(Enum):
    """A reply's text where it is no text of the test's own."""

    ECHO = "echo"
    """`answer_to(prompt)`: another for each prompt."""
    NULL = "null"
    """JSON's null, as beside tool calls."""


class Manner(Enum):
    """How a reply comes over the wire. What is cut or hangs midway has sent half: of its events, or of its bytes."""

    WHOLE = "whole"
    HELD = "held"
    """Whole, once the test says `server.release()`."""
    DRIPPING = "dripping"
    """The head at once, then a byte (of a stream: an event) each `gap` seconds."""
    HANGING = "hanging"
    """Not a byte until the server ends."""
    HANGING_MIDWAY = "hanging midway"
    CLOSED = "closed"
    """The connection ends before any byte."""
    CLOSED_MIDWAY = "closed midway"
    RESET = "reset"
    """A TCP reset before any byte."""
    RESET_MIDWAY = "reset midway"
    ERROR_MIDWAY = "error midway"
    """Half of a stream, then an event that tells of an error; a reply that is no stream comes whole."""


class Hint(Enum):
    """How a server says when to come again."""

    SECONDS = "retry-after, decimal seconds"
    MILLISECONDS = "retry-after-ms"
    DATE = "retry-after, an HTTP date"


class Wait(NamedTuple):
    """When to come again."""

    seconds: float
    hint: Hint = Hint.SECONDS

    def header(self) -> tuple[str, str]:
        """The header's name and value at this moment; a date is rounded up, since it has no fractions."""
        if self.hint is Hint.MILLISECONDS:
            return "retry-after-ms", f"{self.seconds * 1000:.0f}"
        if self.hint is Hint.SECONDS:
            return "retry-after", f"{self.seconds:g}"
        when = utc_now() + timedelta(seconds=self.seconds)
        whole = datetime.fromtimestamp(-(-when.timestamp() // 1), UTC)
        return "retry-after", format_datetime(whole, usegmt=True)


class Tokens(NamedTuple):
    """The usage that a reply states."""

    prompt: int
    completion: int
    cached: int = 0


class ToolCall(NamedTuple):
    """One call that the model wants made."""

    name: str
    arguments: str = "{}"
    """As the model wrote it: JSON, or nearly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply. Without `error` and `raw` it is a completion, in the form of the API that was asked."""

    status: int = 200
    text: str | Text = Text.ECHO
    finish_reason: str = "stop"
    """`stop`, `length`, `content_filter`, `tool_calls`."""
    tool_calls: tuple[ToolCall, ...] = ()
    model: str = ""
    """What the reply says made it; empty: the model asked."""
    tokens: Tokens | None = None
    """None: the words of the prompt and of the text."""
    error: Mapping[str, Any] | None = None
    """The object below `error`; in its message {prompt}, {model} and {key} stand for the request's."""
    raw: bytes | None = None
    """A body as it is, instead of a completion."""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: Wait | None = None
    delay: float | None = None
    """Seconds until the first byte; None: the server's latency."""
    manner: Manner = Manner.WHOLE
    gap: float = 1.0
    """Seconds between what drips."""
    chunked: bool = False
    """Framed in chunks instead of with a content-length; a stream always is."""
    gzipped: bool = False

    @classmethod
    def refusing(cls, status: int, error: Mapping[str, Any], **more: Any) -> Self:
        """An error of any status."""
        return cls(status=status, error=error, **more)

    @classmethod
    def quota(cls, **more: Any) -> Self:
        """429: no money left."""
        return cls.refusing(429, errors.QUOTA, **more)

    @classmethod
    def rate_limited(cls, **more: Any) -> Self:
        """429: too many requests; `wait=Wait(2)` says when to come again."""
        return cls.refusing(429, errors.RATE_LIMITED, **more)

    @classmethod
    def bad_request(cls, **more: Any) -> Self:
        """400, with the prompt in its message."""
        return cls.refusing(400, errors.BAD_REQUEST, **more)

    @classmethod
    def unauthorized(cls, **more: Any) -> Self:
        """401, with part of the key in its message."""
        return cls.refusing(401, errors.BAD_KEY, **more)

    @classmethod
    def forbidden(cls, **more: Any) -> Self:
        """403: the region is not served."""
        return cls.refusing(403, errors.FORBIDDEN, **more)

    @classmethod
    def model_not_found(cls, **more: Any) -> Self:
        """404: no such model for this key."""
        return cls.refusing(404, errors.NO_MODEL, **more)

    @classmethod
    def timed_out(cls, **more: Any) -> Self:
        """408."""
        return cls.refusing(408, errors.TIMED_OUT, **more)

    @classmethod
    def conflict(cls, **more: Any) -> Self:
        """409."""
        return cls.refusing(409, errors.CONFLICT, **more)

    @classmethod
    def unprocessable(cls, **more: Any) -> Self:
        """422."""
        return cls.refusing(422, errors.UNPROCESSABLE, **more)

    @classmethod
    def failing(cls, status: int = 500, **more: Any) -> Self:
        """500, 502 and the like."""
        return cls.refusing(status, errors.SERVER_ERROR, **more)

    @classmethod
    def overloaded(cls, **more: Any) -> Self:
        """503."""
        return cls.refusing(503, errors.OVERLOADED, **more)

    @classmethod
    def html(cls, status: int = 200, **more: Any) -> Self:
        """A proxy's page where JSON was promised."""
        return cls(status=status, raw=b"<html><body>It works!</body></html>", content_type="text/html", **more)

    @classmethod
    def other_json(cls, body: str, **more: Any) -> Self:
        """A success with JSON of another form: `{}`, `[]`, `{"choices": []}`."""
        return cls(raw=body.encode(), **more)

    @classmethod
    def stream_of(cls, *events: object, **more: Any) -> Self:
        """A stream of these events, whatever they are; bytes stand for themselves."""
        lines = [event if isinstance(event, bytes) else dumps(event).encode() for event in events]
        raw = b"".join(b"data: %b\n\n" % line for line in lines)
        return cls(raw=raw, content_type="text/event-stream", **more)

    @classmethod
    def huge(cls, size: int = 2 * 2**20, **more: Any) -> Self:
        """A reply whose text has so many bytes."""
        return cls(text="word " * (size // 5) + "w" * (size % 5), **more)


def answer_to(prompt: str) -> str:
    """The default text for a prompt."""
    return f"answer to {blake2b(prompt.encode(), digest_size=5).hexdigest()}"
