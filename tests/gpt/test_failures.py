"""What the provider does wrong: typed, tried again only where that may help, and never with its words."""

import asyncio
import logging
import time
import traceback
from base64 import b64encode
from typing import Any

import pytest

from gpt.errors import (
    AccessDenied,
    AuthenticationFailed,
    BadReply,
    CircuitOpen,
    DeadlineExceeded,
    GptError,
    GptSettingsError,
    HelperClosed,
    ProviderFailed,
    QuotaExhausted,
    RateLimited,
    ReplyTimeout,
    RequestRefused,
)
from gpt.openai_utils import Api, GptHelper, GptSettings
from tests.gpt.conftest import API_KEY, Helpers
from tests.gpt.waiting import until
from tests.openai_server import Answer, Hint, Manner, OpenAIServer, Tokens, Wait

pytestmark = pytest.mark.asyncio
SECRET = "the secret of the chat"

REFUSALS = [
    (Answer.quota(), QuotaExhausted),
    (Answer.bad_request(), RequestRefused),
    (Answer.unauthorized(), AuthenticationFailed),
    (Answer.forbidden(), AccessDenied),
    (Answer.model_not_found(), RequestRefused),
    (Answer.unprocessable(), RequestRefused),
    (Answer.html(), BadReply),
    (Answer.html(404), RequestRefused),
    *(
        (Answer.other_json(body), BadReply)
        for body in ("{}", "[]", "7", "null", '{"choices": []}', '{"choices": [{}]}')
    ),
    (Answer.other_json('{"choices": [{"message": {"content": 7}}]}'), BadReply),
    (Answer.other_json("[" * 100_000), BadReply),
    (Answer.failing(headers={"x-should-retry": "false"}), ProviderFailed),
    *(
        (Answer.other_json(f'{{"error": {{"code": {code}, "message": "{SECRET}"}}}}'), kind)
        for code, kind in (
            *(('"insufficient_quota"', QuotaExhausted), ("401", AuthenticationFailed), ("403", AccessDenied)),
            ("400", RequestRefused),
        )
    ),
]
TRANSIENT = [
    (Answer.rate_limited(), RateLimited),
    (Answer.rate_limited(wait=Wait(0.05)), RateLimited),
    (Answer.timed_out(), ProviderFailed),
    (Answer.conflict(), ProviderFailed),
    (Answer.failing(), ProviderFailed),
    (Answer.failing(502), ProviderFailed),
    (Answer.html(502), ProviderFailed),
    (Answer.overloaded(), ProviderFailed),
    (Answer.other_json('{"error": {"code": 429, "message": "slow down"}}'), RateLimited),
    (Answer.other_json('{"choices": [{"finish_reason": "error", "error": {"code": 502}}]}'), ProviderFailed),
    *((Answer(manner=manner), ProviderFailed) for manner in (Manner.CLOSED, Manner.RESET, Manner.CLOSED_MIDWAY)),
]


@pytest.mark.parametrize(("answer", "kind"), REFUSALS)
async def test_what_cannot_succeed_is_sent_once(
    server: OpenAIServer, helper: GptHelper, answer: Answer, kind: type[GptError]
) -> None:
    server.answer(answer)

    with pytest.raises(kind) as refused:
        await helper.ask(SECRET)
    assert len(server.requests) == 1
    assert (refused.type, helper.stats()["failures"]) == (kind, {kind.kind: 1})


@pytest.mark.parametrize(("answer", "kind"), TRANSIENT)
async def test_what_may_succeed_is_tried_three_times(
    server: OpenAIServer, helper: GptHelper, answer: Answer, kind: type[GptError]
) -> None:
    """`max_retries=2` means three attempts; the SDK adds none of its own."""
    server.answer(answer)

    with pytest.raises(kind):
        await helper.ask("When?")
    assert len(server.requests) == 3
    assert helper.stats()["retries"] == 2


@pytest.mark.parametrize(("answer", "kind"), TRANSIENT)
async def test_and_the_second_try_may_succeed(
    server: OpenAIServer, helper: GptHelper, answer: Answer, kind: type[GptError]
) -> None:
    server.script(answer)

    assert (await helper.ask("When?")).text
    assert (len(server.requests), helper.stats()["rate_limited"]) == (2, int(kind is RateLimited))


