"""Streams, read by the real SDK."""

import httpx2
import openai
import pytest
from openai import OpenAI, Stream
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from tests.openai_server import Answer, Manner, OpenAIServer, Text, Tokens, ToolCall, answer_to
from tests.openai_server.conftest import MODEL

TEXT = "one two three four five six"


def chat(client: OpenAI, *, include_usage: bool = False) -> Stream[ChatCompletionChunk]:
    return client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "count"}],
        stream=True,
        stream_options={"include_usage": include_usage},
    )


def response(client: OpenAI) -> Stream[ResponseStreamEvent]:
    return client.responses.create(model=MODEL, input="count", stream=True)


def test_a_chat_comes_in_pieces(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(text=TEXT))

    chunks = list(chat(client))

    pieces = [chunk.choices[0].delta.content for chunk in chunks]
    assert pieces == ["", "one", " two", " three", " four", " five", " six", None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.usage for chunk in chunks} == {None}


def test_usage_comes_last_when_asked_for(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(tokens=Tokens(10, 20)))

    *_chunks, last = chat(client, include_usage=True)

    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 30


def test_tool_calls_come_in_a_stream(server: OpenAIServer, client: OpenAI) -> None:
    call = ToolCall("weather", '{"town": "Izmir"}')
    server.answer(text=Text.NULL, finish_reason="tool_calls", tool_calls=(call,))

    deltas = [one for chunk in chat(client) for one in chunk.choices[0].delta.tool_calls or ()]
    with client.responses.stream(model=MODEL, input="x") as stream:
        (item,) = stream.get_final_response().output

    assert [(one.function.name, one.function.arguments) for one in deltas if one.function] == [call]
    assert item.type == "function_call"
    assert (item.name, item.arguments) == call


def test_a_response_comes_in_numbered_events(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(text=TEXT))

    events = list(response(client))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == TEXT


def test_the_sdk_builds_both_streams_up(client: OpenAI) -> None:
    """Its own helpers check the order of events more strictly than a loop does."""
    with client.responses.stream(model=MODEL, input="count") as responses:
        final = responses.get_final_response()
    with client.chat.completions.stream(model=MODEL, messages=[{"role": "user", "content": "count"}]) as chunks:
        completion = chunks.get_final_completion()

    assert final.output_text == completion.choices[0].message.content == answer_to("count")


def test_a_stream_can_be_cut_short(server: OpenAIServer, client: OpenAI) -> None:
    server.answer(text=TEXT, finish_reason="length")

    *_events, last = response(client)

    assert last.type == "response.incomplete"
    assert list(chat(client))[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize("manner", [Manner.CLOSED_MIDWAY, Manner.RESET_MIDWAY])
def test_a_stream_breaks_midway(server: OpenAIServer, client: OpenAI, manner: Manner) -> None:
    server.answer(text=TEXT, manner=manner)

    for stream in (chat(client), response(client)):
        assert next(iter(stream)) is not None
        with pytest.raises(openai.APIConnectionError):
            list(stream)


def test_a_stream_hangs_midway(server: OpenAIServer, client: OpenAI) -> None:
    server.answer(text=TEXT, manner=Manner.HANGING_MIDWAY)
    patient = client.with_options(timeout=0.1)

    for stream in (chat(patient), response(patient)):
        assert next(iter(stream)) is not None
        with pytest.raises(openai.APITimeoutError):
            list(stream)


def test_a_stream_tells_of_an_error_midway(server: OpenAIServer, client: OpenAI) -> None:
    server.answer(text=TEXT, manner=Manner.ERROR_MIDWAY)

    chunks = chat(client)
    assert next(iter(chunks)) is not None
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(chunks)
    *_events, last = response(client)

    assert last.type == "error"


def test_a_stream_drips(server: OpenAIServer, client: OpenAI) -> None:
    """Event by event, each in time."""
    server.script(Answer(text=TEXT, manner=Manner.DRIPPING, gap=0.01))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chat(client)) == TEXT


def test_an_error_comes_instead_of_a_stream(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer.quota())

    with pytest.raises(openai.RateLimitError):
        chat(client)


def test_a_gzipped_stream_is_read(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(text=TEXT, gzipped=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chat(client)) == TEXT


def test_a_stream_of_chunks_says_when_it_is_done(client: OpenAI) -> None:
    """As the API promises; the SDK itself would not miss it."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": "count"}], "stream": True}

    text = client.post("/chat/completions", body=body, cast_to=httpx2.Response).text

    assert text.endswith("\n\ndata: [DONE]\n\n")
