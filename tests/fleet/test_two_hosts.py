"""Two hosts with copies of the same sessions, and one Valkey: at every moment one of them runs a login, at most."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.commands import exit_codes
from tests.fleet.village import WAIT_SECONDS, House, Village, until
from tests.telegram import TelegramThread
from tests.valkey import Valkey

SIZE = 8
TTL = 5.0
ALIVE, WAITING = Counter(alive=SIZE), Counter(waiting=SIZE)


class Hosts:
    """Host `one`, which runs all, and host `two`, which waits."""

    def __init__(self, village: Village, valkey: Valkey, one: House, two: House) -> None:
        self.village = village
        self.valkey = valkey
        self.one = one
        self.two = two

    def nothing_changes_for(self, seconds: float) -> None:
        """All goes on as it is, as long as that; and what is written is heard."""
        ends_at = time.monotonic() + seconds
        number = 0
        while time.monotonic() < ends_at:
            number += 1
            until(self.village.write_to(self.village.bots, f"message {ends_at} {number}"), "all hear")
            assert (self.one.states(), self.two.states()["alive"]) == (ALIVE, 0)
            assert self.village.burnt() == []


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """The server that the hosts share."""
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture
def village(server: TelegramThread, folder: Path) -> Village:
    """Their sessions; Telegram burns every key that it sees on two live connections."""
    return Village(server, folder, size=SIZE)


@contextmanager
def two_hosts(village: Village, valkey: Valkey, *, loss: str = "warn", url: str = "") -> Iterator[Hosts]:
    shared = {"GAVAT_REDIS_URL": url or valkey.url, "GAVAT_LEASE_TTL": f"{TTL}s", "GAVAT_LEASE_LOSS": loss}
    with ExitStack() as running:
        one = running.enter_context(village.running(host="one", sessions=village.copied_to("one"), **shared))
        until(lambda: one.states() == ALIVE, "the first host runs all")
        share_key(village)
        two = running.enter_context(village.running(host="two", sessions=village.copied_to("two"), **shared))
        refused = f"pid {one.process.pid} "
        until(lambda: [refused in bot.reason for bot in two.bots()] == [True] * SIZE, "the second host is refused")
        yield Hosts(village, valkey, one, two)
    assert village.burnt() == []


def share_key(village: Village) -> None:
    """As the documentation says: the second host gets the first one's install.key."""
    state = village.folder / "state-two"
    state.mkdir(mode=0o700)
    key = state / "install.key"
    key.write_bytes((village.folder / "state-one" / "install.key").read_bytes())
    key.chmod(0o600)


def test_a_copy_on_another_host_is_refused_by_name_and_takes_over_from_the_dead(
    village: Village, valkey: Valkey
) -> None:
    with two_hosts(village, valkey) as hosts:
        assert {bot.code for bot in hosts.two.bots()} == {"LEASE_HELD"}
        hosts.one.kill()
        died_at = time.monotonic()
        until(lambda: hosts.two.states() == ALIVE, "the second host takes over")
        assert time.monotonic() - died_at < 2 * TTL
        until(village.write_to(village.bots, "to the heir"), "it hears")


def test_a_host_that_stops_hands_over_at_once(village: Village, valkey: Valkey) -> None:
    with two_hosts(village, valkey) as hosts:
        assert hosts.one.stop() == 0
        stopped_at = time.monotonic()
        until(lambda: hosts.two.states() == ALIVE, "the second host takes over")
        assert time.monotonic() - stopped_at < TTL


def test_what_happens_to_valkey_changes_nothing(village: Village, valkey: Valkey) -> None:
    """A restart with an old snapshot, one without any, a flush, and standing still for longer than a lease."""
    with two_hosts(village, valkey, url=valkey.plain_url) as hosts:
        valkey.save()
        hosts.nothing_changes_for(TTL / 2)
        valkey.restart()
        hosts.nothing_changes_for(1.5 * TTL)
        valkey.restart_empty()
        hosts.nothing_changes_for(1.5 * TTL)
        valkey.empty()
        hosts.nothing_changes_for(1.5 * TTL)
        with valkey.frozen():
            hosts.nothing_changes_for(1.5 * TTL)
        hosts.nothing_changes_for(1.5 * TTL)


def test_without_valkey_a_fleet_that_requires_leases_disconnects_and_comes_back(
    village: Village, valkey: Valkey
) -> None:
    with two_hosts(village, valkey, loss="require") as hosts:
        valkey.kill()
        killed_at = time.monotonic()
        until(lambda: village.server.call(lambda telegram: telegram.live()) == 0, "all disconnect")
        assert time.monotonic() - killed_at < TTL
        until(lambda: hosts.one.states() == WAITING, "they wait")
        assert {bot.code for bot in hosts.one.bots()} <= {"LEASE_UNCERTAIN", "REDIS"}
        valkey.start()
        until(lambda: (hosts.one.states() + hosts.two.states())["alive"] == SIZE, "each runs again, somewhere")


def test_a_host_with_another_key_is_refused_with_the_command_that_copies_it(village: Village, valkey: Valkey) -> None:
    shared = {"GAVAT_REDIS_URL": valkey.url, "GAVAT_LEASE_TTL": f"{TTL}s"}
    with village.running(host="one", sessions=village.copied_to("one"), **shared) as one:
        until(lambda: one.states() == ALIVE, "the first host runs all")
        with village.running(host="two", sessions=village.copied_to("two"), **shared) as two:
            assert two.process.wait(WAIT_SECONDS) == exit_codes.USAGE
        keys = [str(village.folder / f"state-{host}" / "install.key") for host in ("one", "two")]
        (line,) = (
            line for line in village.log().splitlines() if "install.key of the fleet" in line or "scp -p" in line
        )
        assert f":{keys[0]} {keys[1]}" in line
    assert village.burnt() == []
