"""How replies come over the wire."""

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import openai
import pytest
from openai import OpenAI

from tests.openai_server import Answer, Hint, Manner, OpenAIServer, Wait, answer_to
from tests.openai_server.asking import ask, said
from tests.openai_server.conftest import MODEL
from utils.clock import utc_now

BROKEN = [Manner.CLOSED, Manner.CLOSED_MIDWAY, Manner.RESET, Manner.RESET_MIDWAY]
SILENT = [Manner.HANGING, Manner.HANGING_MIDWAY, Manner.HELD]


@pytest.mark.parametrize("manner", BROKEN)
def test_a_broken_connection_is_a_connection_error(server: OpenAIServer, client: OpenAI, manner: Manner) -> None:
    server.script(Answer(manner=manner))

    with pytest.raises(openai.APIConnectionError) as caught:
        ask(client)

    assert not isinstance(caught.value, openai.APITimeoutError)
    assert server.counts == {200 if "midway" in manner.value else 0: 1}
    assert said(client) == answer_to("hello there")


@pytest.mark.parametrize("manner", SILENT)
def test_silence_is_a_timeout(server: OpenAIServer, client: OpenAI, manner: Manner) -> None:
    server.script(Answer(manner=manner))

    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.1))

    assert said(client) == answer_to("hello there")
    assert server.abandoned == 1


def test_a_dripping_reply_outlives_every_read_timeout(server: OpenAIServer, client: OpenAI) -> None:
    """Each byte comes in time, the whole does not: only a limit on the whole call notices."""
    server.script(Answer.other_json('{"choices": []}', manner=Manner.DRIPPING, gap=0.02))
    began = time.monotonic()

    reply = ask(client.with_options(timeout=0.2))

    assert reply.choices == []
    assert time.monotonic() - began > 0.2


def test_a_held_reply_waits_for_the_test(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(manner=Manner.HELD))

    with ThreadPoolExecutor() as threads:
        asked = threads.submit(said, client)
        while not server.requests:
            time.sleep(0.001)
        assert not asked.done()
        server.release()

        assert asked.result(5) == answer_to("hello there")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("gzipped", [False, True])
def test_a_huge_reply_comes_whole_in_every_framing(
    server: OpenAIServer, client: OpenAI, chunked: bool, gzipped: bool
) -> None:
    server.script(Answer.huge(chunked=chunked, gzipped=gzipped))

    text = said(client)

    assert text is not None
    assert len(text) == 2 * 2**20
    assert said(client) == answer_to("hello there")


def test_latency_is_the_servers_and_delay_the_answers(server: OpenAIServer, client: OpenAI) -> None:
    server.latency = 30
    server.script(Answer(delay=0.0), Answer(delay=0.05))
    began = time.monotonic()

    ask(client)
    ask(client)

    assert 0.05 < time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("wait", "header", "value"),
    [
        (Wait(1.5), "retry-after", "1.5"),
        (Wait(20), "retry-after", "20"),
        (Wait(0.25, Hint.MILLISECONDS), "retry-after-ms", "250"),
    ],
)
def test_a_hint_is_a_header(server: OpenAIServer, client: OpenAI, wait: Wait, header: str, value: str) -> None:
    server.script(Answer.rate_limited(wait=wait, headers={"x-should-retry": "false"}))

    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)

    assert caught.value.response.headers[header] == value
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_hint_can_be_a_date(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer.rate_limited(wait=Wait(100, Hint.DATE)))
    asked = utc_now()

    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)

    seconds = (parsedate_to_datetime(caught.value.response.headers["retry-after"]) - asked).total_seconds()
    assert 100 <= seconds < 110


def test_the_sdk_tries_again_when_told(server: OpenAIServer, client: OpenAI) -> None:
    server.script(
        Answer.rate_limited(wait=Wait(0.01, Hint.MILLISECONDS)), Answer.failing(headers={"retry-after": "0.01"})
    )

    assert said(client.with_options(max_retries=2)) == answer_to("hello there")
    assert server.counts == {429: 1, 500: 1, 200: 1}


def test_closed_connections_are_opened_again(server: OpenAIServer, client: OpenAI) -> None:
    ask(client)
    server.close_connections()
    ask(client.with_options(max_retries=1))

    first, second = server.requests
    assert first.connection != second.connection
    assert server.connections == 1


def test_what_was_seen_can_be_forgotten(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer(), Answer(text="left over"))
    ask(client)

    server.forget()

    assert (server.requests, server.counts) == ([], {})
    assert said(client) == answer_to("hello there")


def test_chat_and_responses_break_alike(server: OpenAIServer, client: OpenAI) -> None:
    server.script(Answer.quota(), Answer(manner=Manner.CLOSED_MIDWAY))

    with pytest.raises(openai.RateLimitError):
        client.responses.create(model=MODEL, input="x")
    with pytest.raises(openai.APIConnectionError):
        client.responses.create(model=MODEL, input="x")
