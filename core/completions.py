"""Settings of completions, and helpers made from them; the room `gpt` knows neither gavat.toml nor the state folder."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import ConfigError
from core.settings import Declaration, Room, fill_rooms, parse_count, parse_duration, parse_path
from core.state import StateFolder
from core.state.settings import REDIS_ROOM, ROOT, STATE_ROOM, RedisSettings
from gpt.errors import GptSettingsError
from utils.private_files import NotPrivate, read_private
from utils.redact import printable
from utils.units import money_text

if TYPE_CHECKING:
    from gpt.openai_utils import GptHelper
    from gpt.settings import GptSettings

logger = logging.getLogger("gavatcore.openai")
KEY_VARIABLE = "OPENAI_API_KEY"
_OF_THE_KEY = ("api_key_file", "base_url")
"""Settings that are no `GptSettings`: where the key is, and whom it is shown to."""
_LEFT_OUT = "none"


class CompletionSettings(NamedTuple):
    """`[gpt]` of gavat.toml; what is None is as `gpt.settings.GptSettings` has it, which also says what each means."""

    model: str | None = None
    temperature: float | str | None = None
    """A number, or `none`: the request then has none, as models that reason want it."""
    preset: str | None = None
    timeout: timedelta | None = None
    deadline: timedelta | None = None
    min_request_interval: timedelta | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    processes: int | None = None
    max_retries: int | None = None
    base_delay: timedelta | None = None
    max_delay: timedelta | None = None
    cache_ttl: timedelta | None = None
    stale_for: timedelta | None = None
    max_entries: int | None = None
    max_bytes: int | None = None
    breaker_failures: int | None = None
    breaker_rest: timedelta | None = None
    daily_tokens: int | None = None
    daily_money: float | None = None
    bot_daily_tokens: int | None = None
    bot_daily_money: float | None = None
    alert_at: float | None = None
    prices: str | None = None
    api_key_file: str | None = None
    """Where the API key lies, private to its owner; before OPENAI_API_KEY, which may be there for something else."""
    base_url: str | None = None
    """None: OPENAI_BASE_URL, or OpenAI's own."""

    def __repr__(self) -> str:
        """What is set; of the address only that it is, since it may hold a password."""
        shown = {name: value for name, value in self._asdict().items() if value is not None}
        shown |= {"base_url": "set"} if self.base_url else {}
        return f"CompletionSettings({', '.join(f'{name}={value}' for name, value in shown.items())})"


def open_helper(*, on_alert: Callable[..., Any] | None = None) -> GptHelper:
    """A helper as `[gpt]`, `[redis] url` and `[state] path` of the environment and of gavat.toml say.

    `on_alert`: the helper's own. Other rooms' settings are not looked at. Warns of what lets no question be answered.
    Raises ConfigError.
    """
    config = os.path.join(ROOT, "gavat.toml")
    given, redis, state = fill_rooms((GPT_ROOM, REDIS_ROOM, STATE_ROOM), environ=os.environ, config_file=config)
    make = helper_maker(given, redis, StateFolder.at(state.path), on_alert=on_alert)
    try:
        helper = make()
    except GptSettingsError as error:
        raise _as_config_error(error) from error
    warn_of_unanswerable(given)
    return helper


def helper_maker(
    given: CompletionSettings,
    redis: RedisSettings,
    state: StateFolder,
    *,
    on_alert: Callable[..., Any] | None = None,
) -> Callable[[], GptHelper]:
    """What makes helpers with these settings.

    Raises ConfigError at once for what cannot be, not with the first question that a bot asks. Nothing of OpenAI or
    Redis is loaded before it is called.
    """
    settings = gpt_settings(given)
    key = None if given.api_key_file is None else _read_key(given.api_key_file)
    _refuse_unusable(settings, key or os.environ.get(KEY_VARIABLE, ""), given.base_url)

    def make() -> GptHelper:
        from gpt.openai_utils import GptHelper

        return GptHelper(
            api_key=key,
            base_url=given.base_url,
            redis_url=redis.url or None,
            settings=settings,
            state=state.path,
            on_alert=on_alert,
        )

    return make


def _refuse_unusable(settings: GptSettings, api_key: str, base_url: str | None) -> None:
    """Raise ConfigError for a price table, key or address that no question could use. No key at all may be meant."""
    from gpt.budget import PriceTable
    from gpt.settings import usable_address, usable_key

    try:
        PriceTable.load(settings.prices)
        usable_key(api_key)
        for address in filter(None, (base_url, os.environ.get("OPENAI_BASE_URL"))):
            usable_address(address)
    except GptSettingsError as error:
        raise _as_config_error(error) from error


def warn_of_unanswerable(given: CompletionSettings) -> None:
    """Log what lets no question be answered, before the first one is asked. Raises ConfigError."""
    for one in _unanswerable(given):
        logger.warning("asking a model: %s", one)


def _unanswerable(given: CompletionSettings) -> list[str]:
    """Why no question with these settings gets an answer of the model, a clause each."""
    return [*([] if _key(given) else ["no API key: every question gets its fallback"]), *_unpriced(given)]


def _unpriced(given: CompletionSettings) -> list[str]:
    if given.model is None or (given.daily_money is None and given.bot_daily_money is None):
        return []
    from gpt.budget import PriceTable

    try:
        table = PriceTable.load(given.prices or "")
    except GptSettingsError as error:
        raise _as_config_error(error) from error
    if table.find(given.model) is not None:
        return []
    return [f"money is limited and {printable(given.model)} has no price: every question to it gets its fallback"]


