"""Real processes that share one budget: they spend all of it and no more, and are killed with reservations open."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gpt.budget import Limits, Wallet
from gpt.budget.book import EXPIRES_AFTER, Book, Share
from gpt.budget.decide import Verdict
from gpt.budget.model import ALL, Amount, Caps, Reservation
from gpt.errors import BudgetExceeded
from gpt.model import Usage
from tests.gpt.budget.spender import Job
from tests.gpt.budget.world import MODEL, reserve, run, spend, until_waiting, wallet_of
from tests.killing import REPOSITORY, plain_environment
from tests.valkey import Valkey
from utils.clock import since_boot
from utils.processes import ProcessIdentity, own_identity
from utils.redis_link import RedisLink


@contextmanager
def spender(job: Job) -> Iterator[subprocess.Popen[str]]:
    """One that is ready, and waits for a line."""
    command = [sys.executable, "-m", "tests.gpt.budget.spender", json.dumps(job._asdict())]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=plain_environment(), stdin=pipe, stdout=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> object:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def spend_together(*jobs: Job) -> list[int]:
    """What each of them took, all at once."""
    with ExitStack() as all_of_them:
        processes = [all_of_them.enter_context(spender(job)) for job in jobs]
        assert [answer(process) for process in processes] == ["ready"] * len(jobs)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = [answer(process) for process in processes]
    return [number for number in taken if isinstance(number, int)]


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> list[tuple[str | None, str | None]]:
    """State folder and Redis of the first and of the second host."""
    if request.param == "one file":
        return [(str(tmp_path), None)] * 2
    valkey: Valkey = request.getfixturevalue("valkey")
    if request.param == "one Valkey":
        return [(None, valkey.url)] * 2
    return [(str(tmp_path / "alpha"), valkey.url), (str(tmp_path / "beta"), valkey.url)]


@pytest.mark.parametrize(
    ("places", "count"),
    [("one file", 2), ("one file", 4), ("one Valkey", 2), ("one Valkey", 4), ("one Valkey, two hosts", 4)],
    indirect=["places"],
)
def test_processes_spend_all_of_a_budget_and_at_most_one_reply_each_beyond(
    places: list[tuple[str | None, str | None]], count: int
) -> None:
    jobs = [Job(5_000, 200, 4, *places[number % 2], f"bot{number}", 2_000) for number in range(count)]

    taken = spend_together(*jobs)

    assert len(taken) == count
    limit = min(5_000, 2_000 * count)
    assert limit <= sum(taken) < limit + 200 * count
    assert max(taken) < 2_000 + 200


@pytest.mark.parametrize("places", ["one file", "one Valkey, two hosts"], indirect=True)
def test_what_a_killed_process_held_counts_as_spent(
    places: list[tuple[str, str | None]], request: pytest.FixtureRequest
) -> None:
    """At its whole estimate, as soon as it makes a difference; those who waited for it are told."""
    state, url = places[0]

    async def story(wallet: Wallet, victim: subprocess.Popen[str]) -> None:
        await spend(wallet, 10)
        waits = asyncio.create_task(reserve(wallet, 50))
        await until_waiting(wallet, 1)

        victim.kill()
        victim.wait()
        with pytest.raises(BudgetExceeded, match="110 of 105 tokens"):
            await waits

    link = request.getfixturevalue("link") if url else None
    with (
        spender(Job(105, 50, 1, state, url, holds=2)) as victim,
        wallet_of(Limits(daily_tokens=105), state=Path(state), redis=link) as wallet,
    ):
        assert answer(victim) == "ready"
        run(story(wallet, victim))


def test_a_killed_process_loses_nothing_of_what_it_settled(tmp_path: Path) -> None:
    """It may be killed at any moment: what it told others that it took, and then some, is in the book."""
    with (
        spender(Job(10**9, 10, 1, str(tmp_path))) as victim,
        wallet_of(Limits(daily_tokens=10**9), state=tmp_path) as w,
    ):
        assert answer(victim) == "ready"
        assert victim.stdin is not None
        victim.stdin.write("go\n")
        victim.stdin.flush()
        seen = 0
        while seen < 50:
            run(w.release(run(reserve(w, 1))))
            seen = w.stats()["tokens"]
        victim.kill()
        victim.wait()
        run(w.release(run(reserve(w, 1))))

        assert w.stats()["tokens"] >= seen


def held_by(tmp_path: Path, process: ProcessIdentity, *, boottime: float = 0.0) -> None:
    """A reservation of 60 in the book, by that process."""
    book = Book(str(tmp_path), "k1", process, boottime=lambda: boottime)
    assert book.reserve(Reservation("x1", "2026-11-21", "anna", MODEL, Amount(60, 60)), Caps()).verdict is Verdict.ADMIT
    book.close()


OWN = own_identity()


@pytest.mark.parametrize(
    ("process", "is_counted"),
    [
        (OWN._replace(ticks=OWN.ticks - 1), True),  # its PID was given to another
        (OWN._replace(boot="an earlier one"), True),
        (OWN._replace(pid_namespace="another container"), False),  # nothing is known of it
        (OWN._replace(pid=os.getppid(), ticks=0), True),
    ],
)
def test_only_a_process_that_is_gone_for_sure_is_counted_at_once(
    tmp_path: Path, process: ProcessIdentity, is_counted: bool
) -> None:
    held_by(tmp_path, process, boottime=since_boot())
    book = Book(str(tmp_path), "k1", OWN)

    assert book.shares("2026-11-21")[ALL].own == (Amount(60, 60) if is_counted else Amount())
    book.close()


def test_a_reservation_that_expired_counts_and_a_late_settlement_changes_nothing(tmp_path: Path) -> None:
    held_by(tmp_path, OWN, boottime=1_000.0)
    now = 1_000.0 + EXPIRES_AFTER
    book = Book(str(tmp_path), "k1", OWN, boottime=lambda: now)

    assert book.shares("2026-11-21")[ALL].own == Amount()
    now += 1
    assert book.reap()
    assert book.shares("2026-11-21", "anna") == dict.fromkeys((ALL, "b:anna"), Share(Amount(60, 60), Amount()))
    book.settle(Reservation("x1", "2026-11-21", "anna", MODEL, Amount(60, 60)), Amount(5, 5))
    assert not book.reap()
    assert book.shares("2026-11-21")[ALL].own == Amount(60, 60)
    book.close()


@pytest.mark.parametrize("limits", [Limits(daily_tokens=100), Limits()], ids=["limited", "counted"])
@pytest.mark.parametrize("place", ["file", "memory", "redis"])
def test_a_forked_child_goes_on_with_a_thread_and_a_connection_of_its_own(
    tmp_path: Path, limits: Limits, place: str, link: RedisLink
) -> None:
    """And the parent with its own."""
    state, redis = tmp_path if place == "file" else None, link if place == "redis" else None
    with wallet_of(limits, state=state, redis=redis) as wallet:
        run(spend(wallet, 30))
        held = run(reserve(wallet, 20))
        child = os.fork()
        if child == 0:
            code = 1
            try:
                wallet.after_fork()
                run(spend(wallet, 30))
                run(wallet.close())
                code = wallet.stats()["tokens"]
            finally:
                os._exit(code)
        _pid, status = os.waitpid(child, 0)
        run(wallet.settle(held, Usage(20, 0)))
        run(spend(wallet, 1))

        # What was only counted, and not yet written, is the parent's to write
        assert os.waitstatus_to_exitcode(status) == (60 if limits.any else 30)
        assert wallet.stats()["tokens"] == (81 if place != "memory" and limits.any else 51)
