"""A file that cannot be used: with limits nothing is sent and nothing of it is touched; without, all goes on."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gpt.budget import Limits
from gpt.budget.book import Book
from gpt.budget.model import ALL, Amount
from gpt.errors import BudgetExceeded, GptSettingsError
from gpt.model import Usage
from tests.gpt.budget.world import fill, reserve, run, spend, wallet_of
from tests.other_user import NOBODY, let_everybody_in
from utils.processes import own_identity

LIMITED = Limits(daily_tokens=100)


def corrupt(file: Path) -> None:
    file.write_bytes(b"no database, and longer than its header would be".ljust(5_000, b"!"))


def damage(file: Path) -> None:
    """Its header is whole, its pages are not."""
    with wallet_of(LIMITED, state=file.parent) as wallet:
        run(spend(wallet, 1))
    contents = bytearray(file.read_bytes())
    contents[200:] = b"\xa5" * (len(contents) - 200)
    file.write_bytes(contents)


def foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (it)")


def later(file: Path) -> None:
    with wallet_of(LIMITED, state=file.parent) as wallet:
        run(spend(wallet, 1))
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA user_version = 99")


def folder(file: Path) -> None:
    file.mkdir()


SPOILED = [corrupt, damage, foreign, later, folder]


@pytest.fixture(params=SPOILED, ids=lambda spoil: spoil.__name__)
def spoiled(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "budget.sqlite3"
    request.param(file)
    return file


def test_under_a_limit_nothing_is_sent_and_the_file_stays_as_it_is(spoiled: Path) -> None:
    before = spoiled.read_bytes() if spoiled.is_file() else None

    with wallet_of(LIMITED, state=spoiled.parent) as wallet:
        for _try in range(2):
            with pytest.raises(GptSettingsError) as caught:
                run(reserve(wallet, 1))

            assert str(caught.value).startswith(f"the record of the budget {spoiled} ")
            assert "\n" not in str(caught.value)
            assert caught.value.hint

    assert (spoiled.read_bytes() if spoiled.is_file() else None) == before


def test_without_a_limit_it_is_said_once_and_counted_in_memory(spoiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    with wallet_of(Limits(), state=spoiled.parent) as wallet:
        for _time in range(3):
            run(spend(wallet, 10))
            wallet._desk._tally.flush()

        assert wallet.stats()["tokens"] == 30
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].startswith(
        f"the day's tokens and money are counted in memory only: the record of the budget {spoiled} "
    )


def test_once_it_can_be_used_again_nothing_that_was_counted_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "budget.sqlite3"
    foreign(file)
    with wallet_of(Limits(), state=tmp_path) as wallet:
        run(spend(wallet, 10))
        wallet._desk._tally.flush()
        file.unlink()
        run(spend(wallet, 5))
    with wallet_of(LIMITED, state=tmp_path) as wallet:
        run(spend(wallet, 1))

        assert wallet.stats()["tokens"] == 16


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[None]:
    """The test's own process without root's powers, for whom no file is read-only."""
    let_everybody_in(tmp_path)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    with wallet_of(LIMITED, state=tmp_path / "state") as wallet:
        run(spend(wallet, 1))
    (tmp_path / "state").chmod(0o755)
    file = tmp_path / "state" / "budget.sqlite3"
    file.chmod(0o444)
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.usefixtures("written", "as_nobody")
def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    with (
        wallet_of(LIMITED, state=tmp_path / "state") as wallet,
        pytest.raises(GptSettingsError, match=r"budget\.sqlite3 cannot be used \(Permission denied\)"),
    ):
        run(reserve(wallet, 1))


def test_folder_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    with wallet_of(LIMITED, state=tmp_path / "deep" / "state") as wallet:
        run(spend(wallet, 1))
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in [tmp_path / "deep" / "state", *(tmp_path / "deep" / "state").iterdir()]
        }

    assert modes == {
        "state": 0o700,
        "budget.sqlite3": 0o600,
        "budget.sqlite3-wal": 0o600,
        "budget.sqlite3-shm": 0o600,
    }


def test_on_a_full_disk_nothing_is_sent_and_no_settlement_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be written is kept, and counted before anything else is admitted."""
    with wallet_of(LIMITED, state=tmp_path) as wallet:
        held = run(reserve(wallet, 60))
        connection = fill(wallet)

        with pytest.raises(
            BudgetExceeded, match=r"budget\.sqlite3 cannot be used \(database or disk is full\)"
        ) as caught:
            run(reserve(wallet, 10, bot="b" * 5_000))
        assert "disk full" in (caught.value.hint or "")
        connection.execute("PRAGMA query_only = 1")
        assert run(wallet.settle(held, Usage(50, 0))) is not None
        with pytest.raises((BudgetExceeded, GptSettingsError), match="cannot be used"):
            run(reserve(wallet, 10))
        connection.execute("PRAGMA query_only = 0")
        connection.execute("PRAGMA max_page_count = 1000000")

        run(spend(wallet, 50))
        with pytest.raises(BudgetExceeded, match="100 of 100"):
            run(reserve(wallet, 1))
    assert any("kept in memory for now" in message for message in caplog.messages)


def test_a_file_that_another_program_holds_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpt.budget.book_file._PATIENCE", 0.05)
    with wallet_of(LIMITED, state=tmp_path) as wallet:
        run(spend(wallet, 1))
        with closing(sqlite3.connect(tmp_path / "budget.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BudgetExceeded, match=r"cannot be used \(database is locked\)"):
                run(reserve(wallet, 1))
        run(spend(wallet, 99))

        assert wallet.stats()["tokens"] == 100


@pytest.mark.parametrize("attempt", range(5))
def test_many_who_make_the_file_at_once_make_one(tmp_path: Path, attempt: int) -> None:
    """None of them takes a file that another is just making for a foreign one."""
    folder, together, failed = str(tmp_path / str(attempt)), threading.Barrier(8), []

    def make(number: int) -> None:
        book = Book(folder, "k1", own_identity())
        together.wait()
        try:
            book.count("d", {ALL: Amount(1, number)})
        except (sqlite3.Error, GptSettingsError) as error:
            failed.append(error)
        book.close()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book = Book(folder, "k1", own_identity())

    assert failed == []
    assert book.shares("d")[ALL].own == Amount(8, 28)
    book.close()


def test_today_is_kept_though_a_clock_was_ahead_for_long(tmp_path: Path) -> None:
    book = Book(str(tmp_path), "k1", own_identity())
    for number in range(100):
        book.count(f"2090 {number:03}", {ALL: Amount(1, 1)})
    book.count("2026", {ALL: Amount(7, 7)})
    book.close()

    assert book.shares("2026")[ALL].own == Amount(7, 7)
    book.close()


def test_days_long_past_are_forgotten(tmp_path: Path) -> None:
    book = Book(str(tmp_path), "k1", own_identity())
    for number in range(100):
        book.count(f"day {number:03}", {ALL: Amount(1, 1), "b:anna": Amount(1, 1)})
    book.close()

    assert book.shares("day 000", "anna")[ALL].own == Amount()
    assert book.shares("day 040", "anna")["b:anna"].own == Amount(1, 1)
    book.close()
