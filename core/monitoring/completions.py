"""What live processes publish of their completions, as one sum; nothing of what stands there is trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from core.state.status_reading import Condition, SeenStatus
from gpt.figures import CIRCUITS, COUNTED, add_figures
from utils.clock import utc_text

ROOM = "gpt"
"""Under which processes publish it."""
_FRACTIONS = ("money", "money_saved", "waited_seconds")
_MOST = 10**12
"""More no process can have counted, in any unit."""
_LONGEST_NAME = 60
_LIMITS = ("daily_tokens", "daily_money")


class Wallet(NamedTuple):
    """What is spent of one budget today (UTC), by all who share it."""

    name: str
    tokens: int
    money: float
    """US dollars."""
    daily_tokens: int | None
    daily_money: float | None
    share: float
    """Of the limit that is fullest; 1 and more: nothing is sent. 0 without a limit."""
    bots: int
    """Those that spend from it."""
    bot_share: float
    """Of the limits that the fullest bot has of its own."""
    fullest_bot: str
    """Its name; empty where nobody says it."""
    refused: int
    """Questions that were not sent because of it."""


class CompletionsView(NamedTuple):
    """All that live processes tell of their completions."""

    processes: int
    """Those that ask a model."""
    figures: Mapping[str, Any]
    """Their sum: `gpt.figures.COUNTED`, `helpers`, `failures` by kind."""
    hit_ratio: float | None
    """None before anything was asked."""
    circuits: Mapping[str, int]
    """How many processes have their circuit `closed`, `half-open`, `open`."""
    wallets: tuple[Wallet, ...]
    """The fullest first."""
    not_counted: tuple[SeenStatus, ...]
    """Processes whose figures cannot be."""
    unheard: int
    """Processes that asked a model, may do so still, and are not heard of any more; not counted."""


def add_up(processes: Iterable[SeenStatus], *, now: datetime) -> CompletionsView:
    """The sum over the processes that are heard of, each counted once however many documents it has (pure)."""
    telling = [seen for seen in processes if ROOM in seen.status.rooms]
    parts: list[dict[str, Any]] = []
    not_counted: list[SeenStatus] = []
    for seen in _once(seen for seen in telling if seen.condition is Condition.FRESH):
        try:
            part = _believed(seen.status.rooms[ROOM], today=utc_text(now)[:10])
        except ValueError:
            not_counted.append(seen)
            continue
        if part["helpers"]:
            parts.append(part)
    figures = add_figures(parts)
    lookups = figures["hits"] + figures["joins"] + figures["misses"]
    return CompletionsView(
        processes=len(parts),
        figures=figures,
        hit_ratio=figures["hit_ratio"] if lookups else None,
        circuits=Counter(part["circuit"] for part in parts),
        wallets=tuple(sorted((_wallet(*named) for named in figures["budgets"].items()), key=_fullest_first)),
        not_counted=tuple(not_counted),
        unheard=sum(seen.condition in (Condition.STUCK, Condition.SILENT) for seen in telling),
    )


def _once(found: Iterable[SeenStatus]) -> Iterable[SeenStatus]:
    """Two fleets of one process publish a document each, both with the figures of the process: the newest counts."""
    newest: dict[object, SeenStatus] = {}
    for seen in sorted(found, key=lambda one: one.age):
        newest.setdefault((seen.status.host, seen.status.identity), seen)
    return newest.values()


def _believed(room: Mapping[str, Any], *, today: str) -> dict[str, Any]:
    """The figures of a process; what it does not say is 0. Raises ValueError for what cannot be."""
    part: dict[str, Any] = {name: _figure(room.get(name, 0), whole=name not in _FRACTIONS) for name in COUNTED}
    part["helpers"] = _figure(room.get("helpers", 1))
    part["circuit"] = room.get("circuit", CIRCUITS[0])
    if part["valid_entries"] > part["entries"] or part["circuit"] not in CIRCUITS:
        raise ValueError
    part["failures"] = {kind: _figure(count) for kind, count in _mapping(room.get("failures", {})).items()}
    budgets = _mapping(room.get("budgets", {}))
    part["budgets"] = {name[:_LONGEST_NAME]: _budget(_mapping(one), today=today) for name, one in budgets.items()}
    return part


def _budget(told: Mapping[str, Any], *, today: str) -> dict[str, Any]:
    """One wallet; what was spent on another day is not spent today. Raises ValueError."""
    spent = {
        "tokens": _figure(told.get("tokens", 0)),
        "money": _figure(told.get("money", 0), whole=False),
        "bots": _figure(told.get("bots", 0)),
        "bot_share": _figure(told.get("bot_share", 0), whole=False),
        "refused": _figure(told.get("refused", 0)),
    }
    fullest = told.get("fullest_bot", "")
    if not isinstance(fullest, str):
        raise ValueError
    if told.get("day") != today:
        spent, fullest = dict.fromkeys(spent, 0), ""
    limits = {name: told.get(name) for name in _LIMITS}
    named = {"fullest_bot": fullest[:_LONGEST_NAME]}
    return (
        spent
        | named
        | {
            name: None if limit is None else _figure(limit, whole=name == "daily_tokens")
            for name, limit in limits.items()
        }
    )


def _wallet(name: str, told: Mapping[str, Any]) -> Wallet:
    pairs = ((told["tokens"], told["daily_tokens"]), (told["money"], told["daily_money"]))
    shares = [min(spent / limit, _MOST) if limit else 1.0 for spent, limit in pairs if limit is not None]
    return Wallet(name=name, share=max(shares, default=0.0), **told)


def _fullest_first(wallet: Wallet) -> tuple[float, str]:
    return -wallet.share, wallet.name


def _figure(value: object, *, whole: bool = True) -> Any:
    """The number; raises ValueError for what none can be: a text, a truth, less than nothing, part of a call."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise ValueError
    if whole and value != int(value):
        raise ValueError
    return int(value) if whole else float(value)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return value
