"""What asking gives: from the model, from the cache, with others, or a fallback."""

import asyncio
import logging

import pytest

from gpt.errors import (
    AuthenticationFailed,
    BadReply,
    BudgetExceeded,
    CircuitOpen,
    EmptyReply,
    GptSettingsError,
    HelperClosed,
    RequestRefused,
)
from gpt.openai_utils import Api, GptHelper, GptSettings, Priority, Source
from tests.gpt.conftest import Helpers
from tests.gpt.waiting import until
from tests.openai_server import Answer, Manner, OpenAIServer, Text, Tokens, ToolCall, answer_to

pytestmark = pytest.mark.asyncio


async def test_a_reply_says_all_of_its_call(server: OpenAIServer, helper: GptHelper) -> None:
    server.script(Answer(text="At nine.", tokens=Tokens(1000, 200, cached=400), model="gpt-4o-mini-2024-07-18"))
    reply = await helper.ask("When?", system="Be short.", temperature=0.2)

    (request,) = server.requests
    assert request.body["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "When?"},
    ]
    assert (request.body["model"], request.body["temperature"]) == ("gpt-4o-mini", 0.2)
    assert (reply.text, reply.source, reply.finish_reason) == ("At nine.", "model", "stop")
    assert (reply.model, reply.usage) == ("gpt-4o-mini-2024-07-18", (1000, 200, 400))
    assert reply.cost == pytest.approx((600 * 0.15 + 400 * 0.075 + 200 * 0.60) / 1e6)


async def test_the_same_question_is_answered_from_the_cache(
    server: OpenAIServer, helper: GptHelper, caplog: pytest.LogCaptureFixture
) -> None:
    first = await helper.ask("When?")
    with caplog.at_level(logging.INFO, "gavatcore.openai"):
        second = await helper.ask("When?")

    assert (second.text, second.source, len(server.requests)) == (first.text, Source.CACHE, 1)
    assert caplog.messages == ["answered from cache"]


async def test_a_thousand_who_ask_the_same_make_one_call(server: OpenAIServer, helper: GptHelper) -> None:
    replies = await asyncio.gather(*(helper.ask("When?") for _ in range(1000)))

    assert len(server.requests) == 1
    assert [reply.source for reply in replies].count(Source.JOINED) == 999
    stats = helper.stats()
    assert (stats["misses"], stats["joins"], stats["hits"], stats["calls_saved"]) == (1, 999, 0, 999)
    assert stats["money_saved"] == pytest.approx(999 * (replies[0].cost or 0))


@pytest.mark.parametrize("leaving", [[0], [5], list(range(9))])
async def test_who_leaves_harms_nobody(server: OpenAIServer, helper: GptHelper, leaving: list[int]) -> None:
    server.script(Answer(text="yes", manner=Manner.HELD))
    tasks = [asyncio.create_task(helper.ask("When?")) for _ in range(10)]
    await server.arrived(1)
    for number in leaving:
        tasks[number].cancel()
    await asyncio.sleep(0.01)
    server.release()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [reply.text for reply in outcomes if not isinstance(reply, BaseException)] == ["yes"] * (10 - len(leaving))
    assert len(server.requests) == 1


async def test_when_all_leave_the_reply_is_kept_all_the_same(server: OpenAIServer, helper: GptHelper) -> None:
    server.script(Answer(text="yes", manner=Manner.HELD))
    tasks = [asyncio.create_task(helper.ask("When?")) for _ in range(3)]
    await server.arrived(1)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0.01)
    server.release()
    await until(lambda: helper.stats()["entries"] == 1)

    assert (await helper.ask("When?")).source == Source.CACHE


