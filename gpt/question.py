"""What a caller asks, made into a request: its body, its name, and on what terms it is asked (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias, TypedDict

from gpt.errors import GptSettingsError
from gpt.model import Api, Priority
from gpt.request_key import marks_of, request_key

Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]
"""One text, or the messages of a conversation as the API takes them."""
_OURS = ("model", "messages", "input", "stream", "timeout")
"""Parameters that are said otherwise."""
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
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
    bot: str
    """Who asks, for budgets and for fair waiting; no part of the question."""
    tags: Sequence[str]
    """Words by which its reply can be invalidated later."""
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
        limits = [self.body[name] for name in _LIMITS if isinstance(self.body.get(name), int)]
        return min(limits) if limits else None

    @property
    def most_prompt(self) -> int:
        """Tokens that the prompt has at most: none is shorter than a byte. Made anew at each look."""
        messages = self.body.get("messages") or self.body.get("input")
        count = 1 if isinstance(messages, str) else len(messages or ())
        text = json.dumps(self.body, ensure_ascii=False, default=str)
        return len(text.encode("utf-8", "surrogatepass")) + _MESSAGE_TOKENS * count


_KNOWN: Final = frozenset(Options.__annotations__)


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
        """The request and its terms; raises GptSettingsError for terms that cannot be."""
        if not options.keys() <= _KNOWN:
            raise _unknown(next(name for name in options if name not in _KNOWN))
        model = options.get("model") or self._model
        if not model:
            raise GptSettingsError(
                "no model is named", hint="GptSettings(model=…), [gpt] model in gavat.toml, or model=…"
            )
        api = options.get("api", Api.CHAT)
        heat = self._temperature if temperature is Default.SETTINGS else temperature
        body = {"model": model, **_conversation(prompt, system, api), **_more(options)}
        if heat is not None:
            body["temperature"] = heat
        namespace = options.get("namespace", "")
        key = None
        if options.get("cache", True):
            whose = (namespace, options.get("variant"))
            key = request_key(body, api=api, base_url=self._base_url, whose=whose)
        return Question(
            api=api,
            model=model,
            body=body,
            key=key,
            namespace=namespace,
            tags=tuple(options.get("tags", ())),
            bot=options.get("bot", ""),
            priority=options.get("priority", Priority.PERSON),
            deadline=options.get("deadline", self._deadline),
        )


def _conversation(prompt: Prompt, system: str | None, api: Api) -> dict[str, Any]:
    if api is Api.RESPONSES:
        told = {} if system is None else {"instructions": system}
        return {**told, "input": prompt if isinstance(prompt, str) else list(prompt)}
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return {"messages": messages if system is None else [{"role": "system", "content": system}, *messages]}


def _more(options: Options) -> Mapping[str, Any]:
    params = options.get("params", {})
    for name in _OURS:
        if name in params:
            raise GptSettingsError(f"params may not hold {name!r}", hint="an argument, a setting or stream() says it")
    return params


def _unknown(name: str) -> TypeError:
    from difflib import get_close_matches

    near = get_close_matches(name, _KNOWN, n=1)
    hint = f"did you mean {near[0]}?" if near else "more of the request goes into params={…}"
    return TypeError(f"a question has no option {name!r}: {hint}")
