"""The way to Redis: what does not answer is not waited for twice, and no text holds a password."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.valkey import Valkey
from utils.redis_link import RedisLink, RedisUnavailable


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


def test_after_a_time_out_nobody_else_waits_for_one(server: Valkey) -> None:
    link = RedisLink(server.url)
    assert link.run("return ARGV[1]", args=["one"]) == "one"
    with server.frozen():
        with pytest.raises(RedisUnavailable, match=r"(?i)timeout"):
            link.run("return 1")
        with pytest.raises(RedisUnavailable, match="did not answer just now"):
            link.run("return 1")
    while True:
        try:
            assert link.run("return ARGV[1]", args=["again"]) == "again"
            break
        except RedisUnavailable as error:
            assert "just now" in str(error)  # noqa: PT017  # until its rest is over
    link.close()


def test_a_connection_that_the_server_closed_is_made_anew(server: Valkey) -> None:
    link = RedisLink(server.url)
    assert link.run("return 'one'") == "one"

    server.restart_empty()

    assert link.run("return 'one'") == "one"
    link.close()


def test_a_place_is_told_without_user_and_password() -> None:
    link = RedisLink("rediss://user:secret@127.0.0.1:1/3")

    assert link.place == "127.0.0.1:1/3"
    with pytest.raises(RedisUnavailable, match=r"^Redis at 127\.0\.0\.1:1/3: ") as refused:
        link.run("return 1")
    assert "secret" not in str(refused.value) + repr(refused.value)


def test_an_error_of_a_script_is_told(server: Valkey) -> None:
    link = RedisLink(server.url)

    with pytest.raises(RedisUnavailable, match="no such thing"):
        link.run("return redis.error_reply('no such thing')")
    link.close()


def test_a_name_that_takes_long_to_be_looked_up_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has no time limit of ours, and two hundred leases may have to be given back."""
    asked = []

    def look_up(host: str, *_more: object) -> object:
        asked.append(host)
        time.sleep(0.1)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    link = RedisLink("redis://redis.invalid/0", answer_within=timedelta(milliseconds=50))

    with pytest.raises(RedisUnavailable, match="name resolution"):
        link.run("return 1")
    tries = len(asked)
    with pytest.raises(RedisUnavailable, match="did not answer just now"):
        link.run("return 1")

    assert len(asked) == tries