@pytest.mark.parametrize("manner", [Manner.HANGING, Manner.HANGING_MIDWAY, Manner.DRIPPING])
async def test_a_hang_ends_within_one_deadline(server: OpenAIServer, helpers: Helpers, manner: Manner) -> None:
    """A byte now and then does not help: the SDK's own time-out is for each read. And it is not tried thrice."""
    helper = helpers(timeout=0.3)
    await helper.ask("to load the SDK")
    server.answer(manner=manner, gap=0.1)
    began = time.monotonic()

    with pytest.raises(ReplyTimeout):
        await helper.ask("When?")
    assert 0.3 <= time.monotonic() - began < 20
    assert len(server.requests) == 2


async def test_all_tries_together_have_one_time_on_the_wire(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(timeout=2.5)
    await helper.ask("to load the SDK")
    server.script(Answer.failing(delay=2.0), Answer(manner=Manner.HANGING))
    began = time.monotonic()

    with pytest.raises(ReplyTimeout):
        await helper.ask("When?")
    assert time.monotonic() - began < 2.0 + 2.4, "the second try has what the first one left"


@pytest.mark.parametrize("hint", list(Hint))
async def test_nobody_asks_before_the_server_said(server: OpenAIServer, helpers: Helpers, hint: Hint) -> None:
    """Nor does any other caller of that key: the gate is closed for all."""
    helper = helpers()
    await helper.ask("to load the SDK")
    seconds = 1.0 if hint is Hint.DATE else 0.3
    server.script(Answer.rate_limited(wait=Wait(seconds, hint)))
    first = asyncio.create_task(helper.ask("When?"))
    await server.arrived(2)
    await until(lambda: server.rate_limited > 0)
    await asyncio.sleep(0.02)
    await asyncio.gather(first, helper.ask("Where?"))

    refused, *later = [request.at for request in server.requests][1:]
    least = 0.0 if hint is Hint.DATE else seconds
    assert all(at - refused >= least for at in later)
    assert len(later) == 2


async def test_a_wait_beyond_the_deadline_fails_at_once(server: OpenAIServer, helper: GptHelper) -> None:
    server.answer(Answer.rate_limited(wait=Wait(600)))
    began = time.monotonic()

    with pytest.raises(RateLimited) as refused:
        await helper.ask("When?")
    assert time.monotonic() - began < 10
    assert (refused.value.retry_after, len(server.requests)) == (600, 1)


async def test_headers_of_a_used_up_window_close_the_gate(server: OpenAIServer, helper: GptHelper) -> None:
    used_up = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
    await helper.ask("to load the SDK")
    server.script(Answer(headers=used_up))
    await helper.ask("When?")
    await helper.ask("Where?")

    _, first, second = (request.at for request in server.requests)
    assert second - first >= 0.4


@pytest.mark.parametrize("answer", [Answer.quota(), Answer.unauthorized()])
async def test_without_money_or_key_nobody_asks_again_for_a_while(
    server: OpenAIServer, helpers: Helpers, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    helper = helpers(breaker_rest=0.3)
    server.script(answer)
    with pytest.raises(GptError):
        await helper.ask("When?")
    with pytest.raises(CircuitOpen):
        await helper.ask("Where?")
    assert (len(server.requests), helper.stats()["circuit"]) == (1, "open")

    await asyncio.sleep(0.3)
    assert (await helper.ask("Where?")).text
    assert helper.stats()["circuit"] == "closed"
    assert sum("circuit open" in line for line in caplog.messages) == 1


async def test_a_provider_that_fails_again_and_again_is_left_alone(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(breaker_failures=4, max_retries=0)
    server.answer(Answer.failing())
    for number in range(10):
        with pytest.raises(GptError):
            await helper.ask(str(number))

    assert len(server.requests) == 4


async def test_a_deadline_is_the_callers_own(server: OpenAIServer, helper: GptHelper) -> None:
    """Whoever has more time gets the answer of the same flight."""
    server.script(Answer(text="yes", manner=Manner.HELD))
    patient = asyncio.create_task(helper.ask("When?"))
    await server.arrived(1)
    with pytest.raises(DeadlineExceeded):
        await helper.ask("When?", deadline=0.05)
    server.release()

    assert (await patient).text == "yes"
    assert len(server.requests) == 1


async def test_who_has_more_time_than_the_first_asks_again(server: OpenAIServer, helper: GptHelper) -> None:
    await helper.ask("to load the SDK")
    server.script(Answer.rate_limited(wait=Wait(0.4)))
    first = asyncio.create_task(helper.ask("When?", deadline=0.2))
    second = asyncio.create_task(helper.ask("When?"))

    with pytest.raises(GptError):
        await first
    assert (await second).text


async def test_text_that_is_no_unicode_is_refused(helper: GptHelper) -> None:
    with pytest.raises(RequestRefused):
        await helper.ask("half a pair: \ud83d")


async def test_a_parameter_that_the_sdk_does_not_know_goes_along(server: OpenAIServer, helper: GptHelper) -> None:
    """Compatible hosts have their own."""
    await helper.ask("When?", params={"top_k": 5, "extra_body": {"min_p": 0.1}, "seed": 7})

    assert {name: server.requests[0].body[name] for name in ("top_k", "min_p", "seed")} == {
        "top_k": 5,
        "min_p": 0.1,
        "seed": 7,
    }


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    "asked",
    [
        *({"params": {"seed": seed}} for seed in (object(), float("nan"))),
        {"params": {"metadata": {1: "a", "b": 2}}},
        {"temperature": float("inf")},
    ],
)
async def test_what_is_no_json_is_refused_alike_and_costs_nothing(
    server: OpenAIServer, helpers: Helpers, asked: dict[str, Any], cache: bool
) -> None:
    """One user's odd data must not leave a bot without its fallback; the cause says what is wrong."""
    helper = helpers(daily_tokens=50_000)

    with pytest.raises(RequestRefused):
        await helper.ask("When?", cache=cache, **asked)
    with pytest.raises(RequestRefused):
        helper.stream("When?", cache=cache, **asked)
    reply = await helper.reply("When?", fallback="x", cache=cache, **asked)

    assert (reply.text, type(reply.cause)) == ("x", RequestRefused)
    (budget,) = helper.stats()["budgets"].values()
    assert (budget["tokens"], server.requests) == (0, [])
    assert (await helper.ask("When?")).text


async def test_a_mistake_of_the_program_is_no_fallback_and_costs_nothing(
    server: OpenAIServer, helpers: Helpers
) -> None:
    """What the SDK cannot even make a request of: nothing was sent, so nothing is counted."""
    helper = helpers(daily_tokens=50_000)
    for _ in range(3):
        with pytest.raises(TypeError):
            await helper.reply("When?", fallback="x", params={"extra_headers": 7})

    (budget,) = helper.stats()["budgets"].values()
    assert (budget["tokens"], server.requests) == (0, [])
    assert (await helper.ask("When?")).text


async def test_closing_ends_what_is_under_way(server: OpenAIServer, helper: GptHelper) -> None:
    server.answer(manner=Manner.HANGING)
    asked = [asyncio.create_task(helper.ask("When?")) for _ in range(3)]
    await server.arrived(1)
    await helper.aclose()
    await helper.aclose()

    assert [type(one) for one in await asyncio.gather(*asked, return_exceptions=True)] == [HelperClosed] * 3
    with pytest.raises(HelperClosed):
        await helper.ask("Where?")


@pytest.mark.parametrize("api", list(Api))
@pytest.mark.parametrize(
    "answer", [Answer.bad_request(), Answer.unauthorized(), Answer.quota(), Answer.html(), Answer.failing(), Answer()]
)
async def test_no_word_of_prompt_reply_or_key_is_in_logs_or_tracebacks(
    server: OpenAIServer, helpers: Helpers, caplog: pytest.LogCaptureFixture, answer: Answer, api: Api
) -> None:
    """The provider's own error repeats them: 400 the prompt, 401 part of the key."""
    helper = helpers(max_retries=1)
    server.answer(answer)
    said = ""
    with caplog.at_level(logging.DEBUG):
        try:
            said = (await helper.ask(SECRET, api=api)).text
        except GptError as error:
            shown = "".join(traceback.format_exception(error)) + repr(error) + f"{error.__context__}{error.__cause__}"
            assert not leaks(shown)
        await helper.reply(SECRET, fallback="x", api=api)
    texts = "\n".join(f"{record.getMessage()}{record.exc_text or ''}" for record in caplog.records)

    assert not leaks(texts)
    assert not said or said not in texts


def leaks(text: str) -> list[str]:
    """Words of the prompt or the key in it."""
    return [word for word in (*SECRET.split()[1:2], API_KEY, API_KEY[:8], API_KEY[-8:]) if word in text]


@pytest.mark.parametrize("manner", [Manner.CLOSED_MIDWAY, Manner.RESET_MIDWAY, Manner.HANGING_MIDWAY])
async def test_half_a_reply_counts_as_a_whole_one(server: OpenAIServer, helpers: Helpers, manner: Manner) -> None:
    """The provider charges what it sent; nobody here knows how much that was."""
    helper = helpers(daily_tokens=100_000, max_retries=0, timeout=0.5)
    server.answer(manner=manner)
    with pytest.raises(GptError):
        await helper.ask("When?", params={"max_completion_tokens": 50})

    (budget,) = helper.stats()["budgets"].values()
    assert budget["tokens"] >= 50


@pytest.mark.parametrize("answer", [Answer.failing(), Answer.rate_limited(), Answer.bad_request(), Answer.quota()])
async def test_a_refused_request_is_free(server: OpenAIServer, helpers: Helpers, answer: Answer) -> None:
    helper = helpers(daily_tokens=100_000, max_retries=0)
    server.answer(answer)
    with pytest.raises(GptError):
        await helper.ask("When?")

    (budget,) = helper.stats()["budgets"].values()
    assert budget["tokens"] == 0


@pytest.mark.parametrize(
    ("question", "least"),
    [
        ({"params": {"n": 8, "max_completion_tokens": 100}}, 800),
        ({"params": {"n": 5}}, 20_000),
        ({"params": {"max_tokens": -1}}, 4_000),
        ({"params": {"max_tokens": 0}}, 4_000),
        (
            {"prompt": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b"}}]}]},
            25_000,
        ),
        ({"api": Api.RESPONSES, "params": {"previous_response_id": "r", "max_output_tokens": 9}}, 25_000),
    ],
)
async def test_what_a_request_may_take_is_never_less_than_it_takes(
    server: OpenAIServer, helpers: Helpers, question: dict[str, object], least: int
) -> None:
    helper = helpers(daily_tokens=10**9, timeout=0.3, model="a model without a price")
    server.answer(manner=Manner.HANGING)
    with pytest.raises(ReplyTimeout):
        await helper.ask(**{"prompt": "When?", **question})  # type: ignore[arg-type]

    (budget,) = helper.stats()["budgets"].values()
    assert budget["tokens"] >= least


DATA = "data:image/jpeg;base64," + "QUJD" * 100_000
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": DATA}]}


@pytest.mark.parametrize(
    ("prompt", "api"),
    [
        *(
            ([{"role": "user", "content": [{"type": "text", "text": "What?"}, part]}], Api.CHAT)
            for part in (
                {"type": "image_url", "image_url": {"url": DATA}},
                {"type": "file", "file": {"file_data": DATA[23:], "filename": "a"}},
                {"type": "input_audio", "input_audio": {"data": DATA[23:], "format": "wav"}},
            )
        ),
        ([{"role": "user", "content": "What?"}, OUTPUT], Api.RESPONSES),
        ([{"role": "user", "content": "What?"}, {"type": "image_generation_call", "result": DATA[23:]}], Api.RESPONSES),
    ],
)
async def test_the_letters_of_an_image_are_no_tokens(
    server: OpenAIServer, helpers: Helpers, prompt: list[dict[str, Any]], api: Api
) -> None:
    """It is held to take 50,000 by the budget, and about what it takes by the limit of tokens a minute."""
    helper = helpers(daily_tokens=10**9, timeout=0.3, tokens_per_minute=60_000)
    await helper.ask("to load the SDK")
    server.answer(manner=Manner.HANGING)
    limit = "max_completion_tokens" if api is Api.CHAT else "max_output_tokens"
    with pytest.raises(ReplyTimeout):
        await helper.ask(prompt, api=api, params={limit: 100}, deadline=19)
    server.answer(text="yes")

    (budget,) = helper.stats()["budgets"].values()
    assert 50_000 < budget["tokens"] < 52_000
    assert (await helper.ask("Where?", deadline=15)).text == "yes"


async def test_long_text_in_a_part_that_is_no_text_still_counts(server: OpenAIServer, helpers: Helpers) -> None:
    """And text that only looks like a data URL."""
    helper = helpers(daily_tokens=10**9, timeout=0.3)
    await helper.ask("to load the SDK")
    server.answer(manner=Manner.HANGING)
    content = [{"type": "document", "content": "w" * 9_000}, {"type": "text", "text": "data:" + "w" * 9_000}]
    with pytest.raises(ReplyTimeout):
        await helper.ask([{"role": "user", "content": content}], params={"max_completion_tokens": 1})

    (budget,) = helper.stats()["budgets"].values()
    assert budget["tokens"] > 68_000


async def test_who_waits_at_the_gate_is_not_sent_into_an_open_circuit(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(min_request_interval=0.6, max_retries=0, daily_tokens=10**6)
    await helper.ask("to load the SDK")
    (budget,) = helper.stats()["budgets"].values()
    server.answer(Answer.quota(manner=Manner.HELD))
    asked = [asyncio.create_task(helper.ask(str(number))) for number in range(4)]
    await server.arrived(2)
    server.release()
    ends = await asyncio.gather(*asked, return_exceptions=True)

    assert [type(end) for end in ends] == [QuotaExhausted, *[CircuitOpen] * 3]
    (after,) = helper.stats()["budgets"].values()
    assert (len(server.requests), after["tokens"]) == (2, budget["tokens"])


async def test_a_probe_that_is_refused_says_that_the_provider_is_well(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(breaker_failures=2, breaker_rest=0.2, max_retries=0)
    server.script(Answer.failing(), Answer.failing(), Answer.bad_request())
    for number in range(2):
        with pytest.raises(ProviderFailed):
            await helper.ask(str(number))
    await asyncio.sleep(0.2)
    with pytest.raises(RequestRefused):
        await helper.ask("2")

    assert (await helper.ask("3")).text
    assert helper.stats()["circuit"] == "closed"


@pytest.mark.parametrize("tokens", [10**400, 10**9])
async def test_an_absurd_count_is_unknown(server: OpenAIServer, helpers: Helpers, tokens: int) -> None:
    """It neither raises nor closes the gate for a week."""
    helper = helpers(tokens_per_minute=60_000_000)
    server.script(Answer(tokens=Tokens(tokens, 1)))
    await helper.ask("When?")

    assert (await helper.ask("Where?", deadline=5)).text


@pytest.mark.parametrize("base_url", ["http://host:99999/v1", "http://[", "https://", "ftp://host", "host"])
async def test_an_address_that_is_none_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(GptSettingsError, match="base_url"):
        GptHelper(api_key="k", base_url=base_url)


async def test_a_password_in_the_address_goes_along_and_into_no_log(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As httpx has it, it stands in place of the key."""
    base_url = server.base_url.replace("://", "://fleet:p%40ss-word@")
    with caplog.at_level(logging.DEBUG):
        async with GptHelper(api_key=API_KEY, base_url=base_url, settings=GptSettings(model="m")) as helper:
            assert (await helper.ask("When?")).text
            shown = repr(helper)

    said = b64encode(b"fleet:p@ss-word").decode()
    assert server.requests[0].headers["authorization"] == f"Basic {said}"
    logged = shown + "\n".join(f"{record.getMessage()}{record.args}" for record in caplog.records)
    assert "HTTP Request: POST" in logged
    assert [word for word in ("ss-word", said, API_KEY) if word in logged] == []
