"""Whether a request may be sent, and what operators are told: from figures alone.

A request is admitted where it fits for sure, by its estimate. Near the limit that would leave the last part of every
budget unused, since estimates are far above what replies take; so who has nothing open may go beyond the limit with
one last reply. Where the figures are shared, that is one reply in all; each process that is cut off from the others
has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from gpt.budget.model import NANO, Amount, BudgetAlert, Cap, scope_name


class Verdict(Enum):
    """What becomes of a request."""

    ADMIT = "admit"
    WAIT = "wait"
    """It would fit if open ones took less than their estimates."""
    REFUSE = "refuse"
    """The day's budget is spent."""


class Standing(NamedTuple):
    """One scope at the moment of asking."""

    scope: str
    cap: Cap
    spent: Amount
    reserved: Amount
    own_open: int
    """Reservations in this scope that the asking process itself holds."""


class Decision(NamedTuple):
    """The verdict, and of a wait or a refusal the limit that is its reason."""

    verdict: Verdict
    scope: str = ""
    what: str = ""
    spent: int = 0
    limit: int = 0


def admit(standings: Iterable[Standing], estimate: Amount) -> Decision:
    """The verdict over all scopes: the strictest of them."""
    strictest = Decision(Verdict.ADMIT)
    for standing in standings:
        for what in ("tokens", "money"):
            decision = _judge(standing, what, getattr(estimate, what))
            if decision.verdict is Verdict.REFUSE:
                return decision
            if decision.verdict is Verdict.WAIT and strictest.verdict is Verdict.ADMIT:
                strictest = decision
    return strictest


def _judge(standing: Standing, what: str, estimate: int) -> Decision:
    limit: int | None = getattr(standing.cap, what)
    if limit is None:
        return Decision(Verdict.ADMIT)
    spent: int = getattr(standing.spent, what)
    committed: int = spent + getattr(standing.reserved, what)
    if spent >= limit:
        verdict = Verdict.REFUSE
    elif committed + estimate <= limit or (standing.own_open == 0 and committed < limit):
        verdict = Verdict.ADMIT
    else:
        verdict = Verdict.WAIT
    return Decision(verdict, standing.scope, what, spent, limit)


def shares(scope: str, cap: Cap, spent: Amount) -> Iterator[BudgetAlert]:
    """How full each limit of a scope is."""
    if cap.tokens is not None:
        yield BudgetAlert(scope_name(scope), "tokens", spent.tokens, cap.tokens, _share(spent.tokens, cap.tokens))
    if cap.money is not None:
        share = _share(spent.money, cap.money)
        yield BudgetAlert(scope_name(scope), "money", spent.money / NANO, cap.money / NANO, share)


def _share(spent: int, limit: int) -> float:
    return spent / limit if limit else 1.0


def reached(share: float, alert_at: float) -> list[float]:
    """The levels that a share has reached, the higher one last: `alert_at`, and 1 for all of it."""
    return [level for level in sorted({min(alert_at, 1.0), 1.0}) if share >= level]