async def test_a_failure_is_shared_once_and_not_remembered(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(max_retries=0)
    server.script(Answer.html())
    outcomes = await asyncio.gather(*(helper.ask("When?") for _ in range(5)), return_exceptions=True)

    assert [type(one) for one in outcomes] == [BadReply] * 5
    assert len({id(one) for one in outcomes}) == 5, "each has an error of its own"
    assert len(server.requests) == 1
    assert (await helper.ask("When?")).source == Source.MODEL


@pytest.mark.parametrize(
    "answer",
    [
        Answer(text="half a sen", finish_reason="length"),
        Answer(text="I must not", finish_reason="content_filter"),
        Answer(text="", tool_calls=(ToolCall("now"),), finish_reason="tool_calls"),
    ],
)
async def test_only_what_is_complete_is_kept(server: OpenAIServer, helper: GptHelper, answer: Answer) -> None:
    server.answer(answer)
    await helper.ask("When?")
    await helper.ask("When?")

    assert (len(server.requests), helper.stats()["entries"]) == (2, 0)


@pytest.mark.parametrize("text", ["", "  \n", Text.NULL])
async def test_nothing_said_is_an_error(server: OpenAIServer, helper: GptHelper, text: str | Text) -> None:
    server.answer(text=text)

    with pytest.raises(EmptyReply):
        await helper.ask("When?")


@pytest.mark.parametrize(
    "options",
    [
        {"namespace": "shop"},
        {"variant": 1},
        {"model": "gpt-4o"},
        {"system": "Be kind."},
        {"temperature": 0.1},
        {"temperature": None},
        {"params": {"tools": [{"type": "function", "function": {"name": "now"}}]}},
        {"params": {"response_format": {"type": "json_object"}}},
        {"api": Api.RESPONSES},
    ],
)
async def test_whatever_differs_is_asked_anew(
    server: OpenAIServer, helper: GptHelper, options: dict[str, object]
) -> None:
    await helper.ask("When?")
    await helper.ask("When?", **options)  # type: ignore[arg-type]

    assert len(server.requests) == 2


async def test_who_asks_and_how_urgently_is_no_part_of_the_question(server: OpenAIServer, helper: GptHelper) -> None:
    await helper.ask("When?", bot="alice", deadline=9)
    await helper.ask("When?", bot="bob", tags=["faq"])

    assert len(server.requests) == 1


async def test_what_is_not_to_be_kept_is_neither_kept_nor_joined(server: OpenAIServer, helper: GptHelper) -> None:
    await asyncio.gather(*(helper.ask("When?", cache=False) for _ in range(3)))

    stats = helper.stats()
    assert (len(server.requests), stats["entries"], stats["misses"]) == (3, 0, 0)


async def test_tools_and_json_mode_pass_through(server: OpenAIServer, helper: GptHelper) -> None:
    tool = {"type": "function", "function": {"name": "price", "parameters": {"type": "object"}}}
    server.script(
        Answer(text=Text.NULL, tool_calls=(ToolCall("price", '{"of": "tea"}'),), finish_reason="tool_calls"),
        Answer(text='{"price": 3}'),
    )
    called = await helper.ask("How much is tea?", params={"tools": [tool]})
    told = await helper.ask("As JSON", params={"response_format": {"type": "json_object"}, "max_completion_tokens": 50})

    assert called.tool_calls[0]["function"] == {"name": "price", "arguments": '{"of": "tea"}'}
    assert server.requests[0].body["tools"] == [tool]
    assert server.requests[1].body["max_completion_tokens"] == 50
    assert told.json() == {"price": 3}


async def test_text_that_is_no_json_says_so(server: OpenAIServer, helper: GptHelper) -> None:
    server.answer(text="three")

    with pytest.raises(BadReply):
        (await helper.ask("How much?")).json()


async def test_messages_of_a_conversation_are_asked_as_they_are(server: OpenAIServer, helper: GptHelper) -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "?"},
    ]
    await helper.ask(talk)

    assert server.requests[0].body["messages"] == talk


