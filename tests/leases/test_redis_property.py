"""Whatever happens, and in whatever order: no two live hosts both believe that they hold the lease.

Real scripts on a real Valkey whose clock is moved with all others, and alone. What may happen: hosts take and give
back, die, are cut off; all stands still; the server's clock jumps; the server forgets everything, or remembers an older
state.

Two believers are possible in one case, and it is left out: under `warn` a host that is cut off for longer than its TTL
keeps running by decision, until it is renewed by a server that is settled. Under `require` nothing is left out. And one
schedule cannot be: a server that goes on three times for just so long that it answers the one who waits, and not what
the owner sent to it meanwhile, which lies in its sockets already.
"""

from __future__ import annotations

import contextlib
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.crash.proof import FULL
from tests.leases.world import NAME, TTL, Host, World, never_waits, world_around
from tests.valkey import Valkey
from utils.leases import LeaseHeld, LeaseLoss, LeaseUnsettled

HOSTS = {"alpha": LeaseLoss.WARN, "beta": LeaseLoss.REQUIRE, "gamma": LeaseLoss.WARN}
NAMES = st.sampled_from(list(HOSTS))
SPANS = st.sampled_from([0.01, 0.2, 0.34, 0.8, 1.01, 2.5])
JUMPS = st.sampled_from([-24.0, -2.0, 0.5, 2.0, 24.0])


class Leases(RuleBasedStateMachine):
    """Three hosts that want one lease."""

    server: ClassVar[Valkey]

    def __init__(self) -> None:
        super().__init__()
        self.ending = contextlib.ExitStack()
        self.world: World = self.ending.enter_context(world_around(self.server))
        self.hosts = {name: self.world.host(name, loss=loss) for name, loss in HOSTS.items()}
        self.snapshots = [self.world.remember()]
        self.granted = 0
        self.is_forgetful = False

    def teardown(self) -> None:
        self.ending.close()

    @rule(name=NAMES, is_patient=st.booleans())
    def acquire(self, name: str, is_patient: bool) -> None:
        host = self.hosts[name]
        if not host.is_connected or host.leaser.held:
            return
        try:
            lease = host.acquire(wait=self.wait_and_see if is_patient else never_waits)
        except (LeaseHeld, LeaseUnsettled):
            return
        assert lease.generation > self.granted or (self.is_forgetful and self.clock_ms() <= self.granted + 1000)
        self.granted = lease.generation
        self.is_forgetful = False

    @rule(name=NAMES, remembers=st.booleans())
    def hand_over(self, name: str, remembers: bool) -> None:
        for host in self.hosts.values():
            if host.is_connected and host.leases:
                if remembers:
                    self.snapshots.append(self.world.remember())
                host.release()
        self.acquire(name, is_patient=True)

    @rule(name=NAMES)
    def look(self, name: str) -> None:
        host = self.hosts[name]
        if host.is_connected and host.looks_free():
            self.acquire(name, is_patient=False)
            assert host.leaser.held, "what looks free is had at the first asking"

    @rule(name=NAMES)
    def die(self, name: str) -> None:
        self.world.kill(self.hosts[name])

    @rule(name=NAMES)
    def cut_off(self, name: str) -> None:
        self.hosts[name].is_connected = False

    @rule(name=NAMES)
    def give_up(self, name: str) -> None:
        """Its bot ends while the server is out of reach: nobody is told."""
        host = self.hosts[name]
        if not host.is_connected and host.leases:
            host.leases.pop(NAME).let_go()

    @rule()
    def reconnect(self) -> None:
        for host in self.hosts.values():
            host.is_connected = True

    @rule(span=SPANS)
    def pass_time(self, span: float) -> None:
        self.wait_and_see(span * TTL.total_seconds())

    @rule(span=SPANS)
    def stand_still(self, span: float) -> None:
        """What was sent to the server while it stood still before is done by now: each host tries every second."""
        for host in self.hosts.values():
            host.renew_if_due()
        self.world.stand_still(span * TTL.total_seconds())

    @rule(span=JUMPS)
    def jump(self, span: float) -> None:
        self.world.server.move_clock(span * TTL.total_seconds())

    @rule()
    def forget(self) -> None:
        self.world.forget()
        self.is_forgetful = True

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        self.world.restore(data.draw(st.sampled_from(self.snapshots), label="snapshot"))
        self.is_forgetful = True

    @invariant()
    def nobody_shares(self) -> None:
        believers = [host.name for host in self.hosts.values() if host.believes() and not self.is_out(host)]
        assert len(believers) <= 1, believers

    def wait_and_see(self, seconds: float) -> bool:
        """Nor does anybody share in the meantime."""
        self.world.pass_time(seconds)
        self.nobody_shares()
        return False

    def is_out(self, host: Host) -> bool:
        """Of the guarantee: it runs on without its lease, as it was told to."""
        return host.loss is LeaseLoss.WARN and host.is_overdue

    def clock_ms(self) -> int:
        return int(self.world.server.ask("TIME")[0]) * 1000


def test_no_two_live_hosts_believe_that_they_hold_the_same_lease(valkey: Valkey) -> None:
    """Generations grow too, unless the server forgot them and its clock is behind them."""
    Leases.server = valkey
    run_state_machine_as_test(
        Leases,
        settings=settings(
            max_examples=2000 if FULL else 250,
            stateful_step_count=30,
            derandomize=not FULL,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
