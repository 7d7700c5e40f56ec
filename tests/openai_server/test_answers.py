"""What the real SDK makes of each scripted answer."""

import json

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionContentPartTextParam

from tests.openai_server import Answer, OpenAIServer, Text, Tokens, ToolCall, answer_to
from tests.openai_server.asking import ask, said
from tests.openai_server.conftest import KEY, MODEL

ERRORS = [
    (Answer.quota(), openai.RateLimitError, "insufficient_quota"),
    (Answer.rate_limited(), openai.RateLimitError, "rate_limit_exceeded"),
    (Answer.bad_request(), openai.BadRequestError, "invalid_value"),
    (Answer.unauthorized(), openai.AuthenticationError, "invalid_api_key"),
    (Answer.forbidden(), openai.PermissionDeniedError, "unsupported_country_region_territory"),
    (Answer.model_not_found(), openai.NotFoundError, "model_not_found"),
    (Answer.timed_out(), openai.APIStatusError, "request_timeout"),
    (Answer.conflict(), openai.ConflictError, "conflict"),
    (Answer.unprocessable(), openai.UnprocessableEntityError, "unprocessable_entity"),
    (Answer.failing(), openai.InternalServerError, None),
    (Answer.failing(502), openai.InternalServerError, None),
    (Answer.overloaded(), openai.InternalServerError, "engine_overloaded"),
]


def test_a_chat_is_answered_by_default(server: OpenAIServer, client: OpenAI) -> None:
    """Another text for each prompt, and usage by words."""
    reply = ask(client, "what is it")

    assert reply.choices[0].message.content == answer_to("what is it") != answer_to("what was it")
    assert (reply.model, reply.choices[0].finish_reason) == (MODEL, "stop")
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (3, 3, 6)
    assert server.counts == {200: 1}


def test_a_response_is_answered_by_default(client: OpenAI) -> None:
    reply = client.responses.create(model=MODEL, input="what is it", instructions="be brief")

    assert (reply.output_text, reply.status) == (answer_to("what is it"), "completed")
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (5, 3)


def test_a_request_is_recorded_as_it_came(server: OpenAIServer, client: OpenAI) -> None:
    for prompt in ("one", "two"):
        ask(client, prompt)

    first, second = server.requests
    assert (first.method, first.path, first.key, first.prompt) == ("POST", "/v1/chat/completions", KEY, "one")
    assert first.body == {"model": MODEL, "messages": [{"role": "user", "content": "one"}]}
    assert first.headers["content-type"] == "application/json"
    assert first.at < second.at
    assert first.connection == second.connection


def test_scripted_answers_come_in_order_then_the_default(server: OpenAIServer, client: OpenAI) -> None:
    server.answer(text="always")
    server.script(Answer(text="first"), Answer(text="second", model="other"))

    replies = [ask(client) for _turn in range(3)]

    assert [reply.choices[0].message.content for reply in replies] == ["first", "second", "always"]
    assert [reply.model for reply in replies] == [MODEL, "other", MODEL]


@pytest.mark.parametrize(("answer", "error", "code"), ERRORS)
def test_an_error_is_the_sdks(
    server: OpenAIServer, client: OpenAI, answer: Answer, error: type[openai.APIStatusError], code: str | None
) -> None:
    server.script(answer)

    with pytest.raises(error) as caught:
        ask(client)

    assert (caught.value.status_code, caught.value.code) == (answer.status, code)
    assert caught.value.request_id is not None
    assert server.counts == {answer.status: 1}
    assert server.replied == [(server.requests[0], answer.status)]
    assert server.rate_limited == (code == "rate_limit_exceeded")


def test_a_400_repeats_the_prompt(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer.bad_request())

    with pytest.raises(openai.BadRequestError, match="tell nobody"):
        ask(client, "tell nobody")


def test_a_401_repeats_part_of_the_key(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer.unauthorized())

    with pytest.raises(openai.AuthenticationError, match=r"sk-loopb\*+wxyz") as caught:
        ask(client)

    assert KEY not in str(caught.value)


def test_a_404_names_the_model(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer.model_not_found())

    with pytest.raises(openai.NotFoundError, match="`gpt-9`"):
        ask(client, model="gpt-9")


def test_what_openai_refuses_is_refused_unscripted(server: OpenAIServer, client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.embeddings.create(model=MODEL, input="x")
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.post("/chat/completions", body={"model": MODEL}, cast_to=object)
    with pytest.raises(openai.AuthenticationError, match="didn't provide an API key"):
        client.post("/chat/completions", body={}, cast_to=object, options={"headers": {"Authorization": ""}})
    assert server.counts == {404: 1, 400: 1, 401: 1}


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_reply_that_did_not_end_by_itself_says_why(server: OpenAIServer, client: OpenAI, reason: str) -> None:
    server.answer(text="cut sh", finish_reason=reason)

    chat = ask(client)
    response = client.responses.create(model=MODEL, input="x")

    assert chat.choices[0].finish_reason == reason
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == {"length": "max_output_tokens"}.get(reason, reason)


def test_tool_calls_stand_in_both_apis(server: OpenAIServer, client: OpenAI) -> None:
    call = ToolCall("weather", json.dumps({"town": "Ankara"}))
    server.answer(text=Text.NULL, finish_reason="tool_calls", tool_calls=(call,))

    message = ask(client).choices[0].message
    (item,) = client.responses.create(model=MODEL, input="x").output

    assert message.content is None
    assert message.tool_calls is not None
    assert [one.function for one in message.tool_calls if one.type == "function"] == [
        openai.types.chat.chat_completion_message_tool_call.Function(name=call.name, arguments=call.arguments)
    ]
    assert item.type == "function_call"
    assert (item.name, item.arguments) == call


@pytest.mark.parametrize(
    ("text", "content"), [("", ""), (Text.NULL, None), ("  ", "  "), ("çok güzel ✓", "çok güzel ✓")]
)
def test_a_text_comes_as_it_is(server: OpenAIServer, client: OpenAI, text: str | Text, content: str | None) -> None:
    server.script(Answer(text=text))

    assert said(client) == content


def test_usage_can_be_scripted(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(tokens=Tokens(1_000, 20, cached=900)))

    usage = ask(client).usage

    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens) == (1000, 20, 900)


def test_a_page_instead_of_json_is_a_json_error_in_the_sdk(server: OpenAIServer, client: OpenAI) -> None:
    """A ValueError outside the SDK's own errors, when the page says that it is JSON."""
    server.script(Answer.other_json("<html>"), Answer.html())

    with pytest.raises(json.JSONDecodeError):
        ask(client)
    assert isinstance(ask(client), str)


@pytest.mark.parametrize("body", ["{}", '{"choices": []}', "[]", "null", '"text"'])
def test_json_of_another_form_is_no_error_in_the_sdk(server: OpenAIServer, client: OpenAI, body: str) -> None:
    """So whoever reads the reply has to look."""
    server.script(Answer.other_json(body))

    reply = ask(client)

    assert not getattr(reply, "choices", None)


def test_the_last_message_is_answered_and_all_are_counted(server: OpenAIServer, client: OpenAI) -> None:
    """Its content may be a text or a list of parts."""
    parts: list[ChatCompletionContentPartTextParam] = [
        {"type": "text", "text": "what "},
        {"type": "text", "text": "now"},
    ]
    reply = client.chat.completions.create(
        model=MODEL, messages=[{"role": "system", "content": "be very brief"}, {"role": "user", "content": parts}]
    )

    assert reply.choices[0].message.content == answer_to("what now")
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 5
    assert server.requests[0].prompt == "what now"
