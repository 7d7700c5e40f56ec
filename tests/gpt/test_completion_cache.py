"""What is kept, for how long, and what leaves."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.cache.completion_cache import CompletionCache
from gpt.model import GptReply, Source
from gpt.request_key import marks_of, selector_mark


class Time:
    """Seconds that a test lets pass."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def cache(time: Time, *, chance: float = 0.5, **changed: float) -> CompletionCache:
    terms = {"ttl": 300.0, "stale_for": 0.0, "max_entries": 1000, "max_bytes": 10**6, **changed}
    return CompletionCache(clock=time, chance=lambda: chance, **terms)  # type: ignore[arg-type]


def reply(text: str = "yes") -> GptReply:
    return GptReply(text=text, source=Source.CACHE, finish_reason="stop")


def put(into: CompletionCache, key: str, text: str = "yes", *, asked_in: int | None = None, tag: str = "") -> bool:
    marks = marks_of(key=key, namespace="", model="m", tags=(tag,) if tag else ())
    generation = into.generation if asked_in is None else asked_in
    return into.put(key, reply(text), marks=marks, asked_in=generation, lifetime=into.lifetime())


def test_a_reply_is_kept_for_its_time(time: Time) -> None:
    kept = cache(time)
    put(kept, "k")

    time.now += 299.9
    assert kept.find("k") is not None
    time.now += 0.2
    assert kept.find("k") is None


@given(chance=st.floats(0, 1))
def test_chance_moves_that_time_by_a_tenth_at_most(chance: float) -> None:
    assert 270 <= cache(Time(), chance=chance).lifetime() <= 330


def test_what_expired_leaves_without_being_read(time: Time) -> None:
    kept = cache(time)
    put(kept, "k")
    time.now += 301

    assert kept.sweep() == 1
    assert (len(kept), kept.stats()["bytes"], kept.stats()["expired"]) == (0, 0, 1)


def test_an_expired_reply_may_still_stand_in(time: Time) -> None:
    kept = cache(time, stale_for=600)
    put(kept, "k")

    time.now += 301
    assert kept.find("k") is None
    assert kept.find_stale("k") is not None
    assert (kept.stats()["entries"], kept.stats()["valid_entries"]) == (1, 0)
    time.now += 600
    assert kept.find_stale("k") is None


def test_the_least_recently_used_leaves_where_entries_are_too_many(time: Time) -> None:
    kept = cache(time, max_entries=3)
    for key in "abc":
        put(kept, key)
    kept.find("a")
    put(kept, "d")

    assert [key for key in "abcd" if kept.find(key)] == ["a", "c", "d"]
    assert kept.stats()["evicted"] == 1


def test_bytes_are_bounded_too(time: Time) -> None:
    kept = cache(time, max_bytes=10_000)
    for number in range(50):
        put(kept, str(number), "x" * 1000)

    assert kept.stats()["bytes"] <= 10_000
    assert kept.find("49") is not None


def test_a_reply_larger_than_the_cache_is_not_kept(time: Time) -> None:
    kept = cache(time, max_bytes=10_000)
    put(kept, "small")

    assert put(kept, "large", "x" * 20_000) is False
    assert kept.find("small") is not None


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("x" * 500, 0),
        ("x" * 2000, 0),
        ("x" * 2000 + "\N{GRINNING FACE}", 0),
        ("ok", 1),
        ("ok", 10),
    ],
    ids=["ASCII", "long ASCII", "emoji", "a tag of each chat", "ten tags of each chat"],
)
def test_the_bytes_that_are_counted_are_those_that_are_used(text: str, tags: int) -> None:
    """Within a third, over 700 replies: the bound is a bound of memory. One emoji takes four bytes a character."""
    kept = cache(Time(), max_entries=10_000, max_bytes=10**9)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(700):
        key, chat = f"key {number}", f"chat {number}"
        own_tags = tuple(f"{chat} {tag}" for tag in range(tags))
        marks = marks_of(key=key, namespace=chat, model="m", tags=own_tags)
        kept.put(key, reply(f"{number}{text}"), marks=marks, asked_in=0, lifetime=300)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert 0.67 < kept.stats()["bytes"] / used < 1.5


def test_what_has_left_in_any_way_is_found_by_no_mark(time: Time) -> None:
    """Evicted, expired, replaced, or taken back: the index of marks holds nothing of it."""
    kept = cache(time, max_entries=2)
    for key in "abcd":
        put(kept, key, tag=f"tag of {key}")
    put(kept, "d", "again", tag="another tag")
    assert kept.invalidate(selector_mark(tag="tag of d")) == 0
    assert kept.invalidate(selector_mark(key="c")) == 1
    time.now += 301
    kept.sweep()

    assert (len(kept), kept._entries._marked) == (0, {})


def test_what_expired_a_moment_ago_is_not_counted_as_taken_back(time: Time) -> None:
    kept = cache(time)
    put(kept, "k")
    time.now += 301

    assert kept.invalidate(selector_mark()) == 0
    assert (kept.stats()["expired"], kept.stats()["invalidated"]) == (1, 0)


def test_taking_one_of_ten_thousand_back_looks_at_no_other(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them took 37 ms, in which no bot of the event loop moved."""
    kept = cache(time, max_entries=20_000, max_bytes=10**9)
    for number in range(10_000):
        put(kept, f"k{number}")
    looked_at = []

    def look(entries: object) -> Iterator[str]:
        looked_at.append(entries)
        return iter(())

    monkeypatch.setattr(type(kept._entries), "__iter__", look)

    assert kept.invalidate(selector_mark(key="k77")) == 1
    assert (looked_at, kept.find("k77"), kept.find("k78") is not None) == ([], None, True)


def test_whoever_takes_back_drops_what_is_meant(time: Time) -> None:
    kept = cache(time)
    put(kept, "a", tag="faq")
    put(kept, "b")

    assert kept.invalidate(selector_mark(tag="faq")) == 1
    assert (kept.find("a"), kept.find("b") is not None) == (None, True)


def test_an_answer_to_a_question_of_before_is_not_kept(time: Time) -> None:
    """It was asked before the price list changed, and arrives after."""
    kept = cache(time)
    asked_in = kept.generation
    kept.invalidate(selector_mark(tag="prices"))

    assert put(kept, "a", asked_in=asked_in, tag="prices") is False
    assert put(kept, "b", asked_in=asked_in, tag="faq") is True
    assert put(kept, "a", tag="prices") is True


def test_so_it_is_after_any_number_of_others(time: Time) -> None:
    """What is remembered of invalidations is bounded; whatever is older than that is not kept."""
    kept = cache(time)
    asked_in = kept.generation
    for number in range(1500):
        kept.invalidate(selector_mark(tag=str(number)))

    assert put(kept, "a", asked_in=asked_in, tag="0") is False
    assert put(kept, "b", tag="0") is True


def test_no_time_keeps_nothing(time: Time) -> None:
    assert put(cache(time, ttl=0), "k") is False