async def test_the_responses_api_answers_too(server: OpenAIServer, helper: GptHelper) -> None:
    server.answer(text="At nine.", tokens=Tokens(10, 5))
    reply = await helper.ask("When?", system="Be short.", api=Api.RESPONSES)
    again = await helper.ask("When?", system="Be short.", api=Api.RESPONSES)

    (request,) = server.requests
    assert request.path.endswith("/responses")
    assert (request.body["input"], request.body["instructions"]) == ("When?", "Be short.")
    assert (reply.text, reply.finish_reason, reply.usage) == ("At nine.", "stop", (10, 5, 0))
    assert again.source == Source.CACHE


@pytest.mark.parametrize("temperature", [None, 0.8])
async def test_the_temperature_is_that_of_the_settings(
    server: OpenAIServer, helpers: Helpers, temperature: float | None
) -> None:
    await helpers(temperature=temperature).ask("When?")

    assert server.requests[0].body.get("temperature") == temperature


async def test_reply_always_has_something_to_say(
    server: OpenAIServer, helper: GptHelper, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer(Answer.quota())
    reply = await helper.reply("When?", system="Be short.", fallback="One moment, please.")

    assert (reply.text, reply.source) == ("One moment, please.", Source.FALLBACK)
    assert reply.cause is not None
    assert reply.cause.kind == "quota"
    assert helper.stats()["fallbacks"] == 1
    assert any("fallback given: the account's quota is used up" in line for line in caplog.messages)


async def test_a_fallback_may_differ_by_what_failed(server: OpenAIServer, helper: GptHelper) -> None:
    """While the circuit is open, what opened it counts too."""
    server.answer(Answer.quota())
    texts = {"quota": "Not today.", "empty": "Hm.", "": "Later."}
    replies = [await helper.reply(str(number), fallback=texts) for number in range(2)]
    other = await helper.reply("2", fallback={"circuit open": "Still not.", "quota": "Not today.", "": "Later."})
    last = await helper.reply("3", fallback={"timeout": "Slow today.", "": "Later."})

    assert [one.text for one in (*replies, other, last)] == ["Not today.", "Not today.", "Still not.", "Later."]
    assert type(replies[1].cause) is CircuitOpen


@pytest.mark.parametrize("fallback", [{}, {"budgte": "Ask tomorrow."}, {"": ""}])
async def test_a_fallback_that_leaves_something_unsaid_is_refused(helper: GptHelper, fallback: dict[str, str]) -> None:
    """At the first question, not at the first failure: Telegram refuses an empty message."""
    with pytest.raises(GptSettingsError, match="fallback"):
        await helper.reply("When?", fallback=fallback)


async def test_one_kind_of_failure_is_a_warning_once_a_minute(
    server: OpenAIServer, helpers: Helpers, caplog: pytest.LogCaptureFixture
) -> None:
    helper = helpers(max_retries=0, breaker_failures=100)
    server.answer(Answer.failing())
    with caplog.at_level(logging.INFO, "gavatcore.openai"):
        for number in range(3):
            await helper.reply(str(number), fallback="x", bot="alice")

    told = [record.levelname for record in caplog.records if record.message.startswith("fallback given to alice: ")]
    assert told == ["WARNING", "INFO", "INFO"]


async def test_a_fallback_is_not_kept(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(max_retries=0)
    server.script(Answer.failing())
    await helper.reply("When?", fallback="Later.")

    assert (await helper.reply("When?", fallback="Later.")).text == answer_to("When?")


async def test_an_old_reply_stands_in_where_that_is_allowed(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(cache_ttl=0.05, stale_for=60, max_retries=0)
    first = await helper.ask("When?")
    await asyncio.sleep(0.06)
    server.script(Answer.failing(), Answer.bad_request())
    stale = await helper.ask("When?")

    assert (stale.text, stale.source) == (first.text, Source.STALE)
    assert stale.cause is not None
    assert stale.cause.kind == "provider"
    assert (await helper.reply("When?", fallback="x")).source == Source.FALLBACK, "a 400 is never hidden"


@pytest.mark.parametrize(
    ("selector", "left"),
    [({}, 0), ({"namespace": "shop"}, 1), ({"tag": "faq"}, 1), ({"model": "gpt-4o-mini"}, 0), ({"tag": "x"}, 2)],
)
async def test_replies_can_be_taken_back(helper: GptHelper, selector: dict[str, str], left: int) -> None:
    await helper.ask("When?", namespace="shop", tags=["faq"])
    await helper.ask("Where?")

    assert helper.invalidate(**selector) == 2 - left
    assert helper.stats()["entries"] == left


async def test_one_reply_can_be_taken_back_by_its_key(helper: GptHelper) -> None:
    await helper.ask("When?", namespace="shop")
    await helper.ask("Where?", namespace="shop")
    key = helper.key_of("When?", namespace="shop")
    assert key is not None
    helper.invalidate(key=key)

    assert (await helper.ask("Where?", namespace="shop")).source == Source.CACHE
    assert (await helper.ask("When?", namespace="shop")).source == Source.MODEL


async def test_who_asks_after_a_taking_back_is_not_given_the_old_answer(
    server: OpenAIServer, helper: GptHelper
) -> None:
    """Also not by joining the flight that began before it."""
    server.script(Answer(text="old price", manner=Manner.HELD), Answer(text="new price"))
    before = asyncio.create_task(helper.ask("How much?"))
    await server.arrived(1)
    helper.invalidate()
    after = await helper.ask("How much?")
    server.release()

    assert (await before).text == "old price"
    assert (after.text, (await helper.ask("How much?")).text) == ("new price", "new price")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"namespce": "x"}, "did you mean namespace"),
        ({"max_tokens": 3}, "params"),
    ],
)
async def test_an_option_that_is_none_is_named(helper: GptHelper, options: dict[str, object], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        await helper.ask("When?", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"deadline": "5s"},
        {"deadline": 0},
        {"deadline": float("nan")},
        {"priority": "batch"},
        {"tags": [1]},
        {"params": [("seed", 7)]},
        {"cache": None},
        {"api": "completions"},
        {"model": 5},
        {"variant": "b"},
        {"bot": None},
        {"namespace": 7},
    ],
)
async def test_an_option_that_cannot_be_is_named(helper: GptHelper, options: dict[str, object]) -> None:
    with pytest.raises(GptSettingsError, match=next(iter(options))):
        await helper.ask("When?", **options)  # type: ignore[arg-type]
    assert (await helper.reply("When?", fallback="Later.", **options)).text == "Later."  # type: ignore[arg-type]


