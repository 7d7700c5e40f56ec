"""Without a limit: figures for the report, and neither disk nor Redis in the way of a reply."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gpt.budget import Limits, Wallet
from gpt.budget.model import ALL, Amount
from gpt.budget.tally import Tally
from gpt.model import Usage
from tests.gpt.budget.world import PRICES, FakeClock, reserve, run, spend, wallet_of
from tests.gpt.waiting import until
from tests.killing import REPOSITORY
from utils.redis_link import RedisLink


def test_a_reply_waits_for_nothing_and_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both halves end without giving up control once."""

    def never(*_arguments: object) -> None:
        raise AssertionError("work was handed over")

    with wallet_of(Limits(), state=tmp_path / "state", redis=RedisLink("redis://127.0.0.1:1")) as wallet:
        with monkeypatch.context() as patch:
            patch.setattr(wallet._desk, "_submit", never)
            for step in (reserve(wallet, 10), wallet.settle(run(reserve(wallet, 10)), Usage(10, 5))):
                with pytest.raises(StopIteration):
                    step.send(None)

        assert not (tmp_path / "state").exists()
        assert wallet.stats()["tokens"] == 15


def test_figures_are_written_after_a_while_and_at_the_end(tmp_path: Path) -> None:
    with wallet_of(Limits(), state=tmp_path) as wallet:
        run(spend(wallet, 10))
        wallet._desk._tally.flush()
        run(spend(wallet, 5, bot="bert"))
        stats = wallet.stats()

        assert (stats["tokens"], stats["bots"], stats["share"], stats["money"]) == (15, 2, 0.0, pytest.approx(15e-9))
    with wallet_of(Limits(daily_tokens=100), state=tmp_path) as limited:
        run(spend(limited, 1))

        assert limited.stats()["tokens"] == 16


@pytest.mark.parametrize("limits", [Limits(), Limits(daily_tokens=100)], ids=["counted", "limited"])
def test_what_was_spent_before_a_restart_is_shown_before_anybody_asks(tmp_path: Path, limits: Limits) -> None:
    with wallet_of(limits, state=tmp_path) as wallet:
        run(spend(wallet, 10))
        run(spend(wallet, 5, bot="bert"))
    with wallet_of(limits, state=tmp_path) as restarted:
        run(until(lambda: restarted.stats()["tokens"] == 15))

        assert restarted.stats()["bots"] == 2
        run(spend(restarted, 20))
        assert restarted.stats()["tokens"] == 35


@pytest.mark.parametrize("there", ["no folder", "a file of somebody else's"])
def test_showing_it_makes_no_file_and_says_nothing(
    tmp_path: Path, there: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks is told what is wrong; who only looks is not."""
    state = tmp_path / "state"
    if there != "no folder":
        state.mkdir()
        (state / "budget.sqlite3").write_text("theirs" * 1000)
    Wallet(Limits(daily_tokens=100), PRICES, key="k1", state=str(state))
    run(until(lambda: not any(thread.name == "gavat-budget" for thread in threading.enumerate())))

    assert caplog.messages == []
    assert [file.name for file in state.glob("*")] == ([] if there == "no folder" else ["budget.sqlite3"])


def test_processes_see_each_others_figures_through_redis(link: RedisLink) -> None:
    with wallet_of(Limits(), redis=link) as first, wallet_of(Limits(), redis=link) as second:
        for wallet in (first, second):
            run(spend(wallet, 10))
            wallet._desk._tally.flush()

        assert second.stats()["tokens"] == 20


def test_a_days_figures_are_its_own() -> None:
    clock = FakeClock()
    with wallet_of(Limits(), clock=clock) as wallet:
        run(spend(wallet, 10))
        clock.move(days=1)
        run(spend(wallet, 3))

        assert (wallet.stats()["day"], wallet.stats()["tokens"]) == ("2026-11-22", 3)


def test_a_release_of_what_was_not_held_is_nothing() -> None:
    async def story(wallet: Wallet) -> None:
        await wallet.release(await reserve(wallet, 10))
        await wallet.settle(await reserve(wallet, 10), None)

        assert wallet.stats()["tokens"] == 10

    with wallet_of(Limits()) as wallet:
        run(story(wallet))


def test_the_tally_is_written_by_a_timer_and_loses_nothing_to_threads() -> None:
    written: list[tuple[str, Any, tuple[str, ...]]] = []
    can_write = threading.Event()
    was_written = threading.Event()

    def write(day: str, spent: Any, bots: tuple[str, ...]) -> bool:
        if not can_write.is_set():
            can_write.set()
            return False
        written.append((day, dict(spent), bots))
        was_written.set()
        return True

    tally = Tally(write, every=0.01)

    def add_many() -> None:
        for _reply in range(500):
            tally.add("d", "anna", Amount(1, 2))

    threads = [threading.Thread(target=add_many) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.add("d", "bert", Amount(1, 2))
    assert was_written.wait(20)
    tally.flush()

    assert sum(spent[ALL].tokens for _day, spent, _bots in written) == 2_001
    assert sum(spent[ALL].money for _day, spent, _bots in written) == 4_002
    assert tally.unwritten("d") == {}


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = {"asyncio", "sqlite3", "tomllib", "redis", "concurrent.futures", "openai"}
    code = "import sys, gpt.budget; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert heavy & set(loaded.stdout.split()) == set()
