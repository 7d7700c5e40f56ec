"""What a caller asks, made into a request: its body, its name, and on what terms it is asked (pure)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias, TypedDict

from gpt.errors import GptSettingsError, RequestRefused
from gpt.model import Api, Priority
from gpt.request_key import marks_of, request_key
from gpt.settings import LONGEST_DEADLINE

Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]
"""One text, or the messages of a conversation as the API takes them."""
_TEXT_PARTS = ("text", "input_text", "output_text", "refusal")
_OURS = ("model", "messages", "input", "stream", "timeout")
"""Parameters that are said otherwise."""
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_STORED = ("previous_response_id", "conversation", "prompt")
"""Of the responses API: what the provider adds from what it has stored."""
_PAYLOADS = ("data", "file_data", "result")
"""Of a part that is no text: what it holds, in base64. Data URLs are told by their beginning."""
_UNSEEN_TOKENS = 50_000
"""What an image, a file or something stored is held to take: nobody here sees how much it is."""
_LIKELY_TOKENS = 1_000
"""What the token limit is told of it; a large image takes about as much."""
_BYTES_A_TOKEN = 3.5
"""Of a prompt, in the mean: what the token limit is told before the provider says the true count."""
_MESSAGE_TOKENS = 8
"""Around each message, at most (OpenAI cookbook, counting tokens: 3 to 4)."""


class Default(Enum):
    """Stands for what the settings say."""

    SETTINGS = "settings"


class Options(TypedDict, total=False):
    """How a question is asked; every one may be left out."""

    model: str
    """Else that of the settings."""
    namespace: str
    """Whose question it is (a bot, a persona, a chat): replies are never shared between two namespaces."""
    bot: str | int
    """Who asks, for budgets and for fair waiting; no part of the question."""
    tags: Iterable[str]
    """Words by which its reply can be invalidated later; one text is one word."""
    cache: bool
    """False: neither answered from the cache, nor joined, nor kept."""
    variant: int
    """Another answer to the same question: a bot that says the same for five minutes looks broken."""
    priority: Priority
    deadline: float
    """Seconds that the caller waits in all."""
    api: Api
    params: Mapping[str, Any]
    """More of the request, as the API names it: `tools`, `response_format`, `max_completion_tokens`, `seed` …"""


class PromptTokens(NamedTuple):
    """How long a prompt is, as far as that can be told before the provider counts."""

    most: int
    likely: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request and its terms. What is asked never stands in its `repr`."""

    api: Api
    model: str
    body: Mapping[str, Any] = field(repr=False)
    key: str | None
    """Under which its reply is kept; None: it is not."""
    namespace: str = ""
    tags: tuple[str, ...] = ()
    bot: str = ""
    priority: Priority = Priority.PERSON
    deadline: float = 0.0
    """Seconds."""

    @property
    def marks(self) -> tuple[str, ...]:
        """By which its reply can be invalidated."""
        return marks_of(key=self.key or "", namespace=self.namespace, model=self.model, tags=self.tags)

    @property
    def most_completion(self) -> int | None:
        """Tokens that the reply may have at most, where the request says so."""
        limits = [limit for name in _LIMITS if (limit := _count(self.body.get(name)))]
        return min(limits) if limits else None

    @property
    def choices(self) -> int:
        """How many replies it asks for at once."""
        return _count(self.body.get("n")) or 1

    @property
    def prompt_tokens(self) -> PromptTokens:
        """At most: none is shorter than a byte, and what nobody here sees is held to take so much. Made anew at each
        look.
        """
        messages = self.body.get("messages") or self.body.get("input") or ()
        messages = () if isinstance(messages, str) else messages
        hidden = [part for message in messages for part in _parts(message) if part.get("type") not in _TEXT_PARTS]
        text = json.dumps(self.body, ensure_ascii=False, default=str)
        seen = len(text.encode("utf-8", "surrogatepass")) - sum(map(_payload, hidden))
        seen += _MESSAGE_TOKENS * max(len(messages), 1)
        unseen = len(hidden) + sum(name in self.body for name in _STORED)
        return PromptTokens(seen + _UNSEEN_TOKENS * unseen, int(seen / _BYTES_A_TOKEN) + _LIKELY_TOKENS * unseen)


