"""Clients that share a Redis: two state folders with one install.key are two hosts."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from core.client import leasing
from core.client.client import GavatClient
from core.client.model import FailureKind, HealthState
from core.client.settings import ClientSettings, Surroundings
from core.session_files.backups.settings import BackupSettings
from core.state.settings import RedisSettings, StateSettings
from tests.client.town import Town
from tests.valkey import Valkey
from utils.leases import LeaseLoss

TTL = timedelta(seconds=3)
AT_MOST = 20


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


class Hosts:
    """Clients of alice's login on hosts of these names."""

    def __init__(self, town: Town, valkey: Valkey) -> None:
        self._town = town
        self.url = valkey.url
        self._made: list[GavatClient] = []

    def client(self, host: str, *, loss: LeaseLoss = LeaseLoss.WARN) -> GavatClient:
        """A client on a copy of her session there; not started."""
        folder = self._town.folder / host
        if not folder.exists():
            folder.mkdir(mode=0o700)
            shutil.copy(self._town.session, folder / "alice.session")
        settings = Surroundings(
            ClientSettings(api_id=1, api_hash="hash", backup_every=timedelta(0)),
            BackupSettings(),
            StateSettings(str(folder / "state")),
            RedisSettings(url=self.url, lease_ttl=TTL, lease_loss=loss),
        )
        client = GavatClient(folder / "alice", settings=settings, state=folder / "state")
        self._made.append(client)
        return client

    def share_key(self, source: str, target: str) -> None:
        """As the documentation says."""
        folder = self._town.folder / target / "state"
        folder.mkdir(mode=0o700, parents=True)
        shutil.copy(self._town.folder / source / "state" / "install.key", folder)
        shutil.copy(self._town.session, self._town.folder / target / "alice.session")

    async def stop_all(self) -> None:
        for client in self._made:
            await client.stop()


@pytest_asyncio.fixture
async def hosts(town: Town, valkey: Valkey) -> AsyncIterator[Hosts]:
    hosts = Hosts(town, valkey)
    yield hosts
    await hosts.stop_all()


async def both(hosts: Hosts, *, loss: LeaseLoss = LeaseLoss.WARN) -> tuple[GavatClient, GavatClient]:
    """One that runs, and one on another host that was refused."""
    first = hosts.client("first", loss=loss)
    assert await first.start(), first.failure
    hosts.share_key("first", "second")
    second = hosts.client("second", loss=loss)
    assert not await second.start()
    return first, second


@pytest.mark.asyncio
async def test_a_copy_on_another_host_is_refused_and_told_who_runs_it(hosts: Hosts, town: Town) -> None:
    first, second = await both(hosts)

    assert second.failure is not None
    assert (second.failure.kind, second.failure.code) == (FailureKind.HELD, "LEASE_HELD")
    assert "on " in second.failure.reason
    assert second.failure.retryable
    assert first.health.state is HealthState.ALIVE
    assert town.telegram.live() == 1


@pytest.mark.asyncio
async def test_it_takes_over_when_the_other_one_stops(hosts: Hosts) -> None:
    first, second = await both(hosts)
    waiting = asyncio.create_task(second.wait_until_free(timedelta(seconds=AT_MOST)))

    await first.stop()

    await waiting
    assert await second.start(), second.failure


@pytest.mark.asyncio
async def test_a_bot_stops_and_starts_again_at_once_though_redis_is_silent_meanwhile(
    hosts: Hosts, valkey: Valkey
) -> None:
    hosts.url = f"{valkey.plain_url}?socket_timeout=1"
    client = hosts.client("first")
    assert await client.start(), client.failure
    loop = asyncio.get_running_loop()
    with valkey.frozen():
        began = loop.time()
        await client.stop()
        assert loop.time() - began < AT_MOST
        assert not await client.start()
        assert client.failure is not None
        assert (client.failure.kind, client.failure.code) == (FailureKind.UNREACHABLE, "REDIS")

    await client.wait_until_free(timedelta(seconds=AT_MOST))
    assert await client.start(), client.failure


@pytest.mark.asyncio
async def test_without_redis_it_goes_on_or_disconnects_as_the_settings_say(
    hosts: Hosts, town: Town, valkey: Valkey
) -> None:
    goes_on = hosts.client("first", loss=LeaseLoss.WARN)
    assert await goes_on.start(), goes_on.failure
    valkey.kill()
    await asyncio.sleep(1.2 * TTL.total_seconds())
    assert goes_on.health.state is HealthState.ALIVE
    await goes_on.stop()
    valkey.start()

    insists = hosts.client("first", loss=LeaseLoss.REQUIRE)
    await insists.start()
    if insists.failure is not None:
        await insists.wait_until_free(timedelta(seconds=AT_MOST))
        assert await insists.start(), insists.failure
    valkey.kill()
    await asyncio.wait_for(insists.run_until_disconnected(), AT_MOST)

    assert (insists.health.state, insists.health.code) == (HealthState.STOPPED, "LEASE_UNCERTAIN")
    assert town.telegram.live() == 0


@pytest.mark.asyncio
async def test_a_host_with_another_key_is_refused_with_the_command_that_copies_it(hosts: Hosts, town: Town) -> None:
    first, stranger = hosts.client("first"), hosts.client("stranger")
    assert await first.start(), first.failure

    assert not await stranger.start()

    assert stranger.failure is not None
    assert (stranger.failure.kind, stranger.failure.code) == (FailureKind.CONFIGURATION, "INSTALL_KEY")
    keys = [town.folder / host / "state" / "install.key" for host in ("first", "stranger")]
    assert "scp -p " in stranger.failure.hint
    assert f":{keys[0]} {keys[1]}" in stranger.failure.hint
    assert not stranger.failure.retryable


@pytest.mark.asyncio
async def test_whoever_was_overtaken_disconnects(hosts: Hosts, valkey: Valkey) -> None:
    first, second = await both(hosts)
    (key,) = (name for name in valkey.ask("KEYS", "gavat:lease:*"))
    valkey.ask("DEL", key)  # as if it had been cut off for long, and Redis had given it to another

    assert await second.start(), second.failure

    await asyncio.wait_for(first.run_until_disconnected(), AT_MOST)
    assert first.health.code == "LEASE_LOST"
    assert second.health.state is HealthState.ALIVE


@pytest.mark.asyncio
async def test_starts_that_wait_for_a_lease_leave_the_loops_threads_to_others(hosts: Hosts) -> None:
    """A server that has just begun grants nothing for a TTL; handlers and the look-up of names go on meanwhile."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(2))
    starts = [asyncio.create_task(hosts.client(f"host{number}").start()) for number in range(4)]
    await asyncio.sleep(TTL.total_seconds() / 3)

    await asyncio.to_thread(os.getpid)

    assert not any(start.done() for start in starts)
    await hosts.stop_all()
    await asyncio.gather(*starts)


def test_a_forked_child_tells_of_its_own_leases() -> None:
    """It has none of its parent's threads: what is handed to one of those is never done."""
    leasing._messenger.submit(os.getpid).result(AT_MOST)

    child = os.fork()
    if not child:
        try:
            leasing._messenger.submit(os.getpid).result(5)
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
