"""A fleet's budget over a Valkey that is emptied, killed, frozen, started again, or keeps something else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gpt.budget import Limits, Wallet
from gpt.errors import BudgetExceeded, DeadlineExceeded
from gpt.model import Usage
from tests.gpt.budget.world import fill, reserve, run, spend, wallet_of
from tests.valkey import Valkey
from utils.redis_link import RedisLink

DAY = "2026-11-21"
HUNDRED = Limits(daily_tokens=100)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    """One of the test's own, to be killed."""
    with Valkey(tmp_path) as server:
        yield server


Host = Callable[..., Wallet]


@pytest.fixture
def host(server: Valkey, tmp_path: Path) -> Iterator[Host]:
    """Makes the wallet of a host: its own state folder and its own link."""
    with ExitStack() as stack:

        def make(name: str, limits: Limits = HUNDRED, *, url: str = server.url) -> Wallet:
            link = RedisLink(url)
            stack.callback(link.close)
            return stack.enter_context(wallet_of(limits, state=tmp_path / name, redis=link))

        yield make


def test_an_emptied_server_gets_the_truth_back(server: Valkey, host: Host) -> None:
    """From whoever calls first, also of those who do not call again."""
    alpha, beta, gamma = host("alpha"), host("beta"), host("gamma")
    for wallet in (alpha, beta, gamma):
        run(spend(wallet, 20))

    server.empty()

    run(spend(gamma, 20))  # it knows of 60
    run(spend(alpha, 20))  # it knew of 20 only, and they are among the 60
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(beta, 1))


def test_an_emptied_server_hears_from_one_what_others_spent_who_are_gone(server: Valkey, host: Host) -> None:
    run(spend(host("alpha"), 60))
    beta = host("beta")
    run(spend(beta, 20))

    server.empty()

    run(spend(beta, 20))
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(beta, 1))


def test_what_is_open_is_still_held_after_the_server_was_emptied(server: Valkey, host: Host) -> None:
    alpha, beta = host("alpha"), host("beta")
    held = run(reserve(alpha, 70))
    server.empty()
    run(spend(alpha, 10))

    last = run(reserve(beta, 30))
    with pytest.raises(DeadlineExceeded):
        run(reserve(beta, 1, until=time.monotonic()))
    run(alpha.settle(held, Usage(60, 0)))
    with pytest.raises(DeadlineExceeded):
        run(reserve(alpha, 10, until=time.monotonic()))
    run(beta.settle(last, Usage(30, 0)))
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(alpha, 10))


