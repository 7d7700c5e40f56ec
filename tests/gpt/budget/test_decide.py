"""The rule by which requests are admitted, for itself and over all interleavings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.budget.decide import Decision, Standing, Verdict, admit, reached, shares
from gpt.budget.model import ALL, NANO, Amount, BudgetAlert, Cap, scope_of


def standing(
    spent: int, reserved: int, limit: int | None, *, own_open: int = 0, scope: str = ALL, what: str = "tokens"
) -> Standing:
    amounts = [Amount(**{what: number}) for number in (spent, reserved)]
    return Standing(scope, Cap(**{what: limit}), amounts[0], amounts[1], own_open)


@pytest.mark.parametrize("what", ["tokens", "money"])
@pytest.mark.parametrize(
    ("spent", "reserved", "own_open", "verdict"),
    [
        (0, 0, 0, Verdict.ADMIT),
        (60, 30, 5, Verdict.ADMIT),  # to the last one
        (60, 31, 5, Verdict.WAIT),
        (60, 31, 0, Verdict.ADMIT),  # the last reply
        (60, 40, 0, Verdict.WAIT),  # nothing is left for one
        (99, 0, 0, Verdict.ADMIT),
        (99, 0, 1, Verdict.WAIT),
        (100, 0, 0, Verdict.REFUSE),
        (130, 5, 3, Verdict.REFUSE),
    ],
)
def test_a_limit_of_a_hundred_before_an_estimate_of_ten(
    what: str, spent: int, reserved: int, own_open: int, verdict: Verdict
) -> None:
    decision = admit([standing(spent, reserved, 100, own_open=own_open, what=what)], Amount(10, 10))

    assert decision.verdict is verdict
    assert verdict is Verdict.ADMIT or decision == Decision(verdict, ALL, what, spent, 100)


def test_without_a_limit_all_is_admitted() -> None:
    assert admit([standing(10**12, 10**12, None, own_open=9)], Amount(10**12, 10**12)).verdict is Verdict.ADMIT


def test_a_limit_of_nothing_refuses_even_what_costs_nothing() -> None:
    assert admit([standing(0, 0, 0)], Amount()).verdict is Verdict.REFUSE


def test_the_strictest_scope_decides_and_is_named() -> None:
    full, tight, free = standing(9, 0, 9, scope=scope_of("anna")), standing(8, 0, 9, own_open=1), standing(0, 0, 9)

    assert admit([tight, full], Amount(5)).scope == scope_of("anna")
    assert admit([free, tight], Amount(5)) == Decision(Verdict.WAIT, ALL, "tokens", 8, 9)
    assert admit([tight, tight._replace(scope="b:x")], Amount(5)).scope == ALL


def test_how_full_a_scope_is() -> None:
    both = list(shares(scope_of("anna"), Cap(200, 4 * NANO), Amount(50, 3 * NANO)))

    assert both == [BudgetAlert("anna", "tokens", 50, 200, 0.25), BudgetAlert("anna", "money", 3.0, 4.0, 0.75)]
    assert list(shares(ALL, Cap(), Amount(50, 50))) == []
    assert [alert.share for alert in shares(ALL, Cap(0, 0), Amount())] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("share", "levels"), [(0.79, []), (0.8, [0.8]), (0.99, [0.8]), (1.0, [0.8, 1.0]), (7.0, [0.8, 1.0])]
)
def test_levels_are_reached_from_their_share_on(share: float, levels: list[float]) -> None:
    assert reached(share, 0.8) == levels
    assert reached(share, 1.5) == [level for level in levels if level == 1.0]


@given(
    limit=st.integers(1, 300),
    bot_limit=st.none() | st.integers(1, 200),
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["ask", "ask", "settle"]), st.integers(1, 80), st.floats(0, 1)),
        max_size=80,
    ),
)
def test_no_interleaving_spends_more_than_one_reply_of_each_process_beyond_a_limit(
    limit: int, bot_limit: int | None, steps: list[tuple[int, str, int, float]]
) -> None:
    """Four processes, two bots; with figures that all of them see it is even one reply in all."""
    held: list[tuple[int, str, int]] = []
    spent = {ALL: 0, "b:0": 0, "b:1": 0}
    caps = {ALL: limit, "b:0": bot_limit, "b:1": bot_limit}

    for process, what, tokens, part in steps:
        if what == "settle":
            mine = [one for one in held if one[0] == process]
            if mine:
                held.remove(mine[0])
                for scope in (ALL, mine[0][1]):
                    spent[scope] += round(mine[0][2] * part)
            continue
        bot = f"b:{tokens % 2}"
        standings = []
        for scope in (ALL, bot):
            open_ = [one for one in held if scope in (ALL, one[1])]
            own_open = sum(one[0] == process for one in open_)
            standings.append(
                standing(spent[scope], sum(o[2] for o in open_), caps[scope], own_open=own_open, scope=scope)
            )
        if admit(standings, Amount(tokens)).verdict is Verdict.ADMIT:
            held.append((process, bot, tokens))

    for _process, bot, tokens in held:
        spent[ALL] += tokens
        spent[bot] += tokens
    assert spent[ALL] < limit + 80
    assert bot_limit is None or max(spent["b:0"], spent["b:1"]) < bot_limit + 80
