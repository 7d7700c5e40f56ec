"""What every place of the figures must do alike: memory, a SQLite file, and Redis with a book of either kind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from gpt.budget import BudgetAlert, Estimate, Limits, Wallet
from gpt.errors import BudgetExceeded, DeadlineExceeded, HelperClosed, PriceUnknown
from gpt.model import Priority, Usage
from tests.gpt.budget.world import MODEL, PRICES, FakeClock, reserve, run, soon, spend, until_waiting, wallet_of

Open = Callable[..., AbstractContextManager[Wallet]]
HUNDRED = Limits(daily_tokens=100)


@pytest.fixture(params=["memory", "file", "redis", "redis and file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    place: dict[str, Any] = {}
    if "file" in request.param:
        place["state"] = tmp_path / "state"
    if "redis" in request.param:
        place["redis"] = request.getfixturevalue("link")
    return place


@pytest.fixture
def open_wallet(place: dict[str, Any]) -> Open:
    """Makes a wallet in that place; a second one there is another process's, as far as figures go."""
    return lambda limits, **more: wallet_of(limits, **place, **more)


class TestEveryLedger:
    def test_spends_up_to_the_limit_and_not_beyond(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            for _reply in range(10):
                await spend(wallet, 10)
            with pytest.raises(BudgetExceeded) as caught:
                await reserve(wallet, 1)

            assert caught.value.message == "the day's budget of all bots is spent: 100 of 100 tokens"
            assert caught.value.retry_after == 12 * 3600
            assert wallet.stats()["tokens"] == 100

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_counts_what_was_taken_and_not_the_estimate(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            for _reply in range(9):
                held = await reserve(wallet, 90)
                cost = await wallet.settle(held, Usage(7, 3))
                assert cost == pytest.approx(10e-9)

            assert wallet.stats()["tokens"] == 90

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_a_reply_of_unknown_cost_counts_as_estimated(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            held = await reserve(wallet, 60)
            assert await wallet.settle(held, None) == pytest.approx(60e-9)

            assert wallet.stats()["tokens"] == 60

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_what_was_not_sent_costs_nothing(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            for _try in range(5):
                await wallet.release(await reserve(wallet, 90))
            await spend(wallet, 100)

            assert wallet.stats()["tokens"] == 100

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_settling_twice_counts_once(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            held = await reserve(wallet, 40)
            await wallet.settle(held, Usage(40, 0))
            await wallet.settle(held, Usage(40, 0))
            await wallet.release(held)

            assert wallet.stats()["tokens"] == 40

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_a_provider_that_counts_nonsense_breaks_nothing(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            await wallet.settle(await reserve(wallet, 10), Usage(-(10**40), 5, cached=10**40))
            await wallet.settle(await reserve(wallet, 10), Usage(10**40, 10**40))
            with pytest.raises(BudgetExceeded, match=r"1,000,000,005 of 100 tokens"):
                await reserve(wallet, 10)

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_one_last_reply_may_go_beyond(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            await spend(wallet, 95)
            last = await reserve(wallet, 50)
            with pytest.raises(DeadlineExceeded):
                await reserve(wallet, 50, until=time.monotonic())
            await wallet.settle(last, None)
            with pytest.raises(BudgetExceeded, match="145 of 100 tokens"):
                await reserve(wallet, 1)

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_who_waits_goes_on_once_there_is_room(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            first = await reserve(wallet, 80)
            second = asyncio.create_task(reserve(wallet, 80))
            await until_waiting(wallet, 1)
            assert not second.done()

            await wallet.settle(first, Usage(10, 0))
            await wallet.settle(await second, Usage(10, 0))

            assert wallet.stats()["tokens"] == 20
            assert wallet.stats()["waiting"] == 0

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_a_small_request_does_not_overtake_a_large_one(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            first = await reserve(wallet, 60)
            large = asyncio.create_task(reserve(wallet, 80))
            await until_waiting(wallet, 1)
            small = asyncio.create_task(reserve(wallet, 30))
            await until_waiting(wallet, 2)

            await wallet.settle(first, Usage(10, 0))
            await wallet.settle(await large, Usage(10, 0))
            await wallet.release(await small)

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_who_waits_is_refused_once_all_is_spent(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            first = await reserve(wallet, 100)
            others = [asyncio.create_task(reserve(wallet, 80)) for _waiter in range(5)]
            await until_waiting(wallet, 5)
            await wallet.settle(first, None)
            ends = await asyncio.gather(*others, return_exceptions=True)

            assert [type(end) for end in ends] == [BudgetExceeded] * 5
            assert wallet.stats()["refused"] == 5

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_a_bot_has_a_limit_of_its_own(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            await spend(wallet, 50, bot="anna")
            with pytest.raises(BudgetExceeded, match=r"budget of anna is spent: 50 of 50 tokens"):
                await reserve(wallet, 1, bot="anna")
            await spend(wallet, 50, bot="bert")
            with pytest.raises(BudgetExceeded, match="of all bots"):
                await reserve(wallet, 1, bot="cleo")

            stats = wallet.stats()
            assert (stats["share"], stats["bots"], stats["bot_share"]) == (1.0, 3, 1.0)
            assert stats["fullest_bot"] == "anna"

        with open_wallet(Limits(daily_tokens=100, bot_daily_tokens=50)) as wallet:
            run(story(wallet))

    def test_a_bot_that_waits_does_not_hold_up_another(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            first = await reserve(wallet, 40, bot="anna")
            waits = asyncio.create_task(reserve(wallet, 40, bot="anna"))
            await until_waiting(wallet, 1)
            await spend(wallet, 40, bot="bert")
            assert not waits.done()

            await wallet.release(first)
            await wallet.release(await waits)

        with open_wallet(Limits(bot_daily_tokens=50)) as wallet:
            run(story(wallet))

    def test_money_has_a_limit_too(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            await spend(wallet, 30_000_000)
            with pytest.raises(BudgetExceeded, match=r"of all bots is spent: \$0\.03 of \$0\.02"):
                await reserve(wallet, 1)
            with pytest.raises(PriceUnknown, match="does not know gpt-other"):
                await wallet.reserve(bot="anna", model="gpt-other", estimate=Estimate(1, 1), until=soon())

            assert wallet.stats()["money"] == pytest.approx(0.03)
            assert wallet.stats()["refused"] == 2

        with open_wallet(Limits(daily_money=0.02)) as wallet:
            run(story(wallet))

    def test_the_next_day_begins_at_nothing_and_a_day_that_comes_again_goes_on(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            await spend(wallet, 95)
            over_midnight = await reserve(wallet, 5)
            clock.move(days=1)
            await spend(wallet, 40)
            await wallet.settle(over_midnight, Usage(5, 0))
            assert (wallet.stats()["day"], wallet.stats()["tokens"]) == ("2026-11-22", 40)

            clock.move(days=-1)
            with pytest.raises(BudgetExceeded, match="100 of 100"):
                await reserve(wallet, 1)
            clock.move(days=1)
            await spend(wallet, 60)
            with pytest.raises(BudgetExceeded, match="100 of 100"):
                await reserve(wallet, 1)

        clock = FakeClock()
        with open_wallet(HUNDRED, clock=clock) as wallet:
            run(story(wallet))

    def test_a_clock_far_ahead_for_a_while_costs_no_figures(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            await spend(wallet, 100)
            clock.move(days=80 * 365)
            await spend(wallet, 1)
            clock.move(days=-80 * 365)
            with pytest.raises(BudgetExceeded):
                await reserve(wallet, 1)

        clock = FakeClock()
        with open_wallet(HUNDRED, clock=clock) as wallet:
            run(story(wallet))

    def test_operators_are_told_once_at_eighty_percent_and_once_at_all(
        self, open_wallet: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def story(wallet: Wallet) -> None:
            for _reply in range(11):
                with contextlib.suppress(BudgetExceeded):
                    await spend(wallet, 10)

            assert wallet.stats()["alerts"] == 2

        told: list[BudgetAlert] = []
        with open_wallet(HUNDRED, on_alert=told.append) as wallet:
            run(story(wallet))

        assert told == [BudgetAlert("all", "tokens", 80, 100, 0.8), BudgetAlert("all", "tokens", 100, 100, 1.0)]
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "the day's budget of all bots: 80 % of 100 tokens is spent",
            "the day's budget of all bots: 100 % of 100 tokens is spent",
        ]

    def test_an_alert_that_fails_costs_no_reply(self, open_wallet: Open, caplog: pytest.LogCaptureFixture) -> None:
        def fail(_alert: BudgetAlert) -> None:
            raise RuntimeError("no network")

        async def story(wallet: Wallet) -> None:
            held = await reserve(wallet, 90)
            assert await wallet.settle(held, Usage(90, 0)) is not None

        with open_wallet(HUNDRED, on_alert=fail) as wallet:
            run(story(wallet))

        assert "whoever is told of the budget failed" in caplog.messages

    def test_an_alert_that_hangs_holds_up_no_reply(self, open_wallet: Open) -> None:
        """It mails somebody: replies come meanwhile, and the alerts in their order."""
        mailed = threading.Event()
        told: list[float] = []

        def mail(alert: BudgetAlert) -> None:
            assert mailed.wait(20)
            told.append(alert.share)

        async def story(wallet: Wallet) -> None:
            await spend(wallet, 80)
            await spend(wallet, 20)
            assert (wallet.stats()["tokens"], told) == (100, [])
            threading.Timer(0.2, mailed.set).start()  # only while the wallet is being closed

        with open_wallet(HUNDRED, on_alert=mail) as wallet:
            run(story(wallet))

        assert told == [0.8, 1.0]

    def test_persons_wait_before_batches(self, open_wallet: Open) -> None:
        """Of batches, and of persons, whoever came first."""
        order: list[str] = []

        async def come(wallet: Wallet, who: str, priority: Priority) -> None:
            held = await wallet.reserve(
                bot="anna", model=MODEL, estimate=Estimate(60, 0), until=soon(), priority=priority
            )
            order.append(who)
            await wallet.settle(held, Usage(5, 0))

        async def story(wallet: Wallet) -> None:
            first = await reserve(wallet, 60)
            waiting = []
            for number, (who, priority) in enumerate(
                [("b1", Priority.BATCH), ("b2", Priority.BATCH), ("p1", Priority.PERSON), ("p2", Priority.PERSON)]
            ):
                waiting.append(asyncio.create_task(come(wallet, who, priority)))
                await until_waiting(wallet, number + 1)
            await wallet.settle(first, Usage(5, 0))
            await asyncio.gather(*waiting)

            assert order == ["p1", "p2", "b1", "b2"]

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_both_kinds_of_limit_and_both_scopes_are_told_by_name(self, open_wallet: Open) -> None:
        told: list[BudgetAlert] = []
        limits = Limits(daily_tokens=1_000, daily_money=95e-9, bot_daily_tokens=100, alert_at=0.9)
        with open_wallet(limits, on_alert=told.append) as wallet:
            run(spend(wallet, 95, bot="an\nna"))

        assert [(alert.scope, alert.what, alert.share) for alert in told] == [
            ("all", "money", 1.0),
            ("an\\nna", "tokens", 0.95),
        ]

    def test_a_cancelled_request_holds_nothing(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            for _moment in range(20):
                asking = asyncio.create_task(reserve(wallet, 100))
                await asyncio.sleep(0)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
            waits = [asyncio.create_task(reserve(wallet, 100)) for _waiter in range(3)]
            await waits[0]
            waits[1].cancel()
            await wallet.release(waits[0].result())
            await wallet.release(await waits[2])

            assert wallet.stats()["tokens"] == 0

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_a_cancelled_settlement_is_still_made(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            held = await reserve(wallet, 100)
            settling = asyncio.create_task(wallet.settle(held, Usage(30, 0)))
            await asyncio.sleep(0)
            settling.cancel()
            await spend(wallet, 70)

            assert wallet.stats()["tokens"] == 100

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_a_hundred_at_once_spend_no_more_than_one_reply_too_much(self, open_wallet: Open) -> None:
        async def one(wallet: Wallet, tokens: int) -> int:
            try:
                held = await reserve(wallet, 40)
            except BudgetExceeded:
                return 0
            await asyncio.sleep(0)
            await wallet.settle(held, Usage(tokens, 0))
            return tokens

        async def story(wallet: Wallet) -> None:
            spent = sum(await asyncio.gather(*(one(wallet, number % 40) for number in range(100))))
            assert 400 <= spent < 440
            assert wallet.stats()["tokens"] == spent

        with open_wallet(Limits(daily_tokens=400)) as wallet:
            run(story(wallet))

    def test_a_closed_wallet_reserves_nothing_and_still_settles(self, open_wallet: Open) -> None:
        async def story(wallet: Wallet) -> None:
            held = await reserve(wallet, 10)
            await wallet.close()
            with pytest.raises(HelperClosed):
                await reserve(wallet, 10)
            await wallet.settle(held, Usage(8, 0))

            assert wallet.stats()["tokens"] == 8

        with open_wallet(HUNDRED) as wallet:
            run(story(wallet))

    def test_all_that_is_open_at_the_end_may_be_settled_at_once(self, open_wallet: Open) -> None:
        """Each late settlement has a thread of its own."""

        async def story(wallet: Wallet) -> None:
            held = [await reserve(wallet, 7) for _ in range(40)]
            await wallet.close()
            await asyncio.gather(*(wallet.settle(one, Usage(5, 0)) for one in held))

            assert wallet.stats()["tokens"] == 200

        with open_wallet(Limits(daily_tokens=1_000)) as wallet:
            run(story(wallet))

    def test_serves_several_event_loops(self, open_wallet: Open) -> None:
        with open_wallet(HUNDRED) as wallet:
            held = run(reserve(wallet, 60))
            run(wallet.settle(held, Usage(60, 0)))
            run(spend(wallet, 40))

            assert wallet.stats()["tokens"] == 100


class TestSharedLedgers:
    """Two wallets in one place, as two processes have them."""

    @pytest.fixture(params=["file", "redis", "redis and file"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
        place: dict[str, Any] = {}
        if "file" in request.param:
            place["state"] = tmp_path / "state"
        if "redis" in request.param:
            place["redis"] = request.getfixturevalue("link")
        return place

    def test_one_counts_what_the_other_spent(self, open_wallet: Open) -> None:
        async def story(first: Wallet, second: Wallet) -> None:
            await spend(first, 60)
            await spend(second, 40)
            for wallet in (first, second):
                with pytest.raises(BudgetExceeded, match="100 of 100"):
                    await reserve(wallet, 1)

        with open_wallet(HUNDRED) as first, open_wallet(HUNDRED) as second:
            run(story(first, second))

    def test_one_waits_for_what_the_other_holds(self, open_wallet: Open) -> None:
        async def story(first: Wallet, second: Wallet) -> None:
            held = await reserve(first, 100)
            waits = asyncio.create_task(reserve(second, 50))
            await until_waiting(second, 1)
            await first.settle(held, Usage(50, 0))
            await second.settle(await waits, Usage(50, 0))

            assert second.stats()["tokens"] == 100

        with open_wallet(HUNDRED) as first, open_wallet(HUNDRED) as second:
            run(story(first, second))

    def test_an_alert_is_given_once_in_all(self, open_wallet: Open) -> None:
        async def story(*wallets: Wallet) -> None:
            for number in range(9):
                await spend(wallets[number % 2], 10)

        told: list[BudgetAlert] = []
        with open_wallet(HUNDRED, on_alert=told.append) as first, open_wallet(HUNDRED, on_alert=told.append) as second:
            run(story(first, second))
        with open_wallet(HUNDRED, on_alert=told.append) as third:
            run(spend(third, 1))

        assert [alert.share for alert in told] == [0.8]

    def test_all_is_still_there_after_a_restart(self, open_wallet: Open) -> None:
        for _start in range(4):
            with open_wallet(HUNDRED) as wallet:
                run(spend(wallet, 25))
        with open_wallet(HUNDRED) as wallet, pytest.raises(BudgetExceeded, match="100 of 100"):
            run(reserve(wallet, 1))

    def test_two_keys_have_two_wallets(self, place: dict[str, Any]) -> None:
        async def story(first: Wallet, second: Wallet) -> None:
            await spend(first, 100)
            await spend(second, 100)
            await first.close()
            await second.close()

        state = place.get("state")
        first, second = (
            Wallet(
                HUNDRED,
                PRICES,
                key=key,
                state=str(state) if state else None,
                redis=place.get("redis"),
                clock=FakeClock(),
            )
            for key in ("k1", "k2")
        )
        run(story(first, second))


def test_a_request_without_max_tokens_is_held_to_the_models_longest_answer() -> None:
    async def story(wallet: Wallet) -> None:
        known = await wallet.reserve(bot="a", model=MODEL, estimate=Estimate(100, None), until=soon())
        other = await wallet.reserve(bot="a", model="gpt-other", estimate=Estimate(100, None), until=soon())

        assert (known.amount.tokens, other.amount.tokens) == (600, 4_196)
        assert (known.amount.money, other.amount.money) == (600, 0)
        assert await wallet.settle(other, Usage(1, 1)) is None
        assert wallet.stats()["unpriced"] == 1

    with wallet_of(Limits(daily_tokens=10_000)) as wallet:
        run(story(wallet))
