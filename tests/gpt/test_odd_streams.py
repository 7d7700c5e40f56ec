"""Streams as other hosts send them: several replies, counts on the way, speech, refusals, and what is none."""

from typing import Any

import pytest

from gpt.errors import BadReply, EmptyReply, GptError, ProviderFailed, RateLimited, RequestRefused
from gpt.openai_utils import Api, GptHelper, GptReply
from tests.gpt.conftest import Helpers
from tests.openai_server import Answer, OpenAIServer

pytestmark = pytest.mark.asyncio

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
LIMIT = {"max_completion_tokens": 50}


def chunk(index: int = 0, finish: str | None = None, usage: object = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    told = {} if usage is None else {"usage": usage}
    return {"id": "c7", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **told}


LAST = {**chunk(usage=USAGE), "choices": []}


async def whole(helper: GptHelper, **asked: Any) -> tuple[list[str], GptReply]:
    stream = helper.stream("When?", **asked)
    pieces = [piece async for piece in stream]
    assert stream.reply is not None
    return pieces, stream.reply


def spent(helper: GptHelper) -> int:
    (budget,) = helper.stats()["budgets"].values()
    return int(budget["tokens"])


async def test_of_several_replies_the_first_is_given(server: OpenAIServer, helpers: Helpers) -> None:
    """As of one that comes whole; the others are paid for all the same."""
    helper = helpers(daily_tokens=10**6)
    texts = [chunk(content="At "), chunk(1, content="Never, "), chunk(content="nine."), chunk(1, content="on Sundays.")]
    ends = [chunk(finish="stop", usage={**USAGE, "completion_tokens": 3}), chunk(1, "length"), LAST]
    server.answer(Answer.stream_of(*texts, *ends, b"[DONE]"))

    pieces, reply = await whole(helper, params={"n": 2})

    assert (pieces, reply.text, reply.finish_reason, reply.id) == (["At ", "nine."], "At nine.", "stop", "c7")
    assert (await helper.ask("When?", params={"n": 2})).text == "At nine."
    assert spent(helper) == 15


async def test_a_count_on_the_way_is_no_count_of_the_whole(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(daily_tokens=10**6)
    early = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    words = [chunk(content="word ") for _ in range(20)]
    server.answer(Answer.stream_of(chunk(content="", usage=early), *words))

    with pytest.raises(ProviderFailed):
        await whole(helper, params=LIMIT)

    assert spent(helper) >= 50


async def test_a_count_of_one_reply_is_none_of_all(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(daily_tokens=10**6)
    server.answer(Answer.stream_of(chunk(content="At nine.", finish="stop", usage=USAGE), chunk(1, content="Never")))

    await whole(helper, params=LIMIT | {"n": 2})

    assert spent(helper) >= 100


async def test_who_leaves_after_a_count_on_the_way_pays_the_whole(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(daily_tokens=10**6)
    server.answer(Answer.stream_of(*[chunk(content="word ", usage=USAGE) for _ in range(20)]))
    async with helper.stream("When?", params=LIMIT) as stream:
        async for _piece in stream:
            break

    assert spent(helper) >= 50


DEEP = b"[" * 100_000
BROKEN = [
    *((Answer.stream_of(event), Api.CHAT, BadReply) for event in (5, "text", [1], {"choices": [5]}, DEEP, b"{half")),
    *((Answer.stream_of(event), Api.RESPONSES, BadReply) for event in (5, "text", [1], DEEP, b"\xff\xfe")),
    (Answer.stream_of(chunk(content={"no": "text"})), Api.CHAT, BadReply),
    (Answer.stream_of(chunk(tool_calls=[{"index": [], "id": "a"}])), Api.CHAT, BadReply),
    (Answer.stream_of({"error": "boom"}), Api.CHAT, ProviderFailed),
    (Answer.stream_of({"error": {"code": 429, "message": "slow"}}), Api.CHAT, RateLimited),
    (Answer.stream_of({"type": "error", "code": "rate_limit_exceeded"}), Api.RESPONSES, RateLimited),
    (
        Answer.stream_of({"type": "response.failed", "response": {"error": {"code": "invalid_prompt"}}}),
        Api.RESPONSES,
        RequestRefused,
    ),
    (Answer.stream_of({"type": "response.failed", "response": {}}), Api.RESPONSES, ProviderFailed),
    (Answer.stream_of({"type": "response.output_text.delta", "delta": 7}), Api.RESPONSES, BadReply),
]


@pytest.mark.parametrize(("answer", "api", "kind"), BROKEN)
async def test_whatever_comes_is_typed_and_not_free(
    server: OpenAIServer, helpers: Helpers, answer: Answer, api: Api, kind: type[GptError]
) -> None:
    helper = helpers(daily_tokens=10**6, breaker_failures=99)
    server.answer(answer)

    with pytest.raises(kind) as failed:
        await whole(helper, api=api, params={"max_output_tokens": 50} if api is Api.RESPONSES else LIMIT)

    assert failed.type is kind
    assert spent(helper) >= 50


async def test_calls_without_an_index_are_two(server: OpenAIServer, helper: GptHelper) -> None:
    calls: list[dict[str, Any]] = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"index": 0, "id": "b", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
    ]
    server.answer(
        Answer.stream_of(*[chunk(tool_calls=[call]) for call in calls], chunk(finish="tool_calls"), b"[DONE]")
    )

    _pieces, reply = await whole(helper)

    assert list(reply.tool_calls) == [{name: call[name] for name in call if name != "index"} for call in calls]


@pytest.mark.parametrize(
    ("deltas", "finish", "said"),
    [
        ([{"refusal": "I "}, {"refusal": "cannot."}], "stop", ("I cannot.", "refusal")),
        (
            [{"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Nine."}]}],
            "stop",
            ("Nine.", "stop"),
        ),
        (
            [{"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}}],
            "function_call",
            ("", "function_call"),
        ),
        (
            [
                {"audio": {"id": "a", "transcript": "At "}},
                {"audio": {"data": "QUJD", "transcript": "nine."}},
                {"audio": {"data": "REVG"}},
            ],
            "stop",
            ("At nine.", "stop"),
        ),
    ],
)
async def test_what_was_said_otherwise_is_a_reply(
    server: OpenAIServer, helper: GptHelper, deltas: list[dict[str, Any]], finish: str, said: tuple[str, str]
) -> None:
    server.answer(Answer.stream_of(*[chunk(**delta) for delta in deltas], chunk(finish=finish), LAST, b"[DONE]"))

    _pieces, reply = await whole(helper)

    assert (reply.text, reply.finish_reason) == said
    assert reply.complete is (reply.text == "Nine.")
    if "audio" in deltas[0]:
        assert reply.media == ({"type": "audio", "id": "a", "transcript": "At nine.", "data": "QUJDREVG"},)
    if finish == "function_call":
        assert reply.tool_calls == ({"type": "function", "function": {"name": "f", "arguments": "{}"}},)


async def test_thoughts_alone_are_no_reply(server: OpenAIServer, helper: GptHelper) -> None:
    server.answer(Answer.stream_of(chunk(content=[{"type": "thinking", "thinking": "hm"}]), chunk(finish="stop")))

    with pytest.raises(EmptyReply):
        await whole(helper)