@pytest.mark.parametrize("prompt", ["", " \n", [], None, b"When?", {"role": "user"}, ["When?"], 7])
async def test_nothing_that_can_be_asked_is_not_sent(server: OpenAIServer, helper: GptHelper, prompt: object) -> None:
    """A sticker has no text; it would be paid for."""
    with pytest.raises(RequestRefused):
        await helper.ask(prompt)  # type: ignore[arg-type]
    assert server.requests == []


async def test_ids_and_single_words_are_taken_as_they_are_meant(server: OpenAIServer, helper: GptHelper) -> None:
    """Telegram's ids are numbers; a text of one tag is that tag, not its letters."""
    await helper.ask("When?", bot=123456789, tags="promo", api="chat")  # type: ignore[arg-type]

    assert (helper.invalidate(tag="p"), helper.invalidate(tag="promo")) == (0, 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["namespace", "model", "tag", "key"])
async def test_a_variable_that_is_none_does_not_drop_everything(helper: GptHelper, name: str) -> None:
    await helper.ask("When?")
    with pytest.raises(GptSettingsError, match=name):
        helper.invalidate(**{name: None})  # type: ignore[arg-type]

    assert (helper.stats()["entries"], helper.invalidate()) == (1, 1)


@pytest.mark.parametrize("name", ["model", "messages", "stream", "timeout"])
async def test_what_is_said_otherwise_is_no_parameter(helper: GptHelper, name: str) -> None:
    with pytest.raises(GptSettingsError, match=name):
        await helper.ask("When?", params={name: 1})


