"""A lease in Redis: who gets it, who does not, and when; by a clock that the test moves."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from tests.leases.world import FLEET, NAME, RENEWED_EVERY, TTL, World, never_waits
from tests.tool import ROOT
from utils.leases import (
    FleetId,
    ForeignFleet,
    LeaseError,
    LeaseHeld,
    LeaseLoss,
    LeaseLost,
    LeaseOwner,
    Leaser,
    LeaseUncertain,
)
from utils.leases.redis_scripts import LEASE_KEY
from utils.redis_link import RedisLink

SECONDS = TTL.total_seconds()


def test_a_lease_is_held_by_one_host_at_a_time(world: World) -> None:
    """The second is refused at once and told by whom, on which host, and for how long."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()

    with pytest.raises(LeaseHeld, match=r"held by pid 7 \(bots\) on alpha since 20") as refused:
        beta.acquire(wait=world.wait)

    assert refused.value.owner is not None
    assert refused.value.owner.host == "alpha"
    assert refused.value.expires_in is not None
    assert TTL - timedelta(minutes=1) < refused.value.expires_in <= TTL


def test_a_lease_given_back_goes_on_at_once_with_a_higher_generation(world: World) -> None:
    """Generations grow with each hand-over, whoever takes the lease."""
    alpha, beta = world.host("alpha"), world.host("beta")
    generations = []
    for host in (alpha, beta, alpha, alpha, beta):
        generations.append(host.acquire().generation)
        host.release()

    assert generations == sorted(set(generations))


def test_a_generation_is_not_below_the_clock_of_the_server(world: World) -> None:
    """So that a server that forgot everything does not grant low ones again."""
    seconds = int(world.server.ask("TIME")[0])

    assert world.host("alpha").acquire().generation >= seconds * 1000


def test_an_owner_that_renews_keeps_its_lease_for_ever(world: World) -> None:
    """Ten TTLs later it is still held, for others and for itself."""
    alpha, beta = world.host("alpha", loss=LeaseLoss.REQUIRE), world.host("beta")
    lease = alpha.acquire()

    for _ttl in range(10):
        world.pass_time(SECONDS)
        assert not beta.looks_free()

    lease.check()
    assert lease.renewed_ago <= TTL / 3


def test_the_lease_of_a_dead_host_is_taken_within_two_ttls(world: World) -> None:
    """By one that waits patiently; its record is first out of time, then watched for a TTL."""
    alpha, beta = world.host("alpha"), world.host("beta")
    generation = alpha.acquire().generation
    world.kill(alpha)
    died_at = world.now

    with pytest.raises(LeaseHeld):
        beta.acquire(wait=world.wait)
    world.pass_time(SECONDS + 1)

    assert beta.acquire(wait=world.wait).generation > generation
    assert world.now - died_at <= 2 * SECONDS + 2


def test_who_has_watched_a_dead_host_takes_over_as_its_ttl_ends(world: World) -> None:
    """Looking again and again counts as watching: the lease is had at the first asking."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    world.kill(alpha)
    died_at = world.now

    while not beta.looks_free():
        world.pass_time(SECONDS / 10)

    assert SECONDS <= world.now - died_at <= 1.2 * SECONDS
    beta.acquire(wait=never_waits)


def test_one_look_at_a_record_out_of_time_grants_nothing(world: World) -> None:
    """Its owner may have been kept from renewing by what kept the server from answering."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    world.kill(alpha)
    world.stand_still(5 * SECONDS)

    assert not beta.looks_free()
    with pytest.raises(LeaseHeld) as refused:
        beta.acquire(wait=never_waits)
    assert refused.value.expires_in == timedelta(0)


