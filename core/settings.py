"""Filling the rooms' settings: flag > environment > gavat.toml > default.

Each room declares an immutable class of its settings and a `Room` that says how each is named and read.
`load_settings` fills them all at once, so that a name nobody declared is found and answered with the nearest one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from enum import Enum
from typing import Any, NamedTuple

from core.errors import ConfigError
from core.variables import VARIABLES
from utils.redact import printable

CONFIG_VARIABLE = "GAVAT_CONFIG"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PREFIX = "GAVAT_"
_warned_of: set[str] = set()
Parse = Callable[[str], Any]


class Declaration(NamedTuple):
    """How one setting is named in the environment, and how its text is read."""

    variable: str
    """Empty in a table by name: such a setting stands in gavat.toml alone."""
    parse: Parse
    """Raises ValueError."""
    help: str
    separator: str = ""
    """Between the parts of a list, in its text; empty: it is no list."""


class Tables(Enum):
    """What a room's section of gavat.toml is."""

    ONE = "one"
    """A table of its settings: `[files]`."""
    BY_NAME = "by name"
    """A table for each thing of a kind: `[bots.alice]`. They are filled into a dict by name."""


class Room(NamedTuple):
    """One room's settings."""

    section: str
    """Table of gavat.toml that its keys stand in."""
    settings: Callable[..., Any]
    """The class, or what makes one and raises ConfigError; its field names are the keys, its defaults the defaults."""
    declarations: Mapping[str, Declaration]
    """By field name."""
    tables: Tables = Tables.ONE


def load_settings(
    rooms: tuple[Room, ...], *, flags: Mapping[str, Any], environ: Mapping[str, str], config_file: str
) -> list[Any]:
    """Each room's settings, in order.

    `flags` holds values from the command line by field name, already parsed; None means not given. Raises
    ConfigError for an unknown or unreadable setting.
    """
    _refuse_unknown(environ, {one.variable for room in rooms for one in room.declarations.values()} - {""})
    path = config_path(environ, config_file)
    document = _read_config(path, must_exist=CONFIG_VARIABLE in environ)
    _refuse_unknown_tables(document, rooms, path)
    return [_fill(room, flags, environ, document, path) for room in rooms]


def fill_rooms(rooms: tuple[Room, ...], *, environ: Mapping[str, str], config_file: str) -> list[Any]:
    """Settings of some rooms, for a program that embeds them: what others declare is not looked at.

    A variable that no room has is warned of, once, and not refused: it may be the program's own. Raises ConfigError
    for an unreadable setting of these rooms.
    """
    _warn_of_unknown(environ)
    path = config_path(environ, config_file)
    document = _read_config(path, must_exist=CONFIG_VARIABLE in environ)
    return [_fill(room, {}, environ, document, path) for room in rooms]


def config_path(environ: Mapping[str, str], default: str) -> str:
    """Where gavat.toml is, or would be; raises ConfigError."""
    declared = Declaration(CONFIG_VARIABLE, parse_path, "the path of gavat.toml")
    given = environ.get(CONFIG_VARIABLE)
    return str(_parsed(declared, given, f"variable {CONFIG_VARIABLE}")) if given else default


def _fill(room: Room, flags: Mapping[str, Any], environ: Mapping[str, str], document: dict[str, Any], path: str) -> Any:
    table = document.get(room.section, {})
    if room.tables is Tables.BY_NAME:
        return _fill_tables(room, table, path)
    if not isinstance(table, dict):
        raise ConfigError(f"{room.section} must be a table: [{room.section}]", path=path)
    _refuse_unknown_keys(table, room, f"[{room.section}]", path)
    values = {}
    for name, declared in room.declarations.items():
        if flags.get(name) is not None:
            values[name] = flags[name]
        elif environ.get(declared.variable):
            values[name] = _parsed(declared, environ[declared.variable], f"variable {declared.variable}")
        elif name in table:
            where = f"{room.section}.{name} in {path}"
            values[name] = _parsed(declared, _as_text(table[name], declared, where), where)
    return room.settings(**values)


def _fill_tables(room: Room, tables: object, path: str) -> dict[str, Any]:
    """The settings of each thing by its name; an unknown key is refused whoever asks: it may be a proxy misspelt."""
    if not isinstance(tables, dict):
        raise ConfigError(f"{room.section} must hold tables: [{room.section}.NAME]", path=path)
    filled = {}
    for name, table in tables.items():
        where = f"{room.section}.{printable(name)}"
        if not isinstance(table, dict):
            raise ConfigError(f"{where} must be a table: [{where}]", path=path)
        _refuse_unknown_keys(table, room, f"[{where}]", path)
        values = {
            key: _parsed(
                declared, _as_text(table[key], declared, f"{where}.{key} in {path}"), f"{where}.{key} in {path}"
            )
            for key, declared in room.declarations.items()
            if key in table
        }
        filled[_path_in_name(name, where)] = room.settings(**values)
    return filled


def _path_in_name(name: str, where: str) -> str:
    """What a table by name is about: `[bots."~/shop/alice"]` is a path, `[bots.alice]` none."""
    return str(_parsed(Declaration("", parse_path, ""), name, where)) if "/" in name else name


