"""A reply piece by piece."""

import asyncio
import gc

import pytest

from gpt import streaming
from gpt.errors import (
    CircuitOpen,
    DeadlineExceeded,
    EmptyReply,
    GptError,
    HelperClosed,
    ProviderFailed,
    QuotaExhausted,
    ReplyTimeout,
)
from gpt.openai_utils import Api, GptHelper, Source
from tests.gpt.conftest import Helpers
from tests.gpt.waiting import until
from tests.openai_server import Answer, Manner, OpenAIServer, Text, Tokens, ToolCall

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("api", list(Api))]


async def test_the_pieces_make_the_reply(server: OpenAIServer, helper: GptHelper, api: Api) -> None:
    server.answer(text="At nine, as always.", tokens=Tokens(12, 5))
    stream = helper.stream("When?", system="Be short.", api=api)
    pieces = [piece async for piece in stream]

    assert len(pieces) > 1
    assert stream.reply is not None
    assert "".join(pieces) == stream.reply.text == "At nine, as always."
    assert (stream.reply.source, stream.reply.finish_reason, stream.reply.usage) == ("model", "stop", (12, 5, 0))
    assert server.requests[0].body["stream"] is True


async def test_a_whole_one_is_kept_for_all(server: OpenAIServer, helper: GptHelper, api: Api) -> None:
    first = [piece async for piece in helper.stream("When?", api=api)]
    stream = helper.stream("When?", api=api)
    again = [piece async for piece in stream]
    asked = await helper.ask("When?", api=api)

    assert "".join(first) == "".join(again) == asked.text
    assert stream.reply is not None
    assert (stream.reply.source, asked.source, len(server.requests)) == (Source.CACHE, Source.CACHE, 1)


@pytest.mark.parametrize(
    ("manner", "kind"),
    [
        (Manner.CLOSED_MIDWAY, ProviderFailed),
        (Manner.RESET_MIDWAY, ProviderFailed),
        (Manner.ERROR_MIDWAY, ProviderFailed),
        (Manner.HANGING_MIDWAY, ReplyTimeout),
    ],
)
async def test_one_that_breaks_off_is_an_error_and_not_kept(
    server: OpenAIServer, helpers: Helpers, api: Api, manner: Manner, kind: type[GptError]
) -> None:
    """What was given stays given; it is not asked again, since nobody could take the first half back."""
    helper = helpers(timeout=0.5)
    await helper.ask("to load the SDK")
    server.answer(text="one two three four five six", manner=manner)
    pieces = aiter(helper.stream("When?", api=api))
    assert await anext(pieces)

    with pytest.raises(kind):
        [piece async for piece in pieces]
    assert (len(server.requests), helper.stats()["entries"]) == (2, 1)


@pytest.mark.parametrize("answer", [Answer.failing(), Answer.rate_limited(), Answer(manner=Manner.CLOSED)])
async def test_before_its_first_piece_it_is_tried_again(
    server: OpenAIServer, helper: GptHelper, api: Api, answer: Answer
) -> None:
    server.script(answer)

    assert [piece async for piece in helper.stream("When?", api=api)]
    assert len(server.requests) == 2


async def test_a_refused_one_is_typed_and_opens_the_circuit(server: OpenAIServer, helper: GptHelper, api: Api) -> None:
    server.answer(Answer.quota())
    for kind in (QuotaExhausted, CircuitOpen):
        with pytest.raises(kind):
            await anext(aiter(helper.stream("When?", api=api)))


async def test_nothing_said_is_an_error(server: OpenAIServer, helper: GptHelper, api: Api) -> None:
    server.answer(text="")

    with pytest.raises(EmptyReply):
        async for _piece in helper.stream("When?", api=api):
            pass


async def test_who_stops_reading_ends_the_request(server: OpenAIServer, helper: GptHelper, api: Api) -> None:
    server.answer(text="one two three four five six", manner=Manner.DRIPPING, gap=0.05)
    async with helper.stream("When?", api=api) as stream:
        async for _piece in stream:
            break

    assert stream.reply is None
    assert helper.stats()["entries"] == 0
    server.answer(text="all is well")
    assert (await helper.ask("When?", api=api)).text == "all is well"


async def test_a_reader_may_take_its_time(server: OpenAIServer, helpers: Helpers, api: Api) -> None:
    """The time-out is for the wire, not for who reads."""
    helper = helpers(timeout=0.5)
    await helper.ask("to load the SDK")
    server.answer(text="one two three")
    pieces = []
    async for piece in helper.stream("When?", api=api):
        pieces.append(piece)
        await asyncio.sleep(0.25)

    assert "".join(pieces) == "one two three"


