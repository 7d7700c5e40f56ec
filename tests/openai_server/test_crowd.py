"""Many at once, and the server as a process."""

import asyncio
import json
import re
import socket
from urllib.parse import urlsplit

import pytest
from openai import AsyncOpenAI

from tests.openai_server import Answer, Manner, OpenAIProcess, OpenAIServer, answer_to
from tests.openai_server.conftest import KEY, MODEL

CROWD = 1_000


async def ask_plainly(base_url: str, prompt: str) -> str:
    """One question on a connection of its own, without the SDK: a thousand of those would take it half a minute."""
    at = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": prompt}]}).encode()
    head = f"POST {at.path}/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}"
    writer.write(f"{head}\r\n\r\n".encode() + body)
    headers = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in headers.split("\r\n") if line.startswith("content-length"))
    reply = json.loads(await reader.readexactly(length))
    writer.close()
    return str(reply["choices"][0]["message"]["content"])


@pytest.mark.asyncio
async def test_a_thousand_connections_are_served_at_once(server: OpenAIServer) -> None:
    server.answer(manner=Manner.HELD)
    asked = [asyncio.create_task(ask_plainly(server.base_url, f"question {number}")) for number in range(CROWD)]
    await server.arrived(CROWD)

    open_connections = server.connections
    await asyncio.to_thread(server.release)
    texts = await asyncio.gather(*asked)

    assert open_connections == CROWD
    assert texts == [answer_to(f"question {number}") for number in range(CROWD)]


@pytest.mark.asyncio
async def test_the_sdk_asks_from_the_tests_own_loop(server: OpenAIServer) -> None:
    server.script(Answer(text="async"))

    async with AsyncOpenAI(api_key=KEY, base_url=server.base_url, max_retries=0) as client:
        reply = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])

    assert reply.choices[0].message.content == "async"


@pytest.mark.asyncio
async def test_waiting_for_requests_ends(server: OpenAIServer) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 requests"):
        await server.arrived(1, within=0.01)


def test_a_server_of_its_own_process_counts_what_it_serves() -> None:
    with OpenAIProcess("--limit", 2, "--text", "from afar") as server:

        async def ask_three_times() -> list[str]:
            async with AsyncOpenAI(api_key=KEY, base_url=server.base_url, max_retries=0) as client:
                calls = [
                    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
                    for _turn in range(3)
                ]
                replies = await asyncio.gather(*calls, return_exceptions=True)
            return [
                type(reply).__name__ if isinstance(reply, BaseException) else str(reply.choices[0].message.content)
                for reply in replies
            ]

        texts = asyncio.run(ask_three_times())
        first, second = server.counts(), server.counts()

    assert sorted(texts) == ["RateLimitError", "from afar", "from afar"]
    assert (first["requests"], first["rate_limited"], first["statuses"]) == (3, 1, {"200": 2, "429": 1})
    assert first["replied"] == [["x", 200], ["x", 200], ["x", 429]]
    assert second["requests"] == 0


def test_a_process_that_cannot_start_is_told_of() -> None:
    with pytest.raises(RuntimeError, match="ended with 2"), OpenAIProcess("--latency", "soon"):
        pass


def status_lines(server: OpenAIServer, request: bytes, count: int) -> list[bytes]:
    """The first lines of what comes back for raw bytes: so many, or fewer when the connection ends."""
    at = urlsplit(server.base_url)
    received = b""
    with socket.create_connection((at.hostname, at.port), timeout=5) as connection:
        connection.sendall(request)
        while received.count(b"HTTP/1.1") < count and (data := connection.recv(4096)):
            received += data
    return re.findall(rb"HTTP/1\.1 \d+", received)


def test_what_fails_in_the_server_is_raised_at_its_end() -> None:
    """To its client it is only a broken connection."""
    server = OpenAIServer()
    server.__enter__()
    assert status_lines(server, b"POST /v1/responses HTTP/1.1\r\ncontent-length: many\r\n\r\n", 1) == []

    with pytest.raises(ValueError, match="invalid literal"):
        server.__exit__(None, None, None)


def test_a_request_without_a_length_is_refused(server: OpenAIServer) -> None:
    request = b"POST /v1/responses HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"

    assert status_lines(server, request, 1) == [b"HTTP/1.1 400"]


def test_requests_sent_together_are_answered_in_turn(server: OpenAIServer) -> None:
    request = b"POST /nowhere HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"

    assert status_lines(server, request * 3, 3) == [b"HTTP/1.1 404"] * 3