def parse_duration(text: str) -> timedelta:
    """A duration such as `90s`, `15m`, `48h`, `7d`; a bare number is seconds. Raises ValueError."""
    unit = text[-1:] if text[-1:] in _UNITS else ""
    number = text[: len(text) - len(unit)].strip()
    try:
        seconds = float(number) * _UNITS[unit or "s"]
        if not 0 <= seconds < 10**10:
            raise ValueError
    except ValueError:
        raise ValueError(f"«{printable(text)}» is no duration; write 90s, 15m, 48h or 7d") from None
    return timedelta(seconds=seconds)


def parse_count(text: str) -> int:
    """A whole number of at least 1. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(f"«{printable(text)}» is no whole number of at least 1")
    return int(text)


def parse_text(text: str) -> str:
    """A text that says something. Raises ValueError."""
    if not text.strip():
        raise ValueError("an empty text; leave it out where nothing is meant")
    return text


def parse_switch(text: str) -> bool:
    """`true` or `false`. Raises ValueError."""
    if text not in ("true", "false"):
        raise ValueError(f"«{printable(text)}» is neither true nor false")
    return text == "true"


def parse_path(text: str) -> str:
    """A path; `~` and `~user` at its beginning are home folders. Raises ValueError for one that is not known."""
    path = os.path.expanduser(text)
    if path.startswith("~"):
        home = printable(text.partition("/")[0])
        raise ValueError(f"«{printable(text)}»: no home folder is known for {home}; write ./{home} for that name")
    return path


def parse_paths(text: str) -> tuple[str, ...]:
    """Paths separated by colons, each as `parse_path` reads it. Raises ValueError when there is none."""
    paths = tuple(parse_path(part) for part in text.split(os.pathsep) if part)
    if not paths:
        raise ValueError("no path given")
    return paths


def did_you_mean(word: str, known: set[str]) -> str | None:
    """A hint with the nearest known word, or None."""
    import difflib

    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else None


def _refuse_unknown(environ: Mapping[str, str], known: set[str]) -> None:
    known = known | {CONFIG_VARIABLE}
    for name in _unknown(environ, known):
        raise ConfigError(f"unknown variable {printable(name)}", hint=did_you_mean(name, known))


def _unknown(environ: Mapping[str, str], known: Collection[str]) -> list[str]:
    return [name for name in environ if name.startswith(_PREFIX) and name not in known]


def _warn_of_unknown(environ: Mapping[str, str]) -> None:
    for name in _unknown(environ, VARIABLES):
        if name not in _warned_of:
            import logging

            _warned_of.add(name)
            hint = did_you_mean(name, set(VARIABLES))
            logger = logging.getLogger("gavatcore.settings")
            logger.warning("%s is not known%s", printable(name), f"; {hint}" if hint else "")


def _read_config(path: str, *, must_exist: bool) -> dict[str, Any]:
    if not must_exist and not os.path.exists(path):
        return {}
    import tomllib

    try:
        with open(path, "rb") as opened:
            return tomllib.load(opened)
    except OSError as error:
        raise ConfigError(f"the configuration cannot be read ({error.strerror})", path=path) from error
    except (ValueError, RecursionError) as error:  # no TOML, no text, or a number or nesting that tomllib gives up on
        raise ConfigError(f"the configuration is no TOML: {error}", path=path) from error


def _refuse_unknown_tables(document: dict[str, Any], rooms: tuple[Room, ...], path: str) -> None:
    sections = {room.section: room for room in rooms}
    for section, table in document.items():
        if section not in sections:
            raise _undeclared(section, table, rooms, path)
        if not isinstance(table, dict):
            raise ConfigError(f"{section} must be a table: [{section}]", path=path)
        if sections[section].tables is Tables.ONE:
            _refuse_unknown_keys(table, sections[section], f"[{section}]", path)


def _undeclared(name: str, value: object, rooms: tuple[Room, ...], path: str) -> ConfigError:
    """What is said of a table that nobody declared, or of a key that stands above all tables."""
    shown = printable(name)
    if isinstance(value, dict):
        hint = did_you_mean(name, {room.section for room in rooms})
        return ConfigError(f"unknown table [{shown}]", path=path, hint=hint)
    known = [room for room in rooms if name in room.declarations]
    tables = [f"[{room.section}]" if room.tables is Tables.ONE else f"[{room.section}.NAME]" for room in known]
    hint = f"it belongs into {' or '.join(tables)}" if tables else None
    hint = hint or did_you_mean(name, {key for room in rooms for key in room.declarations})
    return ConfigError(f"key {shown} stands in no table", path=path, hint=hint)


def _refuse_unknown_keys(table: dict[str, Any], room: Room, where: str, path: str) -> None:
    for key in table:
        if key not in room.declarations:
            hint = did_you_mean(key, set(room.declarations))
            raise ConfigError(f"unknown key {printable(key)} in {where}", path=path, hint=hint)


def _as_text(value: object, declared: Declaration, where: str) -> str:
    """The text that a value of gavat.toml stands for; raises ConfigError where it can stand for none."""
    if isinstance(value, list) and declared.separator:
        return declared.separator.join(_as_text(part, declared._replace(separator=""), where) for part in value)
    if isinstance(value, list | dict):
        raise ConfigError(f"{where}: a {'list' if isinstance(value, list) else 'table'}, where one value is meant")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\0" in text:
        raise ConfigError(f"{where}: there is a NUL in it")
    return text


def _parsed(declared: Declaration, text: str, where: str) -> Any:
    try:
        return declared.parse(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}", hint=declared.help) from None
