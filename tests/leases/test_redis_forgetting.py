"""What a server forgets, and what its clock does, gives nobody a lease that another still has."""

from __future__ import annotations

import pytest

from tests.leases.world import NAME, TTL, World, never_waits
from utils.leases import FleetId, LeaseHeld, LeaseLoss, LeaseLost, LeaseUnsettled
from utils.leases.redis_scripts import FLEET_KEY, LEASE_KEY

SECONDS = TTL.total_seconds()
DAY = 86_400.0


def test_an_emptied_server_grants_nothing_while_the_owner_lives(world: World) -> None:
    """Who waits is refused in the end; the owner has written its lease again, with its generation."""
    alpha, beta = world.host("alpha"), world.host("beta")
    lease = alpha.acquire()

    world.forget()
    assert not beta.looks_free()
    with pytest.raises(LeaseUnsettled):
        beta.acquire(wait=never_waits)
    with pytest.raises(LeaseHeld, match="on alpha"):
        beta.acquire(wait=world.wait)

    assert alpha.believes()
    assert world.server.ask("HGET", LEASE_KEY + NAME, "generation") == str(lease.generation)


def test_an_emptied_server_grants_what_nobody_restores_after_a_ttl(world: World) -> None:
    """The first to wait settles it for all; who comes then waits no more."""
    alpha, beta, gamma = world.host("alpha"), world.host("beta"), world.host("gamma")
    before = alpha.acquire().generation
    world.kill(alpha)

    world.forget()
    emptied_at = world.now
    after = beta.acquire(wait=world.wait).generation
    gamma.acquire("another", wait=never_waits)

    assert SECONDS <= world.now - emptied_at <= 1.1 * SECONDS
    assert after > before


def test_owners_settle_a_server_on_which_nobody_waits(world: World) -> None:
    """Their renewals watch it too: who comes two TTLs later finds it settled."""
    world.host("alpha").acquire()
    world.forget()

    world.pass_time(2 * SECONDS)

    world.host("beta").acquire("another", wait=never_waits).check()
    assert world.is_settled


def test_each_loss_of_memory_begins_anew(world: World) -> None:
    """Emptied again just before it was settled, the server is watched for another TTL."""
    beta = world.host("beta")
    world.forget()
    for _quarter in range(4):
        assert not beta.looks_free()
        world.pass_time(0.24 * SECONDS)

    world.forget()
    emptied_at = world.now
    beta.acquire(wait=world.wait)

    assert world.now - emptied_at >= SECONDS


def test_a_standstill_does_not_settle_a_server(world: World) -> None:
    """Live owners could not restore their leases in that time."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    world.forget()
    assert not beta.looks_free()

    world.stand_still(10 * SECONDS)

    with pytest.raises(LeaseHeld):
        beta.acquire(wait=world.wait)
    assert alpha.believes()


@pytest.mark.parametrize("jump", [DAY, 40 * 365 * DAY, -DAY])
def test_a_jump_of_the_clock_does_not_settle_a_server(world: World, jump: float) -> None:
    """A machine boots, its Valkey starts empty, and only then the network tells it the time."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    world.forget()
    assert not beta.looks_free()

    world.server.move_clock(jump)

    assert not beta.looks_free()
    with pytest.raises(LeaseHeld):
        beta.acquire(wait=world.wait)
    assert alpha.believes()


@pytest.mark.parametrize("jump", [SECONDS / 2, DAY, 40 * 365 * DAY, -DAY])
@pytest.mark.parametrize("loss", list(LeaseLoss))
def test_a_jump_of_the_clock_takes_nothing_from_a_live_owner(world: World, jump: float, loss: LeaseLoss) -> None:
    """By the server's clock the lease may be out of time at once; its record is seen to change."""
    alpha, beta = world.host("alpha", loss=loss), world.host("beta")
    alpha.acquire()
    assert not beta.looks_free()

    world.server.move_clock(jump)

    assert not beta.looks_free()
    with pytest.raises(LeaseHeld):
        beta.acquire(wait=world.wait)
    assert alpha.believes()