async def test_calls_of_tools_are_put_together(server: OpenAIServer, helper: GptHelper, api: Api) -> None:
    server.answer(text=Text.NULL, tool_calls=(ToolCall("price", '{"of": "tea"}'),), finish_reason="tool_calls")
    stream = helper.stream("How much?", api=api)
    async for _piece in stream:
        pass

    assert stream.reply is not None
    (call,) = stream.reply.tool_calls
    told = call["function"] if api is Api.CHAT else call
    assert (told["name"], told["arguments"], stream.reply.complete) == ("price", '{"of": "tea"}', False)


async def test_a_closed_helper_streams_nothing(helper: GptHelper, api: Api) -> None:
    await helper.aclose()

    with pytest.raises(HelperClosed):
        await anext(aiter(helper.stream("When?", api=api)))


async def test_closing_ends_streams_wherever_they_are(server: OpenAIServer, helpers: Helpers, api: Api) -> None:
    """One waits for a piece, one for its reader, one at the gate; of each it is known whether it may cost something."""
    helper = helpers(daily_tokens=100_000, timeout=30, deadline=300)
    server.limit(2, 60)  # its headers say that the third must wait
    limit = "max_completion_tokens" if api is Api.CHAT else "max_output_tokens"
    server.answer(text="one two three four five six", manner=Manner.HANGING_MIDWAY)

    async def read(prompt: str, go_on: asyncio.Event) -> None:
        async for _piece in helper.stream(prompt, api=api, params={limit: 5_000}):
            heard.add(prompt)
            await go_on.wait()

    heard: set[str] = set()
    go_on, stop = asyncio.Event(), asyncio.Event()
    go_on.set()
    reading = [asyncio.create_task(read("When?", go_on)), asyncio.create_task(read("Where?", stop))]
    await until(lambda: len(heard) == 2)
    reading.append(asyncio.create_task(read("Who?", go_on)))
    await until(lambda: helper.stats()["waiting"] == 1)

    await helper.aclose()

    stop.set()
    ended = await asyncio.wait_for(asyncio.gather(*reading, return_exceptions=True), 10)
    assert [type(one) for one in ended] == [HelperClosed] * 3
    (budget,) = helper.stats()["budgets"].values()
    assert 10_000 <= budget["tokens"] < 15_000
    assert len(server.requests) == 2


@pytest.mark.parametrize("manner", [Manner.CLOSED_MIDWAY, Manner.ERROR_MIDWAY])
async def test_half_a_stream_counts_as_a_whole_one(
    server: OpenAIServer, helpers: Helpers, api: Api, manner: Manner
) -> None:
    helper = helpers(daily_tokens=100_000)
    server.answer(text="one two three four five six", manner=manner)
    limit = "max_completion_tokens" if api is Api.CHAT else "max_output_tokens"
    with pytest.raises(ProviderFailed):
        [piece async for piece in helper.stream("When?", api=api, params={limit: 50})]

    (budget,) = helper.stats()["budgets"].values()
    assert budget["tokens"] >= 50


async def test_who_just_breaks_off_makes_no_noise(
    server: OpenAIServer, helper: GptHelper, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Without `async with`, as most will write it: the loop closes what is left."""
    server.answer(text="one two three four five six", manner=Manner.DRIPPING, gap=0.05)
    async for _piece in helper.stream("When?", api=api):
        break
    gc.collect()
    await asyncio.sleep(0.1)

    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(("manner", "pieces"), [(Manner.HANGING, 0), (Manner.HANGING_MIDWAY, 1)])
async def test_a_deadline_ends_a_stream_wherever_it_is(
    server: OpenAIServer, helpers: Helpers, api: Api, manner: Manner, pieces: int
) -> None:
    """As it ends `ask`; what was sent counts, and the provider is not held to have failed."""
    helper = helpers(timeout=30, daily_tokens=10**6, breaker_failures=1)
    await helper.ask("to load the SDK")
    server.answer(text="one two three four five six", manner=manner)
    limit = "max_completion_tokens" if api is Api.CHAT else "max_output_tokens"
    stream = aiter(helper.stream("When?", api=api, deadline=1, params={limit: 5_000}))
    for _ in range(pieces):
        await anext(stream)

    with pytest.raises(DeadlineExceeded):
        [piece async for piece in stream]

    (budget,) = helper.stats()["budgets"].values()
    assert budget["tokens"] >= 5_000
    assert helper.stats()["circuit"] == "closed"


async def test_a_mistake_of_ours_while_it_is_read_is_not_free(
    server: OpenAIServer, helpers: Helpers, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_headers: object, **_now: object) -> float:
        raise RuntimeError("a mistake")

    helper = helpers(daily_tokens=10**6)
    monkeypatch.setattr(streaming, "used_up", mistaken)
    with pytest.raises(RuntimeError):
        await anext(aiter(helper.stream("When?", api=api)))

    (budget,) = helper.stats()["budgets"].values()
    assert (len(server.requests), budget["tokens"] > 0) == (1, True)