@pytest.mark.parametrize("keeps_data", [False, True])
def test_an_outage_is_counted_once_and_said_once(
    server: Valkey, host: Host, keeps_data: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Each host goes on by what it has spent and what it saw of the others."""
    caplog.set_level(logging.INFO, logger="gavatcore.openai")
    alpha, beta = host("alpha"), host("beta")
    run(spend(alpha, 10))
    run(spend(beta, 10))
    before = run(reserve(alpha, 10))
    server.save()

    server.kill()
    run(alpha.settle(before, Usage(10, 0)))
    run(spend(alpha, 10))
    run(spend(beta, 10))
    if keeps_data:
        server.start()
    else:
        server.restart_empty()
    run(spend(alpha, 10))
    run(spend(beta, 10))
    run(spend(alpha, 10))

    assert alpha.stats()["tokens"] == 80
    run(spend(beta, 20))
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(alpha, 1))
    said = [record.getMessage() for record in caplog.records if "alert" not in record.getMessage()]
    assert sum("goes on by this host's own record" in message for message in said) == 2
    assert sum("shared with the fleet again" in message for message in said) == 2


def test_a_dead_server_is_no_free_budget(server: Valkey, host: Host) -> None:
    alpha, beta = host("alpha"), host("beta")
    run(spend(beta, 60))
    run(spend(alpha, 10))
    server.kill()

    run(spend(alpha, 30))
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(alpha, 1))


def test_what_was_seen_of_others_survives_a_restart_without_a_server(server: Valkey, host: Host) -> None:
    run(spend(host("beta"), 60))
    run(spend(host("alpha"), 10))
    server.kill()

    restarted = host("alpha")
    run(spend(restarted, 30))
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(restarted, 1))


def test_a_frozen_server_holds_nobody_up_for_long_and_gives_nothing_away(server: Valkey, host: Host) -> None:
    alpha = host("alpha", url=f"{server.plain_url}?socket_timeout=1")
    run(spend(alpha, 10))

    with server.frozen():
        began = time.monotonic()
        for _reply in range(9):
            run(spend(alpha, 10))
        with pytest.raises(BudgetExceeded, match="100 of 100"):
            run(reserve(alpha, 1))
        assert time.monotonic() - began < 6, "a second each would be ten"

    beta = host("beta")
    time.sleep(0.6)  # real: the link rests that long
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(alpha, 1))
    with pytest.raises(BudgetExceeded):
        run(reserve(beta, 1))


def test_a_reservation_of_which_only_the_answer_was_lost_is_taken_back(server: Valkey, host: Host) -> None:
    """The server works through what it was sent while it was frozen."""
    alpha, beta = host("alpha", url=f"{server.plain_url}?socket_timeout=1"), host("beta")
    run(spend(alpha, 10))
    with server.frozen():
        run(spend(alpha, 10))

    time.sleep(0.6)  # real: the link rests that long
    run(spend(alpha, 10))
    run(beta.release(run(reserve(beta, 70))))

    assert beta.stats()["tokens"] == 30


def test_a_host_that_is_gone_holds_its_room_until_it_expires(
    server: Valkey, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpt.budget.fleet_budget.EXPIRES_AFTER", 0.3)
    run(reserve(host("gone"), 80))
    alpha = host("alpha")
    run(spend(alpha, 20))  # to the last

    began = time.monotonic()
    with pytest.raises(BudgetExceeded, match="100 of 100"):
        run(reserve(alpha, 10))
    assert time.monotonic() - began < 10
    assert server.ask("HGET", f"gavat:budget:{{k1}}:{DAY}:figures", "rt|a") == "0"


@pytest.mark.parametrize("kind", ["figures", "open"])
def test_something_else_under_our_keys_is_as_no_server(server: Valkey, host: Host, kind: str) -> None:
    server.ask("SET", f"gavat:budget:{{k1}}:{DAY}:{kind}", "theirs")
    alpha = host("alpha")

    run(spend(alpha, 100))
    with pytest.raises(BudgetExceeded):
        run(reserve(alpha, 1))
    assert server.ask("GET", f"gavat:budget:{{k1}}:{DAY}:{kind}") == "theirs"


def test_keys_lie_in_one_slot_expire_and_hold_no_prompt(server: Valkey, host: Host) -> None:
    alpha = host("alpha")
    run(reserve(alpha, 10, bot="line\nbreak {x} ö"))
    run(spend(alpha, 10))

    keys = server.ask("KEYS", "*")
    assert sorted(keys) == [f"gavat:budget:{{k1}}:{DAY}:figures", f"gavat:budget:{{k1}}:{DAY}:open"]
    assert all(0 < server.ask("PTTL", key) <= 3 * 24 * 3600 * 1000 for key in keys)


def test_what_a_full_disk_keeps_from_the_book_is_not_held_in_redis_either(server: Valkey, host: Host) -> None:
    """Else a host with a full disk would eat the fleet's budget without sending anything."""
    alpha = host("alpha")
    run(spend(alpha, 10))
    fill(alpha)

    with pytest.raises(BudgetExceeded, match="disk is full"):
        run(reserve(alpha, 50, bot="b" * 5_000))

    assert server.ask("HGET", f"gavat:budget:{{k1}}:{DAY}:figures", "rt|a") == "0"