def test_a_jump_while_the_owner_is_cut_off_gives_no_two_where_the_lease_is_required(world: World) -> None:
    """The record is out of time at once, and nobody renews it: still the other waits longer than the owner goes on."""
    alpha, beta = world.host("alpha", loss=LeaseLoss.REQUIRE), world.host("beta")
    alpha.acquire()
    alpha.is_connected = False
    world.server.move_clock(DAY)

    def sees_alpha_run(seconds: float) -> bool:
        runs.append((world.now, alpha.believes()))
        return world.wait(seconds)

    runs: list[tuple[float, bool]] = []
    beta.acquire(wait=sees_alpha_run)

    assert runs[0][1]
    assert not alpha.believes()


def test_a_clock_set_back_neither_keeps_the_dead_nor_turns_generations_back(world: World) -> None:
    """By the server's clock the lease lasts another day; a TTL of watching is enough."""
    alpha, beta = world.host("alpha"), world.host("beta")
    before = alpha.acquire().generation
    world.server.move_clock(-DAY)
    world.kill(alpha)

    for _look in range(3):
        assert not beta.looks_free()
        world.pass_time(SECONDS / 3)

    assert beta.acquire(wait=never_waits).generation > before


def test_an_old_snapshot_gives_nothing_to_its_former_owner(world: World) -> None:
    """It says that alpha holds what beta holds now; alpha's machine does not get it either, though the place is its."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    snapshot = world.remember()
    alpha.release()
    lease = beta.acquire()

    world.restore(snapshot)
    assert not alpha.looks_free()
    with pytest.raises(LeaseHeld, match="on beta"):
        alpha.acquire(wait=world.wait)

    lease.check()
    assert world.server.ask("HGET", LEASE_KEY + NAME, "generation") == str(lease.generation)


def test_an_old_snapshot_frees_nothing_that_was_taken_since(world: World) -> None:
    """It says that the lease was given back."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    alpha.release()
    snapshot = world.remember()
    beta.acquire()

    world.restore(snapshot)
    with pytest.raises(LeaseHeld, match="on beta"):
        alpha.acquire(wait=world.wait)

    assert beta.believes()


def test_who_was_cut_off_does_not_restore_over_one_that_was_granted_since(world: World) -> None:
    """Its generation is the higher one, because the clock was set back: a settled server's word counts more."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    alpha.is_connected = False
    world.server.move_clock(-DAY)
    world.forget()
    beta.acquire(wait=world.wait)

    alpha.is_connected = True
    world.pass_time(SECONDS / 12)

    assert (alpha.believes(), beta.believes()) == (False, True)


def test_who_requires_its_lease_restores_none_that_it_was_no_longer_certain_of(world: World) -> None:
    """Another may have held it, and the server may have forgotten that too."""
    alpha = world.host("alpha", loss=LeaseLoss.REQUIRE)
    lease = alpha.acquire()
    alpha.is_connected = False
    world.pass_time(0.8 * SECONDS)
    world.forget()

    alpha.is_connected = True
    world.pass_time(SECONDS / 12)

    with pytest.raises(LeaseLost, match="no longer knows it"):
        lease.check()


def test_who_only_warns_restores_its_lease_after_any_outage(world: World) -> None:
    """A Valkey without persistence was away for an hour of TTLs; the bots ran on, and are known again at once."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    world.stand_still(10 * SECONDS)
    world.forget()

    world.pass_time(SECONDS / 12)

    assert alpha.believes()
    with pytest.raises(LeaseHeld):
        beta.acquire(wait=world.wait)


def test_renewing_tells_an_emptied_server_whose_it_is_and_overwrites_nothing(world: World) -> None:
    """Another fleet that was there first keeps its name on it."""
    alpha = world.host("alpha")
    alpha.acquire()
    world.forget()
    world.pass_time(SECONDS / 2)
    assert world.server.ask("HMGET", FLEET_KEY, "check", "where") == ["a1", "alpha:/srv/install.key"]

    world.forget()
    other = world.host("gamma", fleet=FleetId(check="b2", where="gamma:/key"))
    world.server.ask("HSET", FLEET_KEY, "check", "b2", "where", "gamma:/key")
    world.pass_time(SECONDS / 2)

    assert world.server.ask("HGET", FLEET_KEY, "check") == "b2"
    other.acquire("another", wait=world.wait)
