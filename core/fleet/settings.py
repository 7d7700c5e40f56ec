"""Settings of a fleet, and of the bots that have some of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from core.client.settings import parse_api_id
from core.errors import ConfigError
from core.fleet.proxy import Proxy, parse_proxy
from core.settings import (
    Declaration,
    Room,
    Tables,
    config_path,
    fill_rooms,
    parse_count,
    parse_duration,
    parse_switch,
    parse_text,
)
from core.state.settings import ROOT
from utils.redact import printable

HandlerName = str | Callable[..., Any]
"""A function, or where it is: `mybot.handlers:answer`."""
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class FleetSettings(NamedTuple):
    """`[fleet]` of gavat.toml."""

    at_once: int = 5
    """Bots that start at a time."""
    stagger_min: timedelta = timedelta(seconds=1)
    stagger_max: timedelta = timedelta(seconds=3)
    """Between two starts passes a time between these, by chance."""
    restart_first: timedelta = timedelta(seconds=5)
    restart_cap: timedelta = timedelta(minutes=15)
    """Waits before starting again: the first one, doubled each time, and the longest."""
    wave_stops_after: int = 3
    """Refusals of the kind 406 or 420 in a row that stop the wave."""
    wave_pause: timedelta = timedelta(minutes=10)
    """How long a stopped wave waits before it tries one bot."""
    on_private: tuple[HandlerName, ...] = ()
    """Called for each message that a person writes to a bot."""
    on_group: tuple[HandlerName, ...] = ()
    """Called for each message in a group that a bot is in."""
    handlers: tuple[HandlerName, ...] = ()
    """Called for the events that they are marked with: `@events.register(…)`."""


class BotSettings(NamedTuple):
    """`[bots.NAME]` of gavat.toml: what one bot has of its own; what is None is the fleet's."""

    run: bool = True
    """False: it is left out."""
    on_private: tuple[HandlerName, ...] | None = None
    on_group: tuple[HandlerName, ...] | None = None
    handlers: tuple[HandlerName, ...] | None = None
    """Each of the three stands in place of all that the fleet has of its kind."""
    api_id: int | None = None
    api_hash: str | None = None
    proxy: Proxy | None = None
    device_model: str | None = None
    system_version: str | None = None
    app_version: str | None = None
    lang_code: str | None = None
    system_lang_code: str | None = None
    flood_sleep: timedelta | None = None

    def __repr__(self) -> str:
        """What is set, without the secrets."""
        shown = {name: value for name, value in self._asdict().items() if value is not None and name != "api_hash"}
        return f"BotSettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def options(self) -> dict[str, Any]:
        """What Telethon's client gets of it."""
        same = ("device_model", "system_version", "app_version", "lang_code", "system_lang_code")
        given = {name: getattr(self, name) for name in same}
        given["proxy"] = self.proxy.for_telethon() if self.proxy is not None else None
        given["flood_sleep_threshold"] = None if self.flood_sleep is None else self.flood_sleep.total_seconds()
        return {name: value for name, value in given.items() if value is not None}


def fleet_settings(environ: Mapping[str, str]) -> FleetSettings:
    """From the environment and `gavat.toml`; raises ConfigError."""
    (settings,) = fill_rooms((FLEET_ROOM,), environ=environ, config_file=_CONFIG)
    assert isinstance(settings, FleetSettings)
    return settings


def bots_settings(environ: Mapping[str, str]) -> dict[str, BotSettings]:
    """`[bots.NAME]` of `gavat.toml`, by name; raises ConfigError."""
    (tables,) = fill_rooms((BOTS_ROOM,), environ=environ, config_file=_CONFIG)
    return dict(tables)


def config_folder(environ: Mapping[str, str]) -> str:
    """The folder of `gavat.toml`, whether there is one or not. Raises ConfigError."""
    return os.path.dirname(os.path.abspath(config_path(environ, _CONFIG)))


def parse_handlers(text: str) -> tuple[str, ...]:
    """Functions as `MODULE:FUNCTION`, separated by commas; none is an empty text. Raises ValueError."""
    paths = tuple(part.strip() for part in text.split(",") if part.strip())
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ValueError(f"«{printable(path)}» names no function; write it as mybot.handlers:answer")
    return paths


def _handlers(variable: str, meaning: str) -> Declaration:
    return Declaration(variable, parse_handlers, meaning, separator=",")


def _of_a_bot(parse: Callable[[str], Any], meaning: str) -> Declaration:
    return Declaration("", parse, meaning)


_CONFIG = os.path.join(ROOT, "gavat.toml")
_PRIVATE = "functions for private messages: mybot.handlers:answer"
_GROUP = "functions for messages in groups: mybot.handlers:listen"
_MARKED = "functions marked with events.register(…): mybot.handlers:edited"


def _possible(**given: Any) -> FleetSettings:
    """The settings; raises ConfigError where one contradicts another."""
    settings = FleetSettings(**given)
    for least, most in (("stagger_min", "stagger_max"), ("restart_first", "restart_cap")):
        low, high = (getattr(settings, name).total_seconds() for name in (least, most))
        if low > high:
            both = " and ".join(f"GAVAT_{name.upper()}" for name in (least, most))
            message = f"{least} ({low:g} s) is longer than {most} ({high:g} s)"
            raise ConfigError(message, hint=f"set both, {both}, or both in [fleet]")
    return settings


FLEET_ROOM = Room(
    "fleet",
    _possible,
    {
        "at_once": Declaration("GAVAT_AT_ONCE", parse_count, "how many bots start at a time"),
        "stagger_min": Declaration("GAVAT_STAGGER_MIN", parse_duration, "shortest time between two starts"),
        "stagger_max": Declaration("GAVAT_STAGGER_MAX", parse_duration, "longest time between two starts"),
        "restart_first": Declaration("GAVAT_RESTART_FIRST", parse_duration, "wait before the first restart"),
        "restart_cap": Declaration("GAVAT_RESTART_CAP", parse_duration, "longest wait before a restart"),
        "wave_stops_after": Declaration("GAVAT_WAVE_STOPS_AFTER", parse_count, "refusals in a row that stop a wave"),
        "wave_pause": Declaration("GAVAT_WAVE_PAUSE", parse_duration, "how long a stopped wave waits"),
        "on_private": _handlers("GAVAT_ON_PRIVATE", _PRIVATE),
        "on_group": _handlers("GAVAT_ON_GROUP", _GROUP),
        "handlers": _handlers("GAVAT_HANDLERS", _MARKED),
    },
)
BOTS_ROOM = Room(
    "bots",
    BotSettings,
    {
        "run": _of_a_bot(parse_switch, "false leaves this bot out"),
        "on_private": _handlers("", _PRIVATE),
        "on_group": _handlers("", _GROUP),
        "handlers": _handlers("", _MARKED),
        "api_id": _of_a_bot(parse_api_id, "the number of an application of its own"),
        "api_hash": _of_a_bot(parse_text, "the hash that belongs to it"),
        "proxy": _of_a_bot(parse_proxy, "socks5://user:password@host:port; socks4 and http too"),
        "device_model": _of_a_bot(parse_text, "what Telegram shows of it under Devices"),
        "system_version": _of_a_bot(parse_text, "the same"),
        "app_version": _of_a_bot(parse_text, "the same"),
        "lang_code": _of_a_bot(parse_text, "language of the application, such as en"),
        "system_lang_code": _of_a_bot(parse_text, "language of the system, such as en-US"),
        "flood_sleep": _of_a_bot(parse_duration, "longest flood wait that is slept through"),
    },
    Tables.BY_NAME,
)
