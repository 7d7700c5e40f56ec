"""Hosts around one real Valkey, and a time that goes only when a test says so, for the server and all hosts alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta

from tests.valkey import Valkey
from utils.leases import FleetId, LeaseError, LeaseLoss, LeaseOwner, Leaser, RedisLease
from utils.leases.redis_scripts import FLEET_KEY
from utils.redis_link import RedisLink

TTL = timedelta(hours=1)
"""So long that no thread comes to renew by itself while a test runs."""
RENEWED_EVERY = TTL.total_seconds() / 3
NAME = "0f1e2d"
FLEET = FleetId(check="a1", where="alpha:/srv/install.key")


def never_waits(_seconds: float) -> bool:
    """For who takes a refusal at once."""
    return True


class Host:
    """A machine with its process; connected, it renews what it holds when its time has come."""

    def __init__(self, name: str, world: World, *, loss: LeaseLoss, fleet: FleetId) -> None:
        self.name = name
        self.place = f"{name}:1:77"
        self.loss = loss
        self.link = RedisLink(world.server.url)
        self.is_connected = True
        self.is_overdue = False
        """Cut off for longer than its TTL, and not yet renewed by a server that knows who holds what."""
        self.leases: dict[str, RedisLease] = {}
        self._world = world
        self._fleet = fleet
        self._renewed_at = world.now
        self.leaser = self._new_leaser()

    def acquire(self, name: str = NAME, *, wait: Callable[[float], bool] = never_waits) -> RedisLease:
        """Take the lease, or raise what the leaser raises."""
        is_idle = not self.leaser.held
        lease = self.leases[name] = self.leaser.acquire(name, place=self.place, wait=wait)
        self.is_overdue = False
        if is_idle:
            self._renewed_at = self._world.now  # its thread starts with the first
        return lease

    def looks_free(self, name: str = NAME) -> bool:
        return self.leaser.looks_free(name, place=self.place)

    def release(self, name: str = NAME) -> None:
        self.leases.pop(name).release()

    def believes(self, name: str = NAME) -> bool:
        """Whether it would go on using what the lease guards."""
        if name not in self.leases:
            return False
        with contextlib.suppress(LeaseError):
            self.leases[name].check()
            return True
        return False

    def renew_if_due(self) -> None:
        """What the thread of a leaser does, by the time of the test."""
        if self.is_connected and self._world.now - self._renewed_at >= RENEWED_EVERY:
            assert self.leaser.renew()
            self._renewed_at = self._world.now
            self.is_overdue = self.is_overdue and not self._world.is_settled

    def time_has_passed(self) -> None:
        """Note whether its leases ran out of time while it was cut off."""
        if not self.is_connected and any(lease.renewed_ago >= TTL for lease in self.leases.values()):
            self.is_overdue = True

    def die(self) -> Leaser:
        """Its process ends without a word; a new one stands ready, with nothing in hand. Gives the dead one."""
        dead, self.leaser = self.leaser, self._new_leaser()
        self.leases = {}
        return dead

    def _new_leaser(self) -> Leaser:
        about = LeaseOwner(7, "bots", self.name, "")
        world = self._world
        return Leaser(self.link, ttl=TTL, loss=self.loss, fleet=self._fleet, about=about, monotonic=lambda: world.now)


class World:
    """The server, the hosts, and the seconds since all began."""

    def __init__(self, server: Valkey) -> None:
        self.server = server
        self.now = 0.0
        self.hosts: list[Host] = []
        self._dead: list[Leaser] = []

    def host(self, name: str, *, loss: LeaseLoss = LeaseLoss.WARN, fleet: FleetId = FLEET) -> Host:
        """Another machine."""
        host = Host(name, self, loss=loss, fleet=fleet)
        self.hosts.append(host)
        return host

    @property
    def is_settled(self) -> bool:
        """Whether the server knows who holds what."""
        return bool(self.server.ask("HGET", FLEET_KEY, "settled") == "1")

    def settle(self) -> None:
        """Let the server have been up, and watched, for long."""
        self.host("settler").looks_free("anything")
        self.server.ask("HSET", FLEET_KEY, "settled", "1")

    def kill(self, host: Host) -> None:
        """The host's process dies; what it holds is not given back."""
        self._dead.append(host.die())

    def wait(self, seconds: float) -> bool:
        """Patience of one who acquires, while the others live on."""
        self.pass_time(seconds)
        return False

    def pass_time(self, seconds: float) -> None:
        """Time goes on for the server and for every host; who is connected renews in time."""
        while seconds > 0:
            step = min(seconds, RENEWED_EVERY / 2)
            self.stand_still(step)
            for host in self.hosts:
                host.renew_if_due()
            seconds -= step

    def stand_still(self, seconds: float) -> None:
        """Time goes on, and nobody gets an answer: the server is frozen, or all of the network."""
        self.now += seconds
        self.server.move_clock(seconds)
        for host in self.hosts:
            host.time_has_passed()

    def forget(self) -> None:
        """As a server that lost all it knew: FLUSHALL."""
        self.server.empty()

    def remember(self) -> dict[str, list[str]]:
        """What a snapshot keeps."""
        return {key: self.server.ask("HGETALL", key) for key in self.server.ask("KEYS", "*")}

    def restore(self, snapshot: dict[str, list[str]]) -> None:
        """As a server that has started from an older snapshot."""
        self.server.empty()
        for key, fields in snapshot.items():
            self.server.ask("HSET", key, *fields)
        if FLEET_KEY in snapshot:
            self.server.ask("HSET", FLEET_KEY, "run_id", "of-its-former-life")

    def end(self) -> None:
        """End all threads and connections."""
        for leaser in (*self._dead, *(host.leaser for host in self.hosts)):
            abandon(leaser)
        for host in self.hosts:
            host.link.close()


def abandon(leaser: Leaser) -> None:
    """Let the leaser of a dead process stop renewing, as its death would have made it."""
    for lease in list(leaser.held):
        lease.release()


@contextlib.contextmanager
def world_around(server: Valkey) -> Iterator[World]:
    """A settled world on an emptied server."""
    server.empty()
    world = World(server)
    try:
        world.settle()
        yield world
    finally:
        world.end()