async def test_a_question_without_a_model_says_where_to_name_one(helpers: Helpers) -> None:
    with pytest.raises(GptSettingsError) as refused:
        await helpers(model="").ask("When?")

    assert "GptSettings(model=" in str(refused.value.hint)


async def test_a_repr_shows_no_text_and_no_key(helper: GptHelper) -> None:
    reply = await helper.ask("a secret question")

    assert "secret" not in f"{helper!r} {reply!r}"
    assert reply.text not in repr(reply)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"preset": "bold"}, "standard, conservative"),
        ({"timeout": 0}, "more than 0"),
        ({"max_retries": -1}, "0 or more"),
        ({"cache_ttl": float("nan")}, "0 or more"),
        ({"processes": 0}, "1 or more"),
        ({"cache_ttl": "5m"}, "number"),
        ({"daily_money": True}, "number"),
        ({"cache_ttl": None}, "number"),
        ({"model": None}, "a text"),
        ({"max_retries": 1.5}, "whole"),
        ({"requests_per_minute": 12.5}, "whole"),
        ({"alert_at": 80}, "at most 1"),
    ],
)
async def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(GptSettingsError) as refused:
        GptSettings(**wrong)  # type: ignore[arg-type]

    assert next(iter(wrong)) in str(refused.value)
    assert said in str(refused.value.hint)


async def test_a_whole_number_may_be_written_with_a_point(helpers: Helpers) -> None:
    """As a calculation or a JSON file gives it."""
    helper = helpers(requests_per_minute=60_000.0, max_entries=10.0, max_retries=1.0, daily_tokens=10.0**6)

    assert (await helper.ask("When?")).text
    assert type(helper.settings.requests_per_minute) is type(helper.settings.daily_tokens) is int


async def test_a_preset_decides_what_is_not_given() -> None:
    assert GptSettings().min_request_interval == 5.0
    assert GptSettings(preset="conservative").min_request_interval == 10.0
    assert GptSettings(preset="conservative", min_request_interval=7).min_request_interval == 7
    assert GptSettings(requests_per_minute=500).min_request_interval == 0, "the provider's own limit, where it is known"
    assert GptSettings(requests_per_minute=500, min_request_interval=5).min_request_interval == 5


async def test_what_changes_while_it_waits_is_asked_as_it_was(server: OpenAIServer, helpers: Helpers) -> None:
    """One message object, used again for the next person: each gets the answer to what was asked."""
    helper = helpers(min_request_interval=0.1)
    await helper.ask("to close the gate")
    message = {"role": "user", "content": "alice's question"}
    first = asyncio.create_task(helper.ask([message], params={"metadata": {"of": "alice"}}))
    await asyncio.sleep(0)
    message["content"] = "bob's question"
    second = await helper.ask([message])

    assert (await first).text == answer_to("alice's question")
    assert second.text == answer_to("bob's question")
    assert len(server.requests) == 3


