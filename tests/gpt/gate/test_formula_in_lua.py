"""The formula in Lua answers and keeps what the formula in Python does, number by number, on a real Valkey."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpt.gate.formula import Answer, Ask, Known, State, decide
from gpt.gate.scripts import FORMULA, KEY, RESERVE
from tests.valkey import Valkey
from utils.redis_link import RedisLink

EPOCH = 1_800_000_000_000_000
"""Microseconds of a year to come."""
ONE_CASE = f"""
{FORMULA}
local state, answer = decide(numbers(ARGV[15]), tonumber(ARGV[16]))
return {{whole(state), whole(answer)}}
"""

rests = st.one_of(st.integers(-20, 20), st.integers(-200_000, 200_000), st.integers(-(10**11), 10**11))
spans = st.one_of(st.integers(0, 20), st.integers(0, 200_000), st.integers(0, 10**11))
moments = st.builds(lambda rest: EPOCH + rest, rests)
few = st.integers(0, 50)
states = st.builds(State, moments, moments, moments, moments, moments, moments)
asks = st.builds(Ask, few, spans, spans, rests, spans, spans, moments, st.one_of(rests, st.just(1 << 50)))
knowns = st.one_of(st.just(Known()), st.builds(Known, moments, moments, moments, spans, spans, spans))


@st.composite
def cases(draw: st.DrawFn) -> tuple[State | None, Ask, Known, int]:
    """What refers to the state does so in about half of the cases."""
    state, ask, known, now = draw(st.none() | states), draw(asks), draw(knowns), draw(moments)
    if state is not None and draw(st.booleans()):
        ask = ask._replace(mark=state.serial)
    if state is not None and draw(st.booleans()):
        serial = state.serial + draw(st.integers(-2, 2))
        known = known._replace(life=state.life, serial=serial, expected=now + draw(rests))
    return state, ask, known, now


def test_both_formulas_are_one(valkey: Valkey) -> None:
    link = RedisLink(valkey.url)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def same(case: tuple[State | None, Ask, Known, int]) -> None:
        state, ask, known, now = case
        text = " ".join(map(str, state or ()))
        in_lua = link.run(ONE_CASE, args=[*ask, *known, text, now])

        kept, answer = decide(*case)

        assert (State(*map(int, in_lua[0])), Answer(*map(int, in_lua[1]))) == (kept, answer)

    same()
    link.close()


def test_the_state_is_kept_whole_and_goes_by_itself(valkey: Valkey) -> None:
    """By the server's clock, in microseconds, a minute after its last moment."""
    link, key = RedisLink(valkey.url), KEY % "0f1e"
    ask = Ask(slots=1, interval=30_000_000, patience=1 << 50)

    link.run(RESERVE, keys=[key], args=[*ask, *Known()])
    answer = Answer(*map(int, link.run(RESERVE, keys=[key], args=[*ask, *Known()])))

    seconds, micros = map(int, valkey.ask("TIME"))
    assert 0 <= seconds * 1_000_000 + micros - answer.now < 5_000_000
    assert 25_000_000 < answer.wait <= 30_000_000
    assert valkey.ask("GET", key).split()[3:] == [str(answer.now), str(answer.life), str(answer.serial)]
    assert 85_000 < valkey.ask("PTTL", key) <= 120_000
    link.close()


def test_nonsense_under_the_key_is_taken_for_nothing(valkey: Valkey) -> None:
    link, key = RedisLink(valkey.url), KEY % "0f1e"
    valkey.ask("SET", key, "not six numbers, but 1 or 2")

    assert link.run(RESERVE, keys=[key], args=[*Ask(slots=1, interval=9), *Known()])[:2] == ["1", "0"]
    link.close()