def test_a_standstill_between_two_looks_is_no_sign_of_death(world: World) -> None:
    """The record was seen before and after ten TTLs unchanged, and nobody could have changed it."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    assert not beta.looks_free()

    world.stand_still(10 * SECONDS)

    assert not beta.looks_free()
    with pytest.raises(LeaseHeld):
        beta.acquire(wait=world.wait)
    assert alpha.believes()


def test_a_record_that_changes_while_it_is_watched_is_alive(world: World) -> None:
    """The owner comes back in the last third of the wait."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    alpha.is_connected = False
    world.pass_time(1.5 * SECONDS)
    watched_from = world.now

    def comes_back(seconds: float) -> bool:
        alpha.is_connected = world.now - watched_from >= 0.6 * SECONDS
        return world.wait(seconds)

    with pytest.raises(LeaseHeld):
        beta.acquire(wait=comes_back)
    assert alpha.believes()


def test_what_was_watched_for_long_counts_only_while_it_stays_the_same(world: World) -> None:
    """The owner came back between the look that said free and the claim."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire()
    alpha.is_connected = False
    while not beta.looks_free():
        world.pass_time(SECONDS / 4)

    alpha.leaser.renew()

    with pytest.raises(LeaseHeld):
        beta.acquire(wait=never_waits)
    assert alpha.believes()


def test_a_machine_takes_its_own_lease_over_at_once(world: World) -> None:
    """Who holds the same lock of the same machine knows that the former holder is dead."""
    alpha, beta = world.host("alpha"), world.host("beta")
    before = alpha.acquire().generation
    world.kill(alpha)

    assert not beta.looks_free()
    assert alpha.looks_free()
    assert alpha.acquire().generation > before


def test_two_clients_of_one_process_cannot_have_the_same_lease(world: World) -> None:
    """Not even though they are of one place."""
    alpha = world.host("alpha")
    alpha.acquire()

    assert not alpha.looks_free()
    with pytest.raises(LeaseHeld, match="in this process"):
        alpha.acquire()


def test_another_fleet_is_refused_and_told_whose_server_it_is(world: World) -> None:
    """Fleets with different keys name the same login differently, and would not see each other's leases."""
    world.host("alpha").acquire()
    stranger = world.host("gamma", fleet=FleetId(check="b2", where="gamma:/home/install.key"))

    for ask in (stranger.acquire, stranger.looks_free):
        with pytest.raises(ForeignFleet, match=FLEET.where) as refused:
            ask()
        assert (refused.value.where, refused.value.retryable) == (FLEET.where, False)


def test_a_stranger_cannot_take_an_emptied_server_from_a_fleet_that_lives(world: World) -> None:
    """Until the server is settled only those who hold something say whose it is."""
    alpha = world.host("alpha")
    alpha.acquire()
    stranger = world.host("gamma", fleet=FleetId(check="b2", where="gamma:/home/install.key"))

    world.forget()
    with pytest.raises(ForeignFleet):
        stranger.acquire("other", wait=world.wait)

    assert alpha.believes()


def test_releasing_twice_or_late_harms_nobody(world: World) -> None:
    """Neither the lease object nor the next holder."""
    alpha, beta = world.host("alpha"), world.host("beta")
    lease = alpha.acquire()
    lease.release()
    lease.release()
    with pytest.raises(LeaseLost, match="given back"):
        lease.check()
    beta.acquire()

    lease.release()
    alpha.leaser.records.release(lease.renewal().claim)  # as a message that was on its way for long

    assert not alpha.looks_free()


def test_a_late_message_of_an_earlier_claim_grants_and_releases_nothing(world: World) -> None:
    """A frozen server may carry out what nobody waits for any more, in any order."""
    alpha, beta = world.host("alpha"), world.host("beta")
    first = alpha.acquire().renewal().claim
    alpha.release()
    second = alpha.acquire()

    alpha.leaser.records.release(first)
    alpha.leaser.records.acquire(first)
    assert not beta.looks_free()
    assert alpha.leaser.renew()
    second.check()

    alpha.release()
    alpha.leaser.records.acquire(first)
    assert beta.looks_free()


def test_asking_again_after_a_lost_answer_grants_the_same(world: World) -> None:
    """The claim is known: neither a refusal nor another generation."""
    alpha = world.host("alpha")
    lease = alpha.acquire()

    again = alpha.leaser.records.acquire(lease.renewal().claim)

    assert again.generation == lease.generation


