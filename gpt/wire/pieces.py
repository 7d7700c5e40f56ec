"""What the events of a streamed reply add up to: chat completion chunks, and events of responses."""

from __future__ import annotations

from typing import Any

from gpt.errors import BadReply, GptError, ProviderFailed
from gpt.model import Api, Usage
from gpt.wire.answers import UNREADABLE, Answer, chat_usage, name_of, read_document, sound, text_of
from gpt.wire.calls import Calls
from gpt.wire.sdk_errors import judge_told

_ENDED = ("response.completed", "response.incomplete")
_TEXTS = ("response.output_text.delta", "response.refusal.delta")


class Pieces:
    """Takes each event, gives its text, and in the end the whole answer."""

    def __init__(self, api: Api) -> None:
        self._take = self._chunk if api is Api.CHAT else self._event
        self._texts: list[str] = []
        self._model = ""
        self._id = ""
        self._finish_reason = ""
        self._refused = False
        self._calls = Calls()
        self._audio: dict[str, Any] = {}
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        """Of several replies to one question: those that have."""
        self._whole: Answer | None = None
        self.usage: Usage | None = None
        """Unknown until the reply has ended: some hosts count all the way, and what comes after is not free."""

    def take(self, event: Any) -> str:
        """The text that this event of the SDK brings; often none. Raises GptError where it says that all failed."""
        try:
            text = self._take(event)
        except UNREADABLE:
            text = None
        if text is None:
            raise no_stream()
        if text:
            self._texts.append(text)
        return text

    def answer(self) -> Answer:
        """The whole; raises ProviderFailed for a stream that ended before its reply did."""
        if self._whole is not None:
            return self._whole
        if not self._finish_reason:
            raise _charged(ProviderFailed("the stream ended before the reply did"))
        return Answer(
            text="".join(self._texts),
            model=self._model,
            finish_reason="refusal" if self._refused else self._finish_reason,
            usage=self.usage,
            tool_calls=self._calls.whole(),
            media=sound(self._audio),
            id=self._id,
        )

    def _chunk(self, chunk: Any) -> str:
        self._model = text_of(getattr(chunk, "model", None)) or self._model
        self._id = name_of(getattr(chunk, "id", None)) or self._id
        text = "".join([self._choice(choice) for choice in chunk.choices or ()])
        if self._begun != self._ended:
            self.usage = None
        elif self._ended and getattr(chunk, "usage", None) is not None:
            self.usage = chat_usage(_plain(chunk.usage))
        return text

    def _choice(self, choice: Any) -> str:
        """Its text, where it is of the first reply: that one is given, as in a reply that comes whole."""
        index = getattr(choice, "index", None) or 0
        self._begun.add(index)
        if choice.finish_reason:
            self._ended.add(index)
        if index != 0:
            return ""
        self._finish_reason = choice.finish_reason or self._finish_reason
        delta = getattr(choice, "delta", None)
        return "" if delta is None else self._delta(delta)  # some hosts end without one

    def _delta(self, delta: Any) -> str:
        for call in getattr(delta, "tool_calls", None) or ():
            self._calls.take(_plain(call))
        older = getattr(delta, "function_call", None)
        if older is not None:
            self._calls.take({"index": "older", "type": "function", "function": _plain(older)})
        refused = text_of(getattr(delta, "refusal", None))
        self._refused = self._refused or bool(refused)
        return text_of(getattr(delta, "content", None)) or refused or self._heard(getattr(delta, "audio", None))

    def _heard(self, audio: Any) -> str:
        """What is spoken, in words; of the sound each piece is base64 that goes on where the last one ended."""
        heard = {} if audio is None else _plain(audio)
        for name, value in heard.items():
            known = self._audio.get(name, "") if name in ("data", "transcript") else ""
            self._audio[name] = known + value if known else value
        return text_of(heard.get("transcript"))

    def _event(self, event: Any) -> str:
        if event.type in _TEXTS:
            return text_of(event.delta)
        if event.type in _ENDED:
            self._whole = read_document(_plain(event.response), Api.RESPONSES)
            self.usage = self._whole.usage
        if event.type == "response.failed":
            raise _charged(judge_told(_plain(event.response).get("error") or {}))
        if event.type == "error":
            raise _charged(judge_told({"code": getattr(event, "code", None)}))
        return ""


def no_stream() -> BadReply:
    """Of events that are none of such a stream."""
    return BadReply("the provider's stream is no completion", hint="is the base URL that of an OpenAI API?")


def _plain(value: Any) -> Any:
    """As JSON has it. Without pydantic's warnings about hosts that differ a little: they show the text."""
    return value if isinstance(value, dict) else value.model_dump(exclude_none=True, warnings=False)


def _charged(error: GptError) -> GptError:
    """Half of a reply was sent."""
    error.charged = True
    return error
