"""Leases in real time, with a Valkey that dies, starts again, or answers nothing, and the thread that renews."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.leases.world import FLEET, NAME
from tests.valkey import Valkey
from utils.leases import (
    LeaseHeld,
    LeaseLoss,
    LeaseLost,
    LeaseOwner,
    Leaser,
    LeaseUncertain,
    RedisLease,
    watch_lease,
)
from utils.redis_link import RedisLink, RedisUnavailable

TTL = timedelta(seconds=1.5)
"""Long enough that a busy machine does not hold a renewing thread up for so long."""

MakeLeaser = Callable[..., Leaser]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    """A server of the test's own, to be killed."""
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def leaser_on(server: Valkey) -> Iterator[MakeLeaser]:
    """Makes the leaser of a host; all that it holds is given back in the end."""
    made: list[tuple[Leaser, RedisLink]] = []

    def make(host: str, *, loss: LeaseLoss = LeaseLoss.WARN, url: str = server.url) -> Leaser:
        link = RedisLink(url)
        leaser = Leaser(link, ttl=TTL, loss=loss, fleet=FLEET, about=LeaseOwner(7, "bots", host, ""))
        made.append((leaser, link))
        return leaser

    yield make
    for leaser, link in made:
        for lease in leaser.held:
            lease.release()
        link.close()


def take(leaser: Leaser, *, place: str = "") -> RedisLease:
    """Wait for it in real time."""
    return leaser.acquire(NAME, place=place or str(id(leaser)), wait=threading.Event().wait)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what other threads bring about."""
    ends_at = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come about"
        time.sleep(0.01)


def passes(lease: RedisLease) -> bool:
    try:
        lease.check()
    except LeaseLost:
        return False
    return True


@pytest.mark.parametrize("keeps_data", [False, True])
def test_a_server_that_starts_again_grants_nothing_that_is_held(
    server: Valkey, leaser_on: MakeLeaser, keeps_data: bool
) -> None:
    """Without its data, or with those from before the lease went to another host."""
    alpha, beta = leaser_on("alpha"), leaser_on("beta")
    take(alpha).release()
    server.save()
    lease = take(beta)

    if keeps_data:
        server.restart()
    else:
        server.restart_empty()

    with pytest.raises(LeaseHeld, match="on beta"):
        take(alpha)
    lease.check()
    until(lambda: lease.renewed_ago < TTL)


def test_a_frozen_server_costs_an_asker_a_moment_and_the_owner_nothing(server: Valkey, leaser_on: MakeLeaser) -> None:
    """Unknown is not free; answers that come late are nobody's; afterwards all goes on as it was."""
    url = f"{server.plain_url}?socket_timeout=1"
    alpha, beta = leaser_on("alpha", url=url), leaser_on("beta", url=url)
    lease = take(alpha)
    assert not beta.looks_free(NAME, place="beta")

    with server.frozen():
        began = time.monotonic()
        with pytest.raises(RedisUnavailable):
            take(beta)
        assert time.monotonic() - began < 10
        until(lambda: lease.renewed_ago > 1.2 * TTL)

    with pytest.raises(LeaseHeld, match="on alpha"):
        take(beta)
    lease.check()
    until(lambda: lease.renewed_ago < TTL)


def test_giving_back_to_a_frozen_server_ends_soon_and_raises_nothing(server: Valkey, leaser_on: MakeLeaser) -> None:
    """And the leaser is through with it: its thread ends."""
    before = set(threading.enumerate())
    lease = take(leaser_on("alpha", url=f"{server.plain_url}?socket_timeout=1"))

    with server.frozen():
        began = time.monotonic()
        lease.release()
        assert time.monotonic() - began < 10

    until(lambda: "gavat-leases" not in {thread.name for thread in {*threading.enumerate()} - before})


def test_a_dead_server_is_no_free_lease(server: Valkey, leaser_on: MakeLeaser) -> None:
    """Nobody is granted anything, and nobody waits for long."""
    leaser = leaser_on("alpha")
    server.kill()
    began = time.monotonic()

    with pytest.raises(RedisUnavailable, match="refused"):
        take(leaser)
    with pytest.raises(RedisUnavailable):
        leaser.looks_free(NAME, place="alpha")

    assert time.monotonic() - began < 5, "refused at once; an answer may take ten"


