"""Which backups of a session stay: the newest few, one a day, one a week (pure)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple


class RotationPolicy(NamedTuple):
    """How many backups stay for each reason; one backup may stay for several."""

    newest: int = 7
    """At least 1."""
    daily: int = 7
    """The last backup of each of so many days (UTC) that have one."""
    weekly: int = 4
    """The last backup of each of so many weeks (ISO 8601, UTC) that have one."""


def staying(moments: Iterable[datetime], policy: RotationPolicy) -> frozenset[datetime]:
    """The moments whose backups stay; all others may go. At most newest + daily + weekly, and always the newest."""
    newest_first = sorted(set(moments), reverse=True)
    return frozenset(
        newest_first[: max(policy.newest, 1)]
        + _last_of_each(newest_first, _day, policy.daily)
        + _last_of_each(newest_first, _week, policy.weekly)
    )


def _last_of_each(newest_first: list[datetime], period: Callable[[datetime], Hashable], count: int) -> list[datetime]:
    lasts: dict[Hashable, datetime] = {}
    for moment in newest_first:
        lasts.setdefault(period(moment), moment)
    return list(lasts.values())[:count]


def _day(moment: datetime) -> Hashable:
    return moment.astimezone(UTC).date()


def _week(moment: datetime) -> Hashable:
    return moment.astimezone(UTC).isocalendar()[:2]
