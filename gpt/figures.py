"""What the helpers of a process count, and the sum of it: for `stats()`, for the status of bots, for the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from weakref import WeakSet

COUNTED = (
    *("entries", "valid_entries", "bytes"),
    *("hits", "stale_hits", "joins", "misses", "calls_saved", "money_saved"),
    *("calls", "retries", "rate_limited", "fallbacks", "tokens", "money"),
    *("evicted", "expired", "invalidated"),
    *("waits", "waited_seconds", "waiting", "refused"),
)
"""Figures that are added up, over helpers and over processes: counts, seconds, and US dollars (`money…`)."""


class Counting(Protocol):
    """A helper, as far as its figures go."""

    def stats(self) -> Mapping[str, Any]:
        """Its figures: `COUNTED`, and more that is not added up."""


_helpers: WeakSet[Any] = WeakSet()


def count_in(helper: Counting) -> None:
    """From now on this helper's figures are part of the process's; it is held weakly."""
    _helpers.add(helper)


def process_figures() -> dict[str, Any]:
    """The sum over the helpers of this process; all zero, with `helpers` 0, before there is one."""
    return add_figures([helper.stats() for helper in list(_helpers)])


def add_figures(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of several helpers or processes as one; what is no number counts as 0 (it may come from a file).

    `failures` is added up by kind, `hit_ratio` is hits ÷ lookups of the sum, `helpers` counts the helpers, and
    `budgets` holds each wallet once, by its name: processes that share one say the same of it.
    """
    parts = list(parts)
    total: dict[str, Any] = {name: _number(sum(_number(part.get(name)) for part in parts)) for name in COUNTED}
    total["helpers"] = sum(int(_number(part.get("helpers", 1))) for part in parts)
    lookups = total["hits"] + total["joins"] + total["misses"]
    total["hit_ratio"] = total["hits"] / lookups if lookups else 0.0
    total["failures"] = _by_kind(part.get("failures") for part in parts)
    total["budgets"] = {name: one for part in parts for name, one in _mapping(part.get("budgets")).items()}
    return total


def _by_kind(parts: Iterable[object]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in parts:
        for kind, count in _mapping(part).items():
            counts[str(kind)] = counts.get(str(kind), 0) + int(_number(count))
    return counts


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> float | int:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