def test_who_gives_up_waiting_leaves_nothing_held(world: World) -> None:
    """Also when giving up is an exception."""
    alpha, beta, gamma = world.host("alpha"), world.host("beta"), world.host("gamma")
    alpha.acquire()
    world.kill(alpha)
    world.stand_still(2 * SECONDS)

    def is_interrupted(_seconds: float) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        beta.acquire(wait=is_interrupted)
    with pytest.raises(LeaseHeld, match="alpha"):
        beta.acquire(wait=never_waits)

    assert gamma.acquire(wait=world.wait).generation
    assert beta.leaser.held == []


def test_what_was_granted_and_cannot_be_kept_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has no thread left to renew it."""

    def has_no_more_threads(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    alpha, beta = world.host("alpha"), world.host("beta")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", has_no_more_threads)
        with pytest.raises(RuntimeError, match="can't start"):
            alpha.acquire()

    beta.acquire(wait=never_waits)


def test_an_owner_that_was_overtaken_is_told_by_whom(world: World) -> None:
    """Out of reach for long under `warn`, it learns at its first renewal that it is too late."""
    alpha, beta = world.host("alpha"), world.host("beta")
    lease = alpha.acquire()
    alpha.is_connected = False
    world.pass_time(SECONDS + 1)
    beta.acquire(wait=world.wait)
    assert alpha.believes(), "under `warn` a host that is cut off for longer than its TTL keeps running"

    alpha.is_connected = True
    world.pass_time(SECONDS / 12)

    with pytest.raises(LeaseLost, match=r"pid 7 \(bots\) on beta since .* has it now") as lost:
        lease.check()
    assert not lost.value.retryable
    assert alpha.leaser.held == []
    assert beta.believes()


def test_who_requires_its_lease_stops_before_it_ends(world: World) -> None:
    """Three quarters of the TTL after the last renewal; and goes on when it was renewed in time after all."""
    alpha = world.host("alpha", loss=LeaseLoss.REQUIRE)
    lease = alpha.acquire()
    alpha.is_connected = False

    world.pass_time(0.74 * SECONDS)
    lease.check()
    world.pass_time(0.02 * SECONDS)
    with pytest.raises(LeaseUncertain, match="could not be renewed") as uncertain:
        lease.check()
    assert uncertain.value.retryable

    alpha.is_connected = True
    world.pass_time(SECONDS / 12)
    lease.check()


def test_a_loss_is_noticed_in_time_to_stop(world: World) -> None:
    """Certain for 0.75 TTL, asked each fifteenth: at least a sixth of the TTL is left for stopping."""
    lease = world.host("alpha", loss=LeaseLoss.REQUIRE).acquire()

    assert 0.75 * TTL + lease.check_every < TTL * 5 / 6


def test_a_forked_child_holds_nothing_and_takes_nothing(world: World) -> None:
    """It cannot renew, and must neither use nor give back what is its parent's."""
    alpha, beta = world.host("alpha"), world.host("beta")
    lease = alpha.acquire()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            lease.check()
        except LeaseLost:
            lease.release()
            code = 2
        try:
            alpha.leaser.acquire("another", place="alpha", wait=never_waits)
        except LeaseError:
            code += 1
        finally:
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    lease.check()
    assert not beta.looks_free()


def test_one_thread_renews_and_ends_when_nothing_is_held(world: World) -> None:
    """However often leases come and go."""
    alpha = world.host("alpha")

    def renewers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "gavat-leases"]

    for _round in range(3):
        for name in ("a", "b", "c"):
            alpha.acquire(name)
        assert len(renewers()) == 1
        for name in ("a", "b", "c"):
            alpha.release(name)
        for thread in renewers():
            thread.join(5)
        assert renewers() == []


def test_a_lease_that_is_held_has_no_expiry_of_its_key(world: World) -> None:
    """A jump of the clock must not drop it, nor a volatile eviction policy; one given back is kept for 30 days."""
    alpha = world.host("alpha")
    alpha.acquire()
    assert world.server.ask("PTTL", LEASE_KEY + NAME) == -1
    alpha.release()
    assert 29 < world.server.ask("PTTL", LEASE_KEY + NAME) / 86_400_000 <= 30
    alpha.acquire()
    assert world.server.ask("PTTL", LEASE_KEY + NAME) == -1