class Asking:
    """What all questions of a helper have in common."""

    def __init__(self, *, model: str, temperature: float | None, deadline: float, base_url: str) -> None:
        self._model = model
        self._temperature = temperature
        self._deadline = deadline
        self._base_url = base_url

    def question(
        self, prompt: Prompt, system: str | None, temperature: float | Default | None, options: Options
    ) -> Question:
        """The request and its terms.

        Raises GptSettingsError for terms that cannot be, RequestRefused where nothing is asked, and TypeError for an
        option that is none.
        """
        for name, value in options.items():
            _check(name, value)
        model = options.get("model") or self._model
        if not model:
            raise GptSettingsError(
                "no model is named", hint="GptSettings(model=…), [gpt] model in gavat.toml, or model=…"
            )
        api = Api(options.get("api", Api.CHAT))
        heat = self._temperature if temperature is Default.SETTINGS else temperature
        body = {"model": model, **_conversation(prompt, system, api), **_more(options)}
        if heat is not None:
            body["temperature"] = heat
        namespace = options.get("namespace", "")
        whose = (namespace, options.get("variant"))
        key = request_key(body, api=api, base_url=self._base_url, whose=whose)
        if key is None:
            raise RequestRefused("the request is no JSON", hint="see params: numbers, texts, lists and dicts")
        return Question(
            api=api,
            model=model,
            body=body,
            key=key if options.get("cache", True) else None,
            namespace=namespace,
            tags=_words(options.get("tags", ())),
            bot=str(options.get("bot", "")),
            priority=options.get("priority", Priority.PERSON),
            deadline=options.get("deadline", self._deadline),
        )


def _count(value: object) -> int:
    """A number of tokens or replies; 0 for what is none (some hosts take -1 for "any number")."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a message, or the output of a call, is made of; nothing where that is one text."""
    if message.get("type") == "image_generation_call":
        yield message
    for name in ("content", "output"):
        content = message.get(name)
        parts = content if isinstance(content, list) else (content,)
        yield from (part for part in parts if isinstance(part, Mapping))


def _payload(value: object, name: str = "") -> int:
    """Bytes in it that are an image, a file or a sound, and no text: base64 has a byte for each letter."""
    if isinstance(value, Mapping):
        return sum(_payload(inner, key) for key, inner in value.items())
    is_payload = isinstance(value, str) and (name in _PAYLOADS or value[:5].lower() == "data:")
    return len(value) if is_payload and isinstance(value, str) else 0


def _conversation(prompt: Prompt, system: str | None, api: Api) -> dict[str, Any]:
    if isinstance(prompt, str):
        asked: str | list[Mapping[str, Any]] = prompt if prompt.strip() else []
    else:
        asked = _messages(prompt)
    if not asked:
        raise RequestRefused("nothing is asked", hint="a text that is not blank, or messages")
    if api is Api.RESPONSES:
        told = {} if system is None else {"instructions": system}
        return {**told, "input": asked}
    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    return {"messages": messages if system is None else [{"role": "system", "content": system}, *messages]}


def _messages(prompt: object) -> list[Mapping[str, Any]]:
    if not isinstance(prompt, Sequence) or not all(isinstance(message, Mapping) for message in prompt):
        raise RequestRefused(f"a {type(prompt).__name__} cannot be asked", hint="a text, or a list of messages")
    # The caller's own objects may change while the question waits; its answer is kept under what is asked now.
    return copy.deepcopy(list(prompt))


def _more(options: Options) -> Mapping[str, Any]:
    params = options.get("params", {})
    for name in _OURS:
        if name in params:
            raise GptSettingsError(f"params may not hold {name!r}", hint="an argument, a setting or stream() says it")
    return copy.deepcopy(params) if params else params


def _words(tags: Iterable[str]) -> tuple[str, ...]:
    return (tags,) if isinstance(tags, str) else tuple(tags)


def _check(name: str, value: object) -> None:
    """Raise for an option that cannot be, with the words for it; nothing of its value is repeated."""
    if name not in _OPTIONS:
        raise _unknown(name)
    can_be, hint = _OPTIONS[name]
    if not can_be(value):
        raise GptSettingsError(f"the option {name} is a {type(value).__name__} that it cannot be", hint=hint)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_DEADLINE


def _are_words(value: object) -> bool:
    return isinstance(value, Iterable) and all(isinstance(word, str) for word in value)


_OPTIONS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "model": (_is_text, "a name"),
    "namespace": (_is_text, "a text"),
    "bot": (lambda value: isinstance(value, str | int), "a name, or an id"),
    "tags": (_are_words, "a list of texts"),
    "cache": (lambda value: isinstance(value, bool), "True or False"),
    "variant": (lambda value: value is None or isinstance(value, int), "a whole number"),
    "priority": (lambda value: isinstance(value, Priority), "Priority.PERSON or Priority.BATCH"),
    "deadline": (_is_seconds, f"seconds, more than 0 and at most {LONGEST_DEADLINE}"),
    "api": (lambda value: value in list(Api), "Api.CHAT or Api.RESPONSES"),
    "params": (lambda value: isinstance(value, Mapping), "a dict"),
}
"""What each may be."""


def _unknown(name: str) -> TypeError:
    from difflib import get_close_matches

    near = get_close_matches(name, _OPTIONS, n=1)
    hint = f"did you mean {near[0]}?" if near else "more of the request goes into params={…}"
    return TypeError(f"a question has no option {name!r}: {hint}")
