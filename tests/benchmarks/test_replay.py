"""A replay counts what really happened."""

import pytest

from benchmarks.completions.replay import Replayed, Tally, replay_to
from benchmarks.completions.subjects import bare, older
from benchmarks.completions.trace import Kind, Question, Trace
from gpt.model import Priority


def question(at: float, prompt: str, kind: Kind = Kind.LOOKUP, priority: Priority = Priority.PERSON) -> Question:
    return Question(at, "bot", priority, prompt, "a persona", kind)


def counts(tally: Tally) -> tuple[int, int, int, int, int]:
    return tally.asked, tally.calls, tally.refused, tally.answered, tally.unanswered


def test_calls_and_answers_are_counted_by_kind() -> None:
    repeated = [question(at, "the same") for at in (0, 10, 20)]
    trace = Trace("small", (*repeated, question(30, "another", Kind.CHAT)))

    cached, uncached = replay_to(older, trace), replay_to(bare, trace)

    assert counts(cached.kinds[Kind.LOOKUP]) == (3, 1, 0, 3, 0)
    assert counts(uncached.kinds[Kind.LOOKUP]) == (3, 3, 0, 3, 0)
    assert counts(uncached.kinds[Kind.CHAT]) == (1, 1, 0, 1, 0)
    assert counts(uncached.total) == (4, 4, 0, 4, 0)


def test_more_than_the_limit_is_refused() -> None:
    """Thirteen at once, of which twelve are let in; the SDK tries the last one again."""
    trace = Trace("crowd", tuple(question(0, f"{number}") for number in range(13)))

    found = replay_to(bare, trace).kinds[Kind.LOOKUP]

    assert found.refused >= 1
    assert found.calls == found.refused + found.answered
    assert found.answered + found.unanswered == 13


def test_what_was_found_survives_its_way_through_json() -> None:
    found = Replayed({kind: Tally(asked=3, calls=2, longest_wait=1.5) for kind in Kind}, 0.25, 0.125)

    assert Replayed.from_output(f"a warning\n{found.to_json()}\n") == found


def test_a_share_is_in_percent() -> None:
    assert Tally(asked=40, calls=4).calls_share == pytest.approx(10)