def test_an_outage_is_said_once_and_so_is_its_end(
    server: Valkey, leaser_on: MakeLeaser, caplog: pytest.LogCaptureFixture
) -> None:
    """Under `warn`, for all leases together; they go on being held."""
    caplog.set_level(logging.INFO, logger="gavatcore.leases")
    leaser = leaser_on("alpha")
    lease = take(leaser)
    leaser.acquire("another", place="alpha", wait=threading.Event().wait)
    settling = caplog.messages
    caplog.clear()

    server.kill()
    until(lambda: len(caplog.records) > 0)
    until(lambda: lease.renewed_ago > 2 * TTL)
    lease.check()
    server.start()
    until(lambda: len(caplog.records) > 1)

    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert settling == ["Redis has lately started, or is new to this fleet: nobody gets a lease for 1 s"]
    assert [level for level, _text in said] == ["WARNING", "INFO"]
    assert said[0][1].startswith("2 leases not renewed for 2 s: their users keep running; another host may take them")
    assert "refused" in said[0][1]


def test_who_requires_its_lease_is_told_in_time_and_takes_it_again(server: Valkey, leaser_on: MakeLeaser) -> None:
    """The watch returns before the TTL has ended; with the server back the lease can be had again."""
    leaser = leaser_on("alpha", loss=LeaseLoss.REQUIRE)
    lease = take(leaser, place="alpha")
    server.save()
    server.kill()

    loss = asyncio.run(watch_lease(lease, sleep=asyncio.sleep))

    assert isinstance(loss, LeaseUncertain)
    assert lease.renewed_ago >= 0.75 * TTL
    lease.release()
    server.start()
    take(leaser, place="alpha").check()


def test_a_lost_lease_ends_the_watch(server: Valkey, leaser_on: MakeLeaser) -> None:
    """The next renewal tells that another has it."""
    lease = take(leaser_on("alpha"))
    server.ask("HSET", f"gavat:lease:{NAME}", "owner", "somebody", "generation", lease.generation + 1)

    loss = asyncio.run(watch_lease(lease, sleep=asyncio.sleep))

    assert not isinstance(loss, LeaseUncertain)
    assert not passes(lease)


def test_a_dead_owner_is_followed_in_real_time(leaser_on: MakeLeaser) -> None:
    """With real clocks, threads and waits: not before its TTL has ended, and then within two."""
    alpha, beta = leaser_on("alpha"), leaser_on("beta")
    lease = take(alpha)
    alpha.forget(lease)  # what its death would do: nobody renews any more
    died_at = time.monotonic()

    until(lambda: beta.looks_free(NAME, place="beta"))
    followed_after = timedelta(seconds=time.monotonic() - died_at)
    take(beta, place="beta")

    assert TTL * 0.6 < followed_after < 4 * TTL


def test_the_thread_that_renews_outlives_a_mistake(
    leaser_on: MakeLeaser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Dead, it would let all leases end, and under `warn` nobody here would notice."""
    leaser = leaser_on("alpha")
    lease = take(leaser)
    renew, tried = leaser.records.renew, threading.Event()

    def fail_once(*_arguments: object) -> object:
        monkeypatch.setattr(leaser.records, "renew", renew)
        tried.set()
        raise RuntimeError("a mistake")

    monkeypatch.setattr(leaser.records, "renew", fail_once)
    assert tried.wait(20)

    until(lambda: lease.renewed_ago < TTL / 3)
    until(lambda: any("could not be renewed; tried again" in record.getMessage() for record in caplog.records))
    lease.check()


@pytest.mark.parametrize(
    "fields",
    [
        ("ttl", "a while"),
        ("about", '{"pid": 1e999, "command": "", "host": "", "acquired_at": ""}'),
        ("about", "[" * 100_000),
        ("expires_at", "1e300"),
    ],
    ids=["ttl", "infinite pid", "nesting", "expiry"],
)
def test_what_another_program_writes_into_a_lease_is_told_and_asked_for_again(
    server: Valkey, leaser_on: MakeLeaser, fields: tuple[str, str]
) -> None:
    """It is no mistake of ours, for which a bot would be given up."""
    alpha, beta = leaser_on("alpha"), leaser_on("beta")
    take(alpha)

    server.ask("HSET", f"gavat:lease:{NAME}", *fields)

    with pytest.raises((RedisUnavailable, LeaseHeld)):
        beta.acquire(NAME, place="beta", wait=lambda _seconds: True)


def test_without_its_record_of_who_it_was_a_loss_is_still_a_loss(server: Valkey, leaser_on: MakeLeaser) -> None:
    lease = take(leaser_on("alpha"))

    server.ask("HDEL", f"gavat:lease:{NAME}", "about")
    server.ask("HSET", f"gavat:lease:{NAME}", "owner", "somebody", "generation", lease.generation + 1)

    until(lambda: not passes(lease))
