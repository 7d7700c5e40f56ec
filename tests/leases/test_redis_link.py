"""The way to Redis: what does not answer is not waited for twice, and no text holds a password."""

from collections.abc import Iterator
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
