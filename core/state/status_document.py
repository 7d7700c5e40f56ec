"""The status of a process as JSON, and back (pure). Whoever may write there wrote what is read: nothing is trusted.

Fields that say nothing (0, empty) are left out, so that a document of 200 bots has some 30 kB. Durations are seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from core.state.status_model import BotFigures, ProcessStatus
from utils.processes import ProcessIdentity

_SCHEMA = {"name": "gavat.status", "version": 1}
_LONGEST_TEXT, _LONGEST_PATH = 300, 4096
_LARGEST_NUMBER = 2**53
_LONGEST_DURATION = timedelta(days=36_500)
_LONGEST_VALID = timedelta(days=1)
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_DEEPEST = 6


class NotAStatus(ValueError):
    """The text is no status document; the message says why and repeats nothing of it."""


def encode_status(status: ProcessStatus) -> dict[str, Any]:
    """The document; raises ValueError for a value that is not what the model says."""
    return {
        "schema": _SCHEMA,
        **_encoded(status, _PROCESS),
        "identity": status.identity._asdict(),
        "bots": encode_bots(status.bots),
        "rooms": {name: encode_room(room) for name, room in status.rooms.items()},
    }


def encode_bots(bots: Iterable[BotFigures]) -> list[dict[str, Any]]:
    """Bots as part of a document; raises ValueError for a value that is not what the model says."""
    return [_encoded(bot, _BOT) for bot in bots]


def encode_room(room: object) -> dict[str, Any]:
    """What a room publishes; raises ValueError for what is neither number nor text, nor lists and mappings of them."""
    return {_short(name): _plain(value, _DEEPEST) for name, value in _mapping(room).items()}


def to_text(document: Mapping[str, Any]) -> str:
    """ASCII in one line: whatever a name holds, it passes through every store."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def decode_status(text: bytes | str, *, process: str) -> ProcessStatus:
    """The status that was stored under that name; raises NotAStatus."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise NotAStatus("it is no JSON") from None
    try:
        if _mapping(document).get("schema") != _SCHEMA:
            raise ValueError("it is of another kind or version; is this program older than the bots?")
        if document.get("process") != process:
            raise ValueError("it does not belong to its name")
        return ProcessStatus(
            **_decoded(document, _PROCESS),
            identity=_identity(_mapping(document.get("identity"))),
            bots=tuple(_bot(index, bot) for index, bot in enumerate(_list(document.get("bots", [])))),
            rooms={_short(name): encode_room(room) for name, room in _mapping(document.get("rooms", {})).items()},
        )
    except ValueError as error:
        raise NotAStatus(str(error)) from None


def _bot(index: int, document: object) -> BotFigures:
    try:
        return BotFigures(**_decoded(_mapping(document), _BOT))
    except ValueError as error:
        raise ValueError(f"bot {index}: {error}") from None


def _identity(known: Mapping[str, Any]) -> ProcessIdentity:
    pid = _number(known.get("pid"))
    if not pid:
        raise ValueError("pid: it is no process")
    boot, namespace = _short(known.get("boot")), _short(known.get("pid_namespace"))
    return ProcessIdentity(pid, _number(known.get("ticks")), boot, namespace)


class _Kind(NamedTuple):
    """How a value is written and read; both raise ValueError for what it cannot be."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


_REQUIRED = object()


class _Field(NamedTuple):
    key: str
    kind: _Kind
    absent: Any = _REQUIRED
    """What it is where the document does not say."""


def _encoded(value: object, known: Mapping[str, _Field]) -> dict[str, Any]:
    found = ((field, getattr(value, name)) for name, field in known.items())
    return {field.key: field.kind.encode(one) for field, one in found if one or field.absent is _REQUIRED}


def _decoded(document: Mapping[str, Any], known: Mapping[str, _Field]) -> dict[str, Any]:
    values = {}
    for name, (key, kind, absent) in known.items():
        if key not in document and absent is not _REQUIRED:
            values[name] = absent
            continue
        try:
            values[name] = kind.decode(document.get(key))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return values


def _short(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("it is no text")
    return value if len(value) <= _LONGEST_TEXT else f"{value[: _LONGEST_TEXT - 1]}…"


def _path(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_PATH or "\0" in value:
        raise ValueError("it is no path")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_NUMBER:
        raise ValueError("it is no number from 0 on")
    return value


def _moment_text(value: object) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("it is no time with its zone")
    return value.astimezone(UTC).isoformat()


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_short(value))
    except ValueError:
        raise ValueError("it is no time") from None
    if moment.tzinfo is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError("it is no time with its zone, or none of this age")
    return moment.astimezone(UTC)


def _seconds(value: object) -> float:
    if not isinstance(value, timedelta):
        raise ValueError("it is no duration")
    return value.total_seconds()


def _duration(value: object, longest: timedelta = _LONGEST_DURATION) -> timedelta:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= longest.total_seconds():
        raise ValueError("it is no duration in seconds, or too long a one")
    return timedelta(seconds=value)


def _validity(value: object) -> timedelta:
    return _duration(value, _LONGEST_VALID)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("it is no mapping where one belongs")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("it is no list where one belongs")
    return value


def _plain(value: object, deepest: int) -> Any:
    """The value as JSON holds it: no NaN, and not so deep that whoever writes it out again runs out of stack."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _LARGEST_NUMBER:
        return value
    if isinstance(value, str):
        return _short(value)
    if deepest and isinstance(value, Mapping):
        return {_short(name): _plain(one, deepest - 1) for name, one in value.items()}
    if deepest and isinstance(value, list | tuple):
        return [_plain(one, deepest - 1) for one in value]
    raise ValueError("it is neither number nor text, or too deep")


_TEXT, _PATH, _NUMBER = _Kind(_short, _short), _Kind(_path, _path), _Kind(_number, _number)
_MOMENT, _DURATION = _Kind(_moment_text, _moment), _Kind(_seconds, _duration)
_PROCESS = {
    "process": _Field("process", _TEXT),
    "host": _Field("host", _TEXT),
    "started_at": _Field("started_at", _MOMENT),
    "command": _Field("command", _TEXT, ""),
    "at": _Field("at", _MOMENT),
    "valid_for": _Field("valid_for_seconds", _Kind(_seconds, _validity)),
    "loop_lag": _Field("loop_lag_seconds", _DURATION, timedelta(0)),
    "problem": _Field("problem", _TEXT, ""),
}
_BOT = {
    "name": _Field("name", _TEXT),
    "path": _Field("path", _PATH, ""),
    "state": _Field("state", _TEXT),
    "since": _Field("since", _MOMENT),
    "code": _Field("code", _TEXT, ""),
    "reason": _Field("reason", _TEXT, ""),
    "until": _Field("until", _MOMENT, None),
    "restarts": _Field("restarts", _NUMBER, 0),
    "reconnects": _Field("reconnects", _NUMBER, 0),
    "flood_time": _Field("flood_seconds", _DURATION, timedelta(0)),
    "deaf_time": _Field("deaf_seconds", _DURATION, timedelta(0)),
    "offline_time": _Field("offline_seconds", _DURATION, timedelta(0)),
    "handled": _Field("handled", _NUMBER, 0),
    "failed": _Field("failed", _NUMBER, 0),
}