async def test_a_person_does_not_wait_in_the_queue_of_a_batch(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(min_request_interval=0.2)
    await helper.ask("to close the gate")
    batch = [asyncio.create_task(helper.ask(str(number), priority=Priority.BATCH)) for number in range(6)]
    await asyncio.sleep(0.01)
    await helper.ask("5")
    asked = [request.body["messages"][-1]["content"] for request in server.requests]
    await asyncio.gather(*batch)

    assert asked.index("5") <= 2


async def test_a_batch_joins_a_person(server: OpenAIServer, helper: GptHelper) -> None:
    server.script(Answer(text="yes", manner=Manner.HELD))
    person = asyncio.create_task(helper.ask("When?"))
    await server.arrived(1)
    batch = asyncio.create_task(helper.ask("When?", priority=Priority.BATCH))
    await asyncio.sleep(0.01)
    server.release()

    assert ((await person).source, (await batch).source, len(server.requests)) == (Source.MODEL, Source.JOINED, 1)


async def test_nobody_gets_the_refusal_of_another_bots_budget(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(bot_daily_tokens=20, min_request_interval=0.2)
    server.answer(tokens=Tokens(10, 20))
    await helper.ask("spent", bot="alice", params={"max_completion_tokens": 20})
    alice, bob = await asyncio.gather(
        helper.ask("When?", bot="alice"), helper.ask("When?", bot="bob"), return_exceptions=True
    )

    assert isinstance(alice, BudgetExceeded)
    assert "alice" in str(alice)
    assert not isinstance(bob, BaseException), bob


async def test_closing_reaches_what_is_not_kept(server: OpenAIServer, helper: GptHelper) -> None:
    server.answer(manner=Manner.HANGING)
    asked = asyncio.create_task(helper.ask("When?", cache=False))
    await server.arrived(1)
    await helper.aclose()

    with pytest.raises(HelperClosed):
        await asked


async def test_who_leaves_what_is_not_kept_ends_it(server: OpenAIServer, helper: GptHelper) -> None:
    """Nobody else waits for it, and it fills no cache."""
    server.answer(manner=Manner.HANGING)
    asked = asyncio.create_task(helper.ask("When?", cache=False))
    await server.arrived(1)
    asked.cancel()

    await until(lambda: server.abandoned == 1)


async def test_a_refused_key_is_not_hidden_behind_old_replies(server: OpenAIServer, helpers: Helpers) -> None:
    helper = helpers(cache_ttl=0.05, stale_for=60)
    await helper.ask("When?")
    await asyncio.sleep(0.06)
    server.answer(Answer.unauthorized())
    for kind in (AuthenticationFailed, CircuitOpen):
        with pytest.raises(kind):
            await helper.ask("When?")


async def test_a_key_is_named_alone(helper: GptHelper) -> None:
    with pytest.raises(GptSettingsError, match="key"):
        helper.invalidate(key="k", namespace="shop")


async def test_a_batch_that_waits_is_content_with_the_reply_of_a_person(server: OpenAIServer, helpers: Helpers) -> None:
    """Once at the gate it does not ask again what is known by now."""
    helper = helpers(min_request_interval=1.0)
    await helper.ask("to load")
    batches = [asyncio.create_task(helper.ask(str(n), priority=Priority.BATCH, deadline=60)) for n in range(5)]
    await until(lambda: helper.stats()["waiting"] == 5)
    person = await helper.ask("4", deadline=20)

    assert (person.source, (await batches[4]).source) == (Source.MODEL, Source.CACHE)
    assert len(server.requests) < 5
    for batch in batches:
        batch.cancel()


async def test_what_others_take_back_splits_no_flight(server: OpenAIServer, helper: GptHelper) -> None:
    """Ten invalidations of something else made ten calls of one question."""
    server.script(Answer(text="yes", manner=Manner.HELD))
    tasks = [asyncio.create_task(helper.ask("When?", namespace="shop"))]
    await server.arrived(1)
    for _ in range(5):
        helper.invalidate(namespace="another", tag="prices")
        tasks.append(asyncio.create_task(helper.ask("When?", namespace="shop")))
        await asyncio.sleep(0)
    server.release()

    assert [(await task).text for task in tasks] == ["yes"] * 6
    assert len(server.requests) == 1


async def test_what_is_meant_is_joined_by_nobody_later(server: OpenAIServer, helper: GptHelper) -> None:
    server.script(Answer(text="old", manner=Manner.HELD), Answer(text="new"))
    first = asyncio.create_task(helper.ask("How much?", tags=["prices"]))
    await server.arrived(1)
    helper.invalidate(tag="prices")
    later = await helper.ask("How much?", tags=["prices"])
    server.release()

    assert ((await first).text, later.text) == ("old", "new")
