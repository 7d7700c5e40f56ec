"""What processes tell of their completions, added up: each once, the fresh ones alone, nothing that cannot be."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from core.monitoring.completions import CompletionsView, add_up
from core.state.status_reading import Condition, SeenStatus, Source
from gpt.figures import COUNTED, add_figures
from tests.state.builders import ELSEWHERE, NOW, process
from utils.units import money_text, percent_text

TODAY = "2026-11-21"


def told(
    room: dict[str, Any] | None, *, pid: int = 811, condition: Condition = Condition.FRESH, age: float = 3
) -> SeenStatus:
    rooms = {} if room is None else {"gpt": room}
    status = process(process=f"eu-1.{pid}.{age}", identity=ELSEWHERE._replace(pid=pid), rooms=rooms)
    return SeenStatus(status, timedelta(seconds=age), condition, False, (Source.REDIS,))


def added(*rooms: dict[str, Any] | None) -> CompletionsView:
    return add_up([told(room, pid=number + 1) for number, room in enumerate(rooms)], now=NOW)


def wallet(**fields: Any) -> dict[str, Any]:
    return {"budgets": {"main": {"day": TODAY, **fields}}}


def test_figures_of_several_processes_are_one_sum() -> None:
    view = added(
        {"helpers": 2, "hits": 2, "misses": 1, "failures": {"quota": 1}, "circuit": "open"},
        {"joins": 1, "misses": 0, "money": 0.5, "failures": {"quota": 2, "timeout": 1}},
        None,
    )

    assert (view.processes, view.figures["helpers"], view.hit_ratio) == (2, 3, 0.5)
    assert view.figures["failures"] == {"quota": 3, "timeout": 1}
    assert view.circuits == {"open": 1, "closed": 1}


def test_before_anything_was_asked_there_is_no_hit_ratio() -> None:
    """0 % would be a bad one."""
    assert added({"entries": 0}).hit_ratio is None


def test_a_process_without_a_helper_asks_no_model() -> None:
    view = added({**dict.fromkeys(COUNTED, 0), "helpers": 0})

    assert (view.processes, view.not_counted) == (0, ())


@pytest.mark.parametrize(
    ("condition", "unheard"), [(Condition.STUCK, 1), (Condition.SILENT, 1), (Condition.ENDED, 0), (Condition.FRESH, 0)]
)
def test_only_who_is_heard_of_counts(condition: Condition, unheard: int) -> None:
    """Of one that ended nothing is left to know; the others may ask still."""
    view = add_up([told({"hits": 3}, condition=condition)], now=NOW)

    assert (view.figures["hits"], view.unheard) == (3 if condition is Condition.FRESH else 0, unheard)


def test_two_fleets_of_one_process_count_once() -> None:
    """Each has a document, and both hold the figures of the process; the newest is taken, whatever the order."""
    documents = [told({"hits": hits}, age=age) for hits, age in ((3, 9), (5, 1), (4, 5))]

    assert add_up(documents, now=NOW).figures["hits"] == 5
    assert add_up(documents[::-1], now=NOW).figures["hits"] == 5


@pytest.mark.parametrize(
    "room",
    [
        {"hits": "4"},
        {"hits": True},
        {"hits": -1},
        {"hits": 1.5},
        {"hits": None},
        {"money": math.nan},
        {"money": math.inf},
        {"tokens": 10**15},
        {"helpers": -1},
        {"entries": 3, "valid_entries": 4},
        {"circuit": ["open"]},
        {"circuit": "ajar"},
        {"failures": ["quota"]},
        {"failures": {"quota": "many"}},
        {"budgets": [1]},
        {"budgets": {"main": "full"}},
        wallet(money=-0.01),
        wallet(tokens="all"),
        wallet(daily_money="none"),
        wallet(bot_share=math.nan),
    ],
    ids=str,
)
def test_figures_that_cannot_be_are_not_counted_and_their_process_is_named(room: dict[str, Any]) -> None:
    """All of it: half of a process would be a figure of nobody. The others are counted."""
    view = added({"hits": 7, "calls": 1, **room}, {"hits": 1})

    assert (view.processes, view.figures["hits"], view.figures["calls"]) == (1, 1, 0)
    assert [seen.status.identity.pid for seen in view.not_counted] == [1]


def test_what_a_newer_version_tells_besides_does_no_harm() -> None:
    view = added({"hits": 1, "embeddings": {"hits": "?"}})

    assert (view.figures["hits"], view.not_counted) == (1, ())


def test_of_a_wallet_that_is_shared_the_one_who_knows_more_is_believed() -> None:
    """Never the sum: both tell of the same money."""
    more, less = (wallet(money=money, daily_money=1.0, bots=3) for money in (0.4, 0.1))

    for rooms in ((more, less), (less, more)):
        (one,) = added(*rooms).wallets
        assert (one.name, one.money, one.share, one.bots) == ("main", 0.4, 0.4, 3)


def test_what_was_spent_on_another_day_is_not_spent_today() -> None:
    """A process that has not asked since midnight still tells of yesterday; its limit stands."""
    old = wallet(money=0.9, tokens=500, daily_money=1.0, bot_share=2, refused=4)
    old["budgets"]["main"]["day"] = "2026-11-20"

    (alone,) = added(old).wallets
    (beside,) = added(old, wallet(money=0.2, daily_money=1.0)).wallets

    assert (alone.money, alone.tokens, alone.share, alone.bot_share, alone.refused) == (0, 0, 0, 0, 0)
    assert alone.daily_money == 1.0
    assert beside.money == 0.2


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"money": 5.0}, 0.0),
        ({"money": 0.5, "daily_money": 1.0, "tokens": 90, "daily_tokens": 100}, 0.9),
        ({"money": 1.5, "daily_money": 1.0}, 1.5),
        ({"daily_tokens": 0}, 1.0),
        ({"money": 1.0, "daily_money": 5e-324}, 10**12),
        ({"share": 0.01, "money": 1.0, "daily_money": 1.0}, 1.0),
    ],
    ids=str,
)
def test_how_full_a_wallet_is_follows_from_its_limits(fields: dict[str, Any], share: float) -> None:
    """The fullest limit counts, and no word for it that is told beside."""
    assert added(wallet(**fields)).wallets[0].share == share


def test_the_fullest_wallet_stands_first() -> None:
    budgets = {name: {"day": TODAY, "money": money, "daily_money": 1.0} for name, money in (("a", 0.1), ("b", 0.7))}

    assert [one.name for one in added({"budgets": budgets}).wallets] == ["b", "a"]


def test_the_worst_circuit_is_that_of_a_process() -> None:
    """Of its helpers; a word that is none is no reason to fail."""
    words = ("closed", "open", "half-open", 3)

    assert add_figures([{"circuit": word} for word in words])["circuit"] == "open"
    assert add_figures([])["circuit"] == "closed"


def test_a_later_day_of_a_wallet_beats_a_larger_sum() -> None:
    """Two helpers of a process share it, and one has not asked since midnight."""
    parts = [
        {"budgets": {"main": {"day": day, "money": money}}} for day, money in (("2026-11-21", 1), ("2026-11-20", 9))
    ]

    assert add_figures(parts)["budgets"]["main"]["money"] == 1
    assert add_figures(parts[::-1])["budgets"]["main"]["money"] == 1


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.001, "less than 1 %"),
        (0.02, "2 %"),
        (0.29, "29 %"),
        (0.999, "99 %"),
        (1.04, "104 %"),
        (math.inf, "10,000 % and more"),
    ],
)
def test_percent_never_says_more_than_there_is(share: float, text: str) -> None:
    assert percent_text(share) == text


@pytest.mark.parametrize(
    ("dollars", "text"), [(0, "$0.00"), (0.004, "less than $0.01"), (0.02, "$0.02"), (1234.5, "$1,234.50")]
)
def test_money_is_dollars_and_cents(dollars: float, text: str) -> None:
    assert money_text(dollars) == text
