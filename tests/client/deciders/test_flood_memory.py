"""A flood wait belongs to the chat that was refused, until a second chat is refused too."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.client.flood_memory import FloodKey, FloodMemory

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def key(peer: int | None, request: int = 1) -> FloodKey:
    return FloodKey(request=request, peer=peer)


def test_only_the_refused_chat_waits() -> None:
    memory = FloodMemory()
    memory.learn(key(1), MINUTE, now=NOW)

    assert memory.wait(key(1), now=NOW) == MINUTE
    assert memory.wait(key(2), now=NOW) == timedelta(0)
    assert memory.wait(key(1, request=2), now=NOW) == timedelta(0)


def test_a_second_refused_chat_means_the_account() -> None:
    memory = FloodMemory()
    memory.learn(key(1), MINUTE, now=NOW)
    memory.learn(key(2), MINUTE, now=NOW)

    assert memory.wait(key(3), now=NOW) == MINUTE


def test_the_same_chat_refused_twice_is_still_one_chat() -> None:
    memory = FloodMemory()
    memory.learn(key(1), MINUTE, now=NOW)
    memory.learn(key(1), 2 * MINUTE, now=NOW)

    assert memory.wait(key(1), now=NOW) == 2 * MINUTE
    assert memory.wait(key(2), now=NOW) == timedelta(0)


def test_a_request_without_a_chat_waits_for_all_of_its_kind() -> None:
    memory = FloodMemory()
    memory.learn(key(None), MINUTE, now=NOW)

    assert memory.wait(key(5), now=NOW) == MINUTE


def test_what_is_over_is_forgotten() -> None:
    memory = FloodMemory()
    memory.learn(key(1), MINUTE, now=NOW)
    later = NOW + 2 * MINUTE
    memory.learn(key(2), MINUTE, now=later)

    assert memory.wait(key(1), now=later) == timedelta(0)
    assert memory.wait(key(3), now=later) == timedelta(0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100), st.integers(0, 50)), max_size=30))
def test_a_chat_never_waits_less_than_it_was_told(told: list[tuple[int, int, int]]) -> None:
    memory, now, due = FloodMemory(), NOW, dict[int, datetime]()
    for peer, seconds, passes in told:
        now += timedelta(seconds=passes)
        memory.learn(key(peer), timedelta(seconds=seconds), now=now)
        due[peer] = max(due.get(peer, now), now + timedelta(seconds=seconds))

    assert all(now + memory.wait(key(peer), now=now) >= until for peer, until in due.items())
