"""What the SDK raises, as ours; by real errors of the real SDK where it can be had."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator

import httpx2
import openai
import pytest

from gpt.errors import BadReply, GptError, HelperClosed, ProviderFailed, ReplyTimeout, RequestRefused
from gpt.model import Api
from gpt.wire import wire
from gpt.wire.sdk_errors import judge_error
from gpt.wire.wire import Request, Wire
from tests.gpt.waiting import until
from tests.openai_server import Answer, OpenAIServer
from utils.clock import utc_now

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (openai.APITimeoutError(REQUEST), ReplyTimeout),
        (openai.APIConnectionError(request=REQUEST), ProviderFailed),
        (openai.APIResponseValidationError(httpx2.Response(200, request=REQUEST), None), BadReply),
        (openai.APIError("secret", REQUEST, body={"code": "server_error"}), ProviderFailed),
        (openai.OpenAIError("secret"), RequestRefused),
        (json.JSONDecodeError("secret", "secret", 0), BadReply),
        (UnicodeEncodeError("utf-8", "secret", 0, 1, "secret"), RequestRefused),
        (httpx2.ReadError("secret"), ProviderFailed),
    ],
)
def test_each_error_has_a_meaning_and_none_of_its_words(error: Exception, kind: type[GptError]) -> None:
    judged = judge_error(error, now=utc_now())

    assert type(judged) is kind
    assert "secret" not in f"{judged}{judged.hint}"


def status_error(status: int, body: object) -> openai.APIStatusError:
    return openai.APIStatusError("secret", response=httpx2.Response(status, request=REQUEST), body=body)


@pytest.mark.parametrize(
    ("param", "hint"),
    [
        ("temperature", "see the parameter temperature; temperature=None leaves it out"),
        ("tools[0].name", "see the parameter tools[0].name"),
        ("the prompt itself", None),
        ("x" * 99, None),
        (None, None),
    ],
)
def test_a_refused_parameter_is_named_and_nothing_else(param: str | None, hint: str | None) -> None:
    """Names are single short words; whatever else stands there may be the prompt."""
    assert judge_error(status_error(400, {"param": param}), now=utc_now()).hint == hint


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where nobody answers to a connection: its queue is full (listen(2), backlog)."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for one in waiting:
            one.close()


@pytest.mark.asyncio
async def test_a_host_that_does_not_answer_at_all_is_a_failed_connection(
    monkeypatch: pytest.MonkeyPatch, deaf_port: int
) -> None:
    """Nothing was sent, so it may be tried again, and costs nothing."""
    monkeypatch.setattr(wire, "_CONNECT_WITHIN", 0.2)
    asking = Wire(api_key="k", base_url=f"http://127.0.0.1:{deaf_port}/v1")
    with pytest.raises(ProviderFailed) as failed:
        await asking.send(Request(api=Api.CHAT, body={"model": "m", "messages": []}), within=5)
    await asking.aclose()

    assert (failed.value.charged, "ConnectTimeout" in str(failed.value)) == (False, True)


@pytest.mark.asyncio
async def test_a_wire_that_is_closed_sends_nothing(server: OpenAIServer) -> None:
    asking = Wire(api_key="k", base_url=server.base_url)
    await asking.aclose()

    with pytest.raises(HelperClosed):
        await asking.ready()


@pytest.mark.asyncio
async def test_connections_end_also_where_the_first_asker_was_cancelled(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the SDK was loaded for it: its client is there, and somebody has to close it."""
    asking = Wire(api_key="k", base_url=server.base_url)
    connect, go_on = asking._connect, threading.Event()

    def slow(loop: asyncio.AbstractEventLoop) -> openai.AsyncOpenAI:
        go_on.wait(10)
        return connect(loop)

    monkeypatch.setattr(asking, "_connect", slow)
    first = asyncio.create_task(asking.ready())
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    await until(lambda: len(asking._clients) == 1)

    await asking.send(
        Request(api=Api.CHAT, body={"model": "m", "messages": [{"role": "user", "content": "?"}]}), within=9
    )
    assert server.connections == 1
    await asking.aclose()

    assert first.cancelled()
    await until(lambda: server.connections == 0)


def test_connections_end_with_their_event_loop(server: OpenAIServer) -> None:
    """Also where nobody closed the helper: a loop that is over could close nothing later."""
    asking = Wire(api_key="k", base_url=server.base_url)
    server.answer(Answer(text="yes"))
    asyncio.run(
        asking.send(
            Request(api=Api.CHAT, body={"model": "m", "messages": [{"role": "user", "content": "?"}]}), within=9
        )
    )

    asyncio.run(no_connection(server))


async def no_connection(server: OpenAIServer) -> None:
    await until(lambda: server.connections == 0)