def test_two_hundred_leases_are_renewed_in_two_round_trips(world: World) -> None:
    """A hundred in each; none is left out."""
    alpha = world.host("alpha")
    for number in range(200):
        alpha.acquire(f"{number:03}")
    world.stand_still(SECONDS / 2)
    before = _scripts_run(world)

    assert alpha.leaser.renew()

    assert _scripts_run(world) - before == 2
    assert all(lease.renewed_ago == timedelta(0) for lease in alpha.leases.values())


def test_a_lease_is_as_old_as_the_request_for_it(world: World) -> None:
    """Not as the answer: the server may have carried it out long before that came."""
    link = RedisLink(world.server.url)
    # A clock that goes on by a second with each script that the server has carried out
    leaser = Leaser(
        link,
        ttl=TTL,
        loss=LeaseLoss.REQUIRE,
        fleet=FLEET,
        about=LeaseOwner(7, "bots", "alpha", ""),
        monotonic=lambda: float(_scripts_run(world)),
    )

    lease = leaser.acquire(NAME, place="alpha", wait=never_waits)
    assert lease.renewed_ago > timedelta(0)
    assert leaser.renew()
    assert lease.renewed_ago == timedelta(seconds=1)

    lease.release()
    link.close()


def test_leases_are_at_hand_without_redis() -> None:
    """Neither the names nor the leaser load the client of a server that most machines do not have."""
    code = "import sys, utils.leases; utils.leases.Leaser; sys.exit('redis' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def _scripts_run(world: World) -> int:
    for line in world.server.ask("INFO", "commandstats").splitlines():
        if line.startswith("cmdstat_evalsha:"):
            return int(line.partition("calls=")[2].partition(",")[0])
    raise AssertionError("no script was run")


def test_what_one_lease_of_the_dead_shows_holds_for_all_of_them(world: World) -> None:
    """After a reboot hundreds of bots do not wait one after the other."""
    alpha, beta = world.host("alpha"), world.host("beta")
    names = [f"{number:02x}" for number in range(20)]
    for name in names:
        alpha.acquire(name)
    world.pass_time(1.1 * RENEWED_EVERY)  # renewed once more
    world.kill(alpha)
    while not beta.looks_free(names[0]):
        world.pass_time(RENEWED_EVERY)

    for name in names:
        if not beta.looks_free(name):
            pytest.fail(f"{name} is watched anew")
        beta.acquire(name)


def test_a_lease_that_its_living_owner_renews_no_more_is_watched_by_itself(world: World) -> None:
    """The others of the owner show nothing of it, and it shows nothing of them."""
    alpha, beta = world.host("alpha"), world.host("beta")
    alpha.acquire("dropped")
    alpha.acquire("kept")
    alpha.leaser.forget(alpha.leases.pop("dropped"))
    for _look in range(5):
        is_free = beta.looks_free("dropped"), beta.looks_free("kept")
        world.pass_time(RENEWED_EVERY)

    assert is_free == (True, False)


def test_who_was_cut_off_and_came_back_keeps_what_it_is_granted_then(world: World) -> None:
    """It was watched standing still; that says nothing of a lease that it has just got."""
    alpha, beta = (world.host(name, loss=LeaseLoss.REQUIRE) for name in ("alpha", "beta"))
    alpha.acquire()
    world.pass_time(RENEWED_EVERY)
    alpha.is_connected = False
    for _look in range(10):
        world.pass_time(TTL.total_seconds() / 6)
        beta.looks_free()
    assert not alpha.believes()
    alpha.leases.pop(NAME).let_go()  # it cannot be told to Redis
    beta.acquire(wait=world.wait)
    beta.release()

    alpha.is_connected = True
    alpha.acquire()

    with pytest.raises(LeaseHeld, match="on alpha"):
        beta.acquire()
    assert alpha.believes()
