"""What a helper does by itself."""

import gc
import logging
import threading
import weakref
from collections.abc import Sequence

import pytest

from gpt.cache.completion_cache import CompletionCache
from gpt.cache.shared_cache import SharedCache
from gpt.cache.upkeep import Upkeep
from gpt.model import GptReply, Source
from gpt.request_key import selector_mark
from tests.gpt.waiting import until
from tests.valkey import Valkey
from utils.redis_link import RedisLink


class Text(str):
    """One that tells when it is gone."""

    __slots__ = ("__weakref__",)


def cache_with(text: str, *, ttl: float) -> CompletionCache:
    cache = CompletionCache(ttl=ttl, stale_for=0, max_entries=10, max_bytes=10**6)
    reply = GptReply(text=text, source=Source.CACHE, finish_reason="stop")
    assert cache.put("k", reply, marks=(), asked_in=0, lifetime=ttl)
    return cache


@pytest.mark.asyncio
async def test_what_expired_leaves_though_nobody_looks() -> None:
    text = Text("said once")
    gone = weakref.ref(text)
    cache = cache_with(text, ttl=0.1)
    del text
    upkeep = Upkeep(cache, None, ttl=0.1)
    upkeep.start()

    assert gone() is not None
    await until(lambda: gone() is None)
    assert cache.stats()["expired"] == 1
    upkeep.stop()


@pytest.mark.asyncio
async def test_its_thread_ends_with_it() -> None:
    """Stopped, or forgotten: a helper that nobody closed leaves no thread behind."""
    before = set(threading.enumerate())
    stopped = Upkeep(cache_with("x", ttl=0.1), None, ttl=0.1)
    forgotten = Upkeep(cache_with("x", ttl=0.1), None, ttl=0.1)
    for upkeep in (stopped, forgotten):
        upkeep.start()
        upkeep.start()
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    stopped.stop()
    del upkeep, forgotten
    gc.collect()

    await until(lambda: not any(thread.is_alive() for thread in threads))


def test_a_taking_back_that_others_do_not_hear_of_is_said_once_and_at_the_end(
    mortal_valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """A script may end believing that the old prices are gone."""
    caplog.set_level(logging.INFO, "gavatcore.openai")
    mortal_valkey.kill()
    upkeep = Upkeep(cache_with("x", ttl=60), SharedCache(RedisLink(mortal_valkey.url)), ttl=60)
    upkeep.stop()  # its thread would tell too
    for tag in ("prices", "hours"):
        upkeep.tell(selector_mark(tag=tag))
        upkeep.tell_now()
    upkeep.tell_last()

    said = [message.partition(":")[0] for message in caplog.messages]
    assert said == ["invalidated in this process alone", "closed before Redis knew of 2 invalidations"]
    mortal_valkey.start()
    caplog.clear()
    upkeep.tell_last()
    assert caplog.messages == ["Redis knows all invalidations again"]
    assert upkeep.knows_all([selector_mark(tag="prices"), selector_mark(tag="hours")])


def test_thousands_are_told_in_the_end(valkey: Valkey) -> None:
    """While Redis was away; a few hundred at a time, since it has a quarter of a second for each call."""
    told: list[int] = []

    class Counting(SharedCache):
        def take_back(self, marks: Sequence[str]) -> None:
            told.append(len(marks))
            super().take_back(marks)

    link = RedisLink(valkey.url)
    upkeep = Upkeep(cache_with("x", ttl=60), Counting(link), ttl=60)
    upkeep.stop()
    marks = [selector_mark(key=str(number)) for number in range(3000)]
    for mark in (*marks, *marks):
        upkeep.tell(mark)
    assert not upkeep.knows_all(marks[:1])
    upkeep.tell_now()

    assert upkeep.knows_all(marks)
    assert (sum(told), max(told)) == (3000, 500)
    assert valkey.ask("LLEN", "{gavat:gpt}:invalidations") == 1000
    link.close()
