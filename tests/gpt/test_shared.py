"""Replies and flights that processes share through a real Valkey; and what happens when it is away."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gpt import errors
from gpt.cache.shared_cache import Failed, Flying, Lead, Shared, SharedCache, token_of
from gpt.cache.shared_scripts import EPOCH, GENERATION, LOG, PREFIX
from gpt.errors import BadReply, GptError, GptSettingsError
from gpt.openai_utils import GptReply, Priority, Source
from gpt.request_key import short_hash
from tests.gpt.conftest import API_KEY, Helpers
from tests.gpt.fleet import Asker, all_at_once, askers
from tests.gpt.waiting import until
from tests.killing import REPOSITORY, plain_environment
from tests.openai_server import Answer, Manner, OpenAIServer, Text, ToolCall, Wait, answer_to
from tests.valkey import Valkey
from utils.redis_link import RedisLink

SECRET = "a secret of the chat"


class Fleet(NamedTuple):
    """Four processes at one provider."""

    server: OpenAIServer
    askers: list[Asker]

    def all(self, method: str, **arguments: Any) -> list[Mapping[str, Any]]:
        """Each does the same at the same time."""
        return all_at_once(self.askers, method, **arguments)

    def entries(self) -> list[int]:
        """How many replies each has."""
        return [asker.does("stats")["entries"] for asker in self.askers]


@pytest.fixture(scope="module")
def fleet(running_valkey: Valkey) -> Iterator[Fleet]:
    with OpenAIServer() as server, askers(4, server.base_url, running_valkey.url) as processes:
        yield Fleet(server, processes)


def test_four_processes_of_two_hundred_make_one_call(fleet: Fleet) -> None:
    fleet.server.script(Answer(text="yes", delay=0.3))
    answers = fleet.all("ask", prompt="May I?", times=200)

    assert len(fleet.server.requests) == 1
    sources = sum((Counter(answer["sources"]) for answer in answers), Counter[str]())
    assert (sources["model"], sources.total()) == (1, 800)
    assert [answer["texts"] for answer in answers] == [["yes"]] * 4


def test_a_taking_back_reaches_four_processes_within_a_second(fleet: Fleet) -> None:
    before = fleet.entries()
    fleet.server.script(Answer(text="old price"))
    fleet.all("ask", prompt="How much?", namespace="shop", tags=["prices"])
    fleet.all("ask", prompt="When?", namespace="shop")
    assert fleet.entries() == [count + 2 for count in before]

    fleet.askers[0].does("invalidate", tag="prices")
    time.sleep(1)
    assert fleet.entries() == [count + 1 for count in before]
    fleet.server.script(Answer(text="new price"))
    answers = fleet.all("ask", prompt="How much?", namespace="shop", tags=["prices"])

    assert [answer["texts"] for answer in answers] == [["new price"]] * 4


def test_whoever_asks_is_killed_and_another_one_asks(server: OpenAIServer, valkey: Valkey) -> None:
    """Its lead runs out; who waited does not wait for ever."""
    server.script(Answer(manner=Manner.HANGING), Answer(text="yes"))
    with askers(2, server.base_url, valkey.url) as (first, second):
        assert first.process.stdin is not None
        first.process.stdin.write('["ask", {"prompt": "When?"}]\n')
        first.process.stdin.flush()
        asyncio.run(server.arrived(1))
        first.process.kill()
        assert second.does("ask", prompt="When?")["texts"] == ["yes"]

    assert len(server.requests) == 2


@pytest.mark.asyncio
class TestOne:
    """Helpers of one process, that might as well be on two hosts."""

    async def test_a_reply_serves_the_next_process(self, valkey: Valkey, helpers: Helpers) -> None:
        first = await helpers(redis_url=valkey.url).ask("When?")
        other = helpers(redis_url=valkey.url)
        second = await other.ask("When?")
        third = await other.ask("When?")

        assert (first.source, second.source, third.source) == (Source.MODEL, Source.CACHE, Source.CACHE)
        assert (second.text, second.usage, second.cost) == (first.text, first.usage, first.cost)
        assert (other.stats()["hits"], other.stats()["misses"]) == (2, 0)

    async def test_the_other_process_keeps_it_no_longer(self, valkey: Valkey, helpers: Helpers) -> None:
        """What came from Redis lives as long as it does there, not once more as long."""
        await helpers(redis_url=valkey.url, cache_ttl=4).ask("When?")
        await asyncio.sleep(2.4)
        other = helpers(redis_url=valkey.url, cache_ttl=4)
        assert (await other.ask("When?")).source == Source.CACHE
        await asyncio.sleep(2.4)

        assert (await other.ask("When?")).source == Source.MODEL

    async def test_a_failure_is_told_to_who_waits_and_not_remembered(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        one, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        await other.ask("to load")
        server.forget()
        server.script(Answer.html(delay=1.0))
        first = asyncio.create_task(one.ask("When?"))
        await server.arrived(1)
        with pytest.raises(BadReply, match="no completion"):
            await other.ask("When?")
        with pytest.raises(BadReply):
            await first

        assert len(server.requests) == 1
        assert (await other.ask("When?")).source == Source.MODEL

    async def test_what_is_not_whole_is_asked_by_each(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        server.answer(text="half a", finish_reason="length")
        for _ in range(2):
            await helpers(redis_url=valkey.url).ask("When?")

        assert len(server.requests) == 2

    async def test_what_is_taken_back_while_it_is_asked_is_not_shared(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        server.script(Answer(text="old price", manner=Manner.HELD), Answer(text="new price"))
        one, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        asked = asyncio.create_task(one.ask("How much?", tags=["prices"]))
        await server.arrived(1)
        other.invalidate(tag="prices")
        await until(lambda: valkey.ask("LLEN", LOG) == 2)
        server.release()

        assert (await asked).text == "old price"
        assert (await helpers(redis_url=valkey.url).ask("How much?", tags=["prices"])).text == "new price"

    async def test_no_text_and_no_key_stands_in_redis_names(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        helper = helpers(redis_url=valkey.url)
        await helper.ask(SECRET, namespace="the chat of Ayse", tags=["vip"])
        helper.invalidate(tag="vip")
        await until(lambda: valkey.ask("LLEN", LOG) == 2)

        names = [name if isinstance(name, bytes) else str(name).encode() for name in valkey.ask("KEYS", "*")]
        log = repr(valkey.ask("LRANGE", LOG, 0, -1))
        assert len(names) >= 3
        for word in (*SECRET.split()[1:], "Ayse", "vip", API_KEY, API_KEY[:6]):
            assert word.encode() not in b"\n".join(names)
            assert word not in log
        assert short_hash(API_KEY, server.base_url) != short_hash(API_KEY + "x", server.base_url)
        assert all(valkey.ask("PTTL", name) > 0 for name in names if b"entry" in name or b"mark" in name)

    async def test_redis_may_be_away_from_the_beginning(
        self, mortal_valkey: Valkey, helpers: Helpers, caplog: pytest.LogCaptureFixture
    ) -> None:
        mortal_valkey.kill()
        helper = helpers(redis_url=mortal_valkey.url)
        await helper.ask("to load the SDK")
        began = time.monotonic()
        replies = await asyncio.gather(*(helper.ask(str(number)) for number in range(20)))

        assert {reply.source for reply in replies} == {Source.MODEL}
        assert time.monotonic() - began < 5
        assert sum("replies are not shared" in line for line in caplog.messages) == 1

    async def test_redis_may_be_frozen_in_mid_run(self, valkey: Valkey, helpers: Helpers) -> None:
        helper = helpers(redis_url=f"{valkey.plain_url}?socket_timeout=1")
        await helper.ask("When?")
        with valkey.frozen():
            began = time.monotonic()
            hit = await helper.ask("When?")
            hit_after = time.monotonic() - began
            miss = await helper.ask("Where?")
            miss_after = time.monotonic() - began
        assert (hit.source, miss.source) == (Source.CACHE, Source.MODEL)
        assert hit_after < 0.9, "a hit never asks Redis"
        assert miss_after < 20, "it waits for some answers, not for all"

    async def test_redis_may_forget_everything_in_mid_run(self, mortal_valkey: Valkey, helpers: Helpers) -> None:
        """Also its scripts (NOSCRIPT). What was kept here is dropped, since a taking back may be among what is lost."""
        helper = helpers(redis_url=mortal_valkey.url)
        helper.invalidate(tag="x")
        await until(lambda: mortal_valkey.ask("LLEN", LOG) == 2)
        await helper.ask("When?")
        mortal_valkey.restart_empty()
        await until(lambda: helper.stats()["entries"] == 0)

        assert (await helper.ask("When?")).source == Source.MODEL
        assert (await helpers(redis_url=mortal_valkey.url).ask("When?")).source == Source.CACHE

    async def test_a_taking_back_waits_until_redis_is_there(self, valkey: Valkey, helpers: Helpers) -> None:
        helper, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        await helper.ask("How much?")
        await other.ask("How much?")
        with valkey.frozen():
            helper.invalidate()
            await asyncio.sleep(0.3)
            assert other.stats()["entries"] == 1
        await until(lambda: other.stats()["entries"] == 0)

    async def test_what_others_wrote_there_is_no_reply(self, valkey: Valkey, helpers: Helpers) -> None:
        helper = helpers(redis_url=valkey.url)
        key = helper.key_of("When?")
        for body in ("0 {}", "0 [1]", "nonsense", '0 {"text": 1}', "0 " + "[" * 9999):
            valkey.ask("SET", f"{PREFIX}entry:{key}", body, "PX", 60_000)
            assert (await helpers(redis_url=valkey.url).ask("When?")).text
            valkey.ask("DEL", f"{PREFIX}entry:{key}")

    async def test_what_another_process_took_back_is_joined_by_nobody(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        server.script(Answer(text="old", manner=Manner.HELD), Answer(text="new"))
        one, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        first = asyncio.create_task(one.ask("How much?"))
        await server.arrived(1)
        other.invalidate()
        await asyncio.sleep(1)
        later = asyncio.create_task(one.ask("How much?"))
        await asyncio.sleep(0.1)
        server.release()

        assert ((await first).text, (await later).text) == ("old", "new")

    async def test_a_flush_does_not_bring_back_what_was_taken_back(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        """The flight that lands after it knows nothing of the marks that are gone."""
        server.script(Answer(text="old", manner=Manner.HELD), Answer(text="new"))
        one, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        asked = asyncio.create_task(one.ask("How much?"))
        await server.arrived(1)
        other.invalidate()
        await until(lambda: valkey.ask("LLEN", LOG) == 2)
        valkey.empty()
        server.release()

        assert (await asked).text == "old"
        assert (await helpers(redis_url=valkey.url).ask("How much?")).text == "new"

    async def test_another_server_with_an_older_count_is_noticed(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        """A fail-over to a replica whose clock is behind: what was taken back meanwhile is in no log."""
        helper = helpers(redis_url=valkey.url)
        await helper.ask("How much?")
        await until(lambda: valkey.ask("EXISTS", GENERATION) == 1)
        for name in (GENERATION, EPOCH):
            valkey.ask("SET", name, "1000")
        valkey.ask("DEL", LOG)
        valkey.ask("LPUSH", LOG, "1000 begun")

        await until(lambda: helper.stats()["entries"] == 0)
        assert server.requests

    async def test_who_takes_back_and_ends_is_heard(self, valkey: Valkey, helpers: Helpers) -> None:
        helper = helpers(redis_url=valkey.url)
        helper.invalidate(tag="prices")
        await helper.aclose()

        assert valkey.ask("LLEN", LOG) == 2

    async def test_who_has_more_time_in_another_process_asks_again(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        one, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        await asyncio.gather(one.ask("to load"), other.ask("the SDK"))
        server.script(Answer.rate_limited(wait=Wait(0.5), delay=0.2))
        short = asyncio.create_task(one.ask("When?", deadline=0.4))
        await server.arrived(3)
        long = asyncio.create_task(other.ask("When?"))

        with pytest.raises(GptError):
            await short
        assert (await long).text

    async def test_calls_of_tools_are_told_to_who_waits_and_not_kept(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        """Else each process would ask after the other."""
        server.answer(text=Text.NULL, tool_calls=(ToolCall("now"),), finish_reason="tool_calls", delay=0.3)
        one, other = helpers(redis_url=valkey.url), helpers(redis_url=valkey.url)
        first = asyncio.create_task(one.ask("When?"))
        await server.arrived(1)
        second = await other.ask("When?")

        assert (second.tool_calls[0]["function"]["name"], second.source) == ("now", Source.JOINED)
        assert (await first).source == Source.MODEL
        await other.ask("When?")
        assert len(server.requests) == 2

    async def test_a_person_does_not_wait_in_the_queue_of_another_process_batch(
        self, server: OpenAIServer, valkey: Valkey, helpers: Helpers
    ) -> None:
        """And the batch is content with the person's reply: nothing is asked twice."""
        night, bot = (helpers(redis_url=valkey.url, min_request_interval=1.0) for _ in range(2))
        await night.ask("to load")
        batches = [asyncio.create_task(night.ask(str(n), priority=Priority.BATCH, deadline=60)) for n in range(8)]
        await until(lambda: night.stats()["waiting"] == 8)
        reply = await bot.ask("7", deadline=6)

        assert reply.source == Source.MODEL
        assert (await batches[7]).source in (Source.CACHE, Source.JOINED)
        assert len(server.requests) < 8, "the batch did not wait for its own turn"
        for batch in batches:
            batch.cancel()
        await asyncio.wait(batches)

    @pytest.mark.parametrize("kind", ["LPUSH", "SET"])
    async def test_something_else_under_our_keys_holds_nobody_up(
        self, valkey: Valkey, helpers: Helpers, kind: str
    ) -> None:
        """No lead stays behind for which others would wait."""
        for name in (GENERATION, EPOCH, LOG):
            valkey.ask("DEL", name)
            valkey.ask(kind, name, "theirs")
            assert (await helpers(redis_url=valkey.url).ask(f"When? {name}")).source == Source.MODEL

            assert not [one for one in valkey.ask("KEYS", "*") if "flight" in str(one)]
            valkey.empty()

    async def test_a_name_server_that_is_away_costs_a_quarter_of_a_second(
        self, helpers: Helpers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once: until its answer has come nobody waits for another."""
        known, ends = socket.getaddrinfo, threading.Event()

        def look_up(host: str, *more: Any, **named: Any) -> Any:
            if host == "redis.invalid":
                ends.wait(30)
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return known(host, *more, **named)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        helper = helpers(redis_url="redis://redis.invalid:6379/0", daily_tokens=10**7)
        began = time.monotonic()
        for number in range(5):
            await helper.ask(str(number))
        took = time.monotonic() - began
        ends.set()

        assert took < 15, "the resolver takes thirty seconds"

    async def test_a_process_that_cannot_ask_lets_the_others_ask(
        self, valkey: Valkey, helpers: Helpers, tmp_path: Path
    ) -> None:
        """Its folder is not theirs."""
        (tmp_path / "file").write_text("")
        one = helpers(redis_url=valkey.url, state=str(tmp_path / "file" / "none"), daily_tokens=10**6)
        other = helpers(redis_url=valkey.url)
        asking = [asyncio.create_task(helper.ask("When?")) for helper in (one, other, other, other)]
        refused, *replies = await asyncio.gather(*asking, return_exceptions=True)

        assert isinstance(refused, GptSettingsError | GptReply)  # a reply where the other was first
        assert [getattr(reply, "text", reply) for reply in replies] == [answer_to("When?")] * 3


ALL_ERRORS = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GptError)]
SHARED = {"RequestRefused", "EmptyReply", "BadReply", "ProviderFailed", "ReplyTimeout", "RateLimited"}


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_only_what_the_provider_said_of_the_question_is_told_to_others(valkey: Valkey, kind: type[GptError]) -> None:
    """What is over with this process's budget, circuit, key or settings, another one asks."""
    link = RedisLink(valkey.url)
    cache, one = SharedCache(link), Shared("k", ("m",))
    first, second = token_of(Priority.PERSON), token_of(Priority.PERSON)
    lead = cache.find(one, token=first)
    assert isinstance(lead, Lead)
    assert cache.find(one, token=second) == Flying(first)
    cache.land(one, kind("no", hint="go", retry_after=2.0), token=first, generation=lead.generation, lifetime=9)
    found = cache.find(one, token=second, waited_for=first)

    if kind.__name__ in SHARED:
        assert isinstance(found, Failed)
        assert type(found.error) is kind
        assert (found.error.message, found.error.hint, found.error.retry_after) == ("no", "go", 2.0)
    else:
        assert isinstance(found, Lead)
    link.close()


def test_a_person_takes_the_lead_from_a_batch_alone(valkey: Valkey) -> None:
    link = RedisLink(valkey.url)
    cache, one = SharedCache(link), Shared("k", ("m",))
    batch, person, another = token_of(Priority.BATCH), token_of(Priority.PERSON), token_of(Priority.PERSON)

    assert isinstance(cache.find(one, token=batch), Lead)
    assert cache.find(one, token=token_of(Priority.BATCH)) == Flying(batch)
    assert cache.hold(one, token=batch) is True
    assert isinstance(cache.find(one, token=person), Lead)
    assert cache.hold(one, token=batch) is False
    for token in (batch, another):
        assert cache.find(one, token=token) == Flying(person)
    link.close()


def test_a_script_that_takes_back_and_ends_is_heard(server: OpenAIServer, valkey: Valkey) -> None:
    """Without an event loop, and without closing anything."""
    script = f"""
from gpt.openai_utils import GptHelper
GptHelper(api_key="k", base_url={server.base_url!r}, redis_url={valkey.url!r}).invalidate(tag="prices")
"""
    subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, env=plain_environment(), check=True)

    assert valkey.ask("LLEN", LOG) == 2
