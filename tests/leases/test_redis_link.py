"""The way to Redis: what does not answer is not waited for twice, and no text holds a password."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.valkey import Valkey
from utils.redis_link import RedisLink, RedisUnavailable


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


def test_after_a_time_out_nobody_else_waits_for_one(server: Valkey) -> None:
    link = RedisLink(server.plain_url)
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


def slow_resolver(monkeypatch: pytest.MonkeyPatch, *, ends: threading.Event) -> list[str]:
    """Names are looked up until the event is set, and are not known then; gives those that were asked for."""
    asked = []

    def look_up(host: str, *_more: object) -> object:
        asked.append(host)
        ends.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_that_takes_long_to_be_looked_up_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has no time limit of ours, and two hundred leases may have to be given back."""
    ends = threading.Event()
    asked = slow_resolver(monkeypatch, ends=ends)
    link = RedisLink("redis://redis.invalid/0?socket_timeout=0.05")

    began = time.monotonic()
    with pytest.raises(RedisUnavailable, match="no connection in time"):
        link.run("return 1")
    with pytest.raises(RedisUnavailable, match="did not answer just now"):
        link.run("return 1")
    link._asked_again_at = 0.0
    with pytest.raises(RedisUnavailable, match="still being made"):
        link.run("return 1")
    waited = time.monotonic() - began
    ends.set()

    assert len(asked) == 1
    assert waited < 5, "the resolver takes twenty"


def test_a_name_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    ends.set()
    slow_resolver(monkeypatch, ends=ends)

    with pytest.raises(RedisUnavailable, match="name resolution"):
        RedisLink("redis://redis.invalid/0?socket_timeout=10").run("return 1")


def test_a_connection_that_came_too_late_serves_the_next_one(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    known, ends = socket.getaddrinfo, threading.Event()

    def look_up(*address: Any, **more: Any) -> Any:
        ends.wait(20)
        return known(*address, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    link = RedisLink(server.plain_url)
    with pytest.raises(RedisUnavailable, match="no connection in time"):
        link.run("return 1")
    monkeypatch.setattr(socket, "getaddrinfo", None)  # nobody looks it up again
    ends.set()
    until = time.monotonic() + 20
    while not link._idle and time.monotonic() < until:
        time.sleep(0.005)
    link._asked_again_at = 0.0

    assert link.run("return ARGV[1]", args=["late"]) == "late"
    link.close()


def test_many_threads_have_a_connection_each_and_leave_them_for_others(server: Valkey) -> None:
    link = RedisLink(server.url)
    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda number: link.run("return ARGV[1]", args=[number]), range(200)))

    assert said == [str(number) for number in range(200)]
    assert 1 <= len(link._idle) <= 8
    link.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: Valkey) -> None:
    """Told of the fork or not: two processes on one socket would read each other's answers."""
    link = RedisLink(server.url)
    link.run("return 1")
    child = os.fork()
    if child == 0:
        try:
            said = [link.run("return ARGV[1]", args=[f"child {number}"]) for number in range(50)]
            os._exit(0 if said == [f"child {number}" for number in range(50)] else 1)
        finally:
            os._exit(2)
    said = [link.run("return ARGV[1]", args=[number]) for number in range(50)]
    _pid, status = os.waitpid(child, 0)

    assert (said, os.waitstatus_to_exitcode(status)) == ([str(number) for number in range(50)], 0)
    link.close()


def test_a_far_server_is_waited_for_as_its_address_says(server: Valkey) -> None:
    link = RedisLink(f"{server.plain_url}?socket_timeout=9.5")
    is_frozen = threading.Event()

    def freeze() -> None:
        with server.frozen():
            is_frozen.set()
            time.sleep(0.6)

    frozen = threading.Thread(target=freeze)
    frozen.start()
    is_frozen.wait()

    assert link.run("return 'late'") == "late"
    frozen.join()
    link.close()


@pytest.mark.parametrize("option", ["socket_timeout=0", "socket_timeout=11", "socket_timeout=soon", "sockettimeout=1"])
def test_an_option_that_cannot_be_is_refused_with_the_address(option: str) -> None:
    with pytest.raises(ValueError, match=r"socket_?timeout"):
        RedisLink(f"redis://127.0.0.1:1/0?{option}")