def _key(given: CompletionSettings) -> str:
    """Where the key is, for people; empty where there is none."""
    return given.api_key_file or (f"the variable {KEY_VARIABLE}" if os.environ.get(KEY_VARIABLE) else "")


def described(given: CompletionSettings) -> str:
    """How a fleet asks a model, in a line; empty where nothing says that it does. Raises ConfigError."""
    key = _key(given)
    if not key and given == CompletionSettings():
        return ""
    from gpt.gate import Rate

    settings = gpt_settings(given)
    rate = Rate.of(
        min_request_interval=settings.min_request_interval or 0.0, requests_per_minute=settings.requests_per_minute
    )
    limits = [money_text(settings.daily_money) + " a day"] if settings.daily_money is not None else []
    limits += [f"{settings.daily_tokens:,} tokens a day"] if settings.daily_tokens is not None else []
    return ", ".join(
        [
            printable(settings.model) or "no model is set: each question must name one",
            f"one request each {rate.interval:.3g} s" if rate.interval else "no limit of its rate",
            *(limits or ["no budget"]),
            *([f"the key from {printable(key)}"] if key else []),
            *_unanswerable(given),
        ]
    )


def gpt_settings(given: CompletionSettings) -> GptSettings:
    """They as the helper takes them; raises ConfigError."""
    from gpt.settings import GptSettings  # it loads dataclasses, which a short command does without

    named = {name: one for name, one in given._asdict().items() if one is not None and name not in _OF_THE_KEY}
    in_seconds: dict[str, Any] = {
        name: one.total_seconds() if isinstance(one, timedelta) else one for name, one in named.items()
    }
    if in_seconds.get("temperature") == _LEFT_OUT:
        in_seconds["temperature"] = None
    try:
        return GptSettings(**in_seconds)
    except GptSettingsError as error:
        raise _as_config_error(error) from error


def _as_config_error(error: GptSettingsError) -> ConfigError:
    return ConfigError(error.message, hint=error.hint)


def _read_key(path: str) -> str:
    """The key of the file; no message repeats anything of it."""
    try:
        text = read_private(path).decode("ascii", errors="replace").strip()
    except OSError as error:
        raise ConfigError(f"the API key cannot be read ({error.strerror})", path=path) from error
    except NotPrivate:
        raise ConfigError("the API key is not private to this user", path=path, hint=f"chmod 600 {path}") from None
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise ConfigError("there is no API key in it", path=path, hint="one line: the key and nothing else")
    return text


def _parse_number(text: str) -> float:
    """A number from 0 on. Raises ValueError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"«{printable(text)}» is no number from 0 on")
    return number


def _parse_whole(text: str) -> int:
    """A whole number from 0 on. Raises ValueError."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"«{printable(text)}» is no whole number from 0 on")
    return int(text)


def _parse_temperature(text: str) -> float | str:
    """A number from 0 on, or `none`. Raises ValueError."""
    return text if text == _LEFT_OUT else _parse_number(text)


def _parse_address(text: str) -> str:
    if not text.startswith(("https://", "http://")):  # the text is not repeated: it may hold a password
        raise ValueError("no address of an API; it begins with https:// or http://")
    return text


_DECLARED: dict[str, tuple[Callable[[str], Any], str]] = {
    "model": (str, "the model that is asked when a question names none"),
    "temperature": (_parse_temperature, "of questions that name none: 0.8, or none for models that reason"),
    "preset": (str, "standard or conservative: 5 or 10 s between two requests"),
    "timeout": (parse_duration, "time on the wire for one question, all its tries together"),
    "deadline": (parse_duration, "how long a question waits in all"),
    "min_request_interval": (parse_duration, "least time between two requests of all processes; 0: no limit"),
    "requests_per_minute": (parse_count, "the provider's own limit of requests"),
    "tokens_per_minute": (parse_count, "the provider's own limit of tokens"),
    "processes": (parse_count, "how many share the key: what each keeps to while Redis is down"),
    "max_retries": (_parse_whole, "tries after the first one"),
    "base_delay": (parse_duration, "wait before the first retry, doubled each time"),
    "max_delay": (parse_duration, "longest such wait"),
    "cache_ttl": (parse_duration, "how long a reply answers the same question; 0 keeps none"),
    "stale_for": (parse_duration, "how long after that it may stand in for a failing provider"),
    "max_entries": (parse_count, "most replies that a process keeps"),
    "max_bytes": (parse_count, "most bytes of replies that a process keeps"),
    "breaker_failures": (parse_count, "failures of the provider in a row after which nobody asks for a while"),
    "breaker_rest": (parse_duration, "how long that while is"),
    "daily_tokens": (_parse_whole, "most tokens of a day (UTC), all bots together"),
    "daily_money": (_parse_number, "most US dollars of a day (UTC), all bots together: 2.50"),
    "bot_daily_tokens": (_parse_whole, "most tokens of a day, for each bot"),
    "bot_daily_money": (_parse_number, "most US dollars of a day, for each bot: 0.50"),
    "alert_at": (_parse_number, "share of a limit at which operators are told: 0.8"),
    "prices": (parse_path, "a price table of your own"),
    "api_key_file": (parse_path, "a file (0600) that holds the API key"),
    "base_url": (_parse_address, "another provider with OpenAI's API: https://HOST/v1"),
}
GPT_ROOM = Room(
    "gpt",
    CompletionSettings,
    {name: Declaration(f"GAVAT_GPT_{name.upper()}", parse, meaning) for name, (parse, meaning) in _DECLARED.items()},
)
