"""What the helpers of a process count, and the sum of it: for `stats()`, for the status of bots, for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Protocol
from weakref import WeakKeyDictionary

_OF_GATES = ("waits", "waited_seconds", "waiting", "refused")
COUNTED = (
    *("entries", "valid_entries", "bytes"),
    *("hits", "stale_hits", "joins", "misses", "calls_saved", "money_saved"),
    *("calls", "retries", "rate_limited", "fallbacks", "tokens", "money"),
    *("evicted", "expired", "invalidated"),
    *_OF_GATES,
)
"""Figures that are added up, over helpers and over processes: counts, seconds, and US dollars (`money…`)."""
CIRCUITS = ("closed", "half-open", "open")
"""What a circuit breaker says of itself, the worst last."""


class Counting(Protocol):
    """A helper, as far as its figures go."""

    def stats(self) -> Mapping[str, Any]:
        """Its figures: `COUNTED`, and more that is not added up."""


_helpers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""With their number, in order of their making."""
_numbers = count()


def count_in(helper: Counting) -> None:
    """From now on this helper's figures are part of the process's; it is held weakly."""
    _helpers[helper] = next(_numbers)


def process_helpers() -> list[Any]:
    """Those of this process that are still in use, the oldest first."""
    return sorted(_helpers, key=_helpers.__getitem__)


def process_figures() -> dict[str, Any]:
    """The sum over the helpers of this process; all zero, with `helpers` 0, before there is one."""
    return add_figures([helper.stats() for helper in process_helpers()])


def add_figures(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of several helpers or processes as one; what is no number counts as 0 (it may come from a file).

    `failures` is added up by kind, `hit_ratio` is hits ÷ lookups of the sum, `helpers` counts the helpers, `circuit` is
    the worst one, and `budgets` holds each wallet once, by its name: of those that share it the one that knows of most.
    Helpers that wait in one queue name the same `gate`: its figures count once.
    """
    parts = _gates_once(parts)
    total: dict[str, Any] = {name: _number(sum(_number(part.get(name)) for part in parts)) for name in COUNTED}
    total["helpers"] = sum(int(_number(part.get("helpers", 1))) for part in parts)
    lookups = total["hits"] + total["joins"] + total["misses"]
    total["hit_ratio"] = total["hits"] / lookups if lookups else 0.0
    total["failures"] = _by_kind(part.get("failures") for part in parts)
    total["circuit"] = max((_circuit(part.get("circuit")) for part in parts), default=CIRCUITS[0], key=CIRCUITS.index)
    total["budgets"] = _wallets(_mapping(part.get("budgets")) for part in parts)
    return total


def _gates_once(parts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    seen: set[object] = set()
    counted = []
    for part in parts:
        gate = part.get("gate")
        is_known = isinstance(gate, int) and gate in seen
        seen.add(gate if isinstance(gate, int) else None)
        counted.append({**part, **dict.fromkeys(_OF_GATES, 0)} if is_known else part)
    return counted


def _wallets(parts: Iterable[Mapping[Any, Any]]) -> dict[str, Any]:
    """Each wallet as the one tells it that knows of most; what was refused, each has refused for itself."""
    told = sorted((named for part in parts for named in part.items()), key=lambda named: _spent(named[1]))
    refused: Counter[str] = Counter()
    for name, one in told:
        refused[name] += int(_number(_mapping(one).get("refused")))
    return {name: {**_mapping(one), "refused": refused[name]} for name, one in told}


def _circuit(value: object) -> str:
    return str(value) if value in CIRCUITS else CIRCUITS[0]


def _spent(wallet: object) -> tuple[str, float, float]:
    """Who knows more: of a later day, or of more money or tokens spent on it."""
    told = _mapping(wallet)
    return str(told.get("day", "")), _number(told.get("money")), _number(told.get("tokens"))


def _by_kind(parts: Iterable[object]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in parts:
        for kind, number in _mapping(part).items():
            counts[str(kind)] = counts.get(str(kind), 0) + int(_number(number))
    return counts


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | int:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
