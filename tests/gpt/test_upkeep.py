"""What a helper does by itself."""

import gc
import threading
import weakref

import pytest

from gpt.cache.completion_cache import CompletionCache
from gpt.cache.upkeep import Upkeep
from gpt.model import GptReply, Source
from tests.gpt.waiting import until


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
