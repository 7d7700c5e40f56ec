"""What is held open, as sums beside the book: always those of its rows, and rarely added up anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gpt.budget.book import Book
from gpt.budget.decide import Verdict
from gpt.budget.model import ALL, Amount, Cap, Caps, Reservation, scope_of
from gpt.budget.open_sums import Held
from tests.gpt.budget.world import MODEL
from utils.processes import own_identity

OWN = own_identity()
DAYS = ("2026-11-21", "2026-11-22")
ANY = Caps(Cap(10**9), Cap(10**9))


def held_by_rows(book: Book, day: str, bot: str | None) -> Held:
    """The same, asked of the rows."""
    own = "ifnull(sum(pid = ? AND ticks = ?), 0)"
    query = f"SELECT ifnull(sum(tokens), 0), ifnull(sum(money), 0), {own} FROM reserved"
    where = " WHERE closed = 0 AND wallet = 'k1' AND day = ?" + (" AND bot = ?" if bot is not None else "")
    of = (*book._process[:2], day) if bot is None else (*book._process[:2], day, bot)
    tokens, money, count = book._opened().execute(query + where, of).fetchone()
    return Held(Amount(tokens, money), count)


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_the_rows_whoever_writes(tmp_path: Path, seed: int) -> None:
    """Two processes and two wallets with one file; one is killed with reservations open, and its rows are reaped."""
    chance = random.Random(seed)
    gone = OWN._replace(ticks=OWN.ticks - 1)
    books = [Book(str(tmp_path), "k1", OWN), Book(str(tmp_path), "k2", OWN), Book(str(tmp_path), "k1", gone)]
    held: list[tuple[Book, Reservation]] = []
    for number in range(300):
        book = chance.choice(books)
        if held and chance.random() < 0.4:
            of, one = held.pop(chance.randrange(len(held)))
            of.settle(one, Amount(chance.randrange(9), 1))
        elif chance.random() < 0.02:
            books[0].reap()
        else:
            asked = Reservation(f"r{number}", chance.choice(DAYS), chance.choice("ab"), MODEL, Amount(number, 7))
            assert book.reserve(asked, ANY).verdict is Verdict.ADMIT
            held.append((book, asked))
        day, bot = chance.choice(DAYS), chance.choice("ab")
        with books[0]._writing() as db:
            assert books[0]._open.of(db, day, ALL) == held_by_rows(books[0], day, None)
            assert books[0]._open.of(db, day, scope_of(bot)) == held_by_rows(books[0], day, bot)
    for book in books:
        book.close()


def test_what_was_rolled_back_is_not_in_them(tmp_path: Path) -> None:
    book = Book(str(tmp_path), "k1", OWN)
    asked = Reservation("r1", DAYS[0], "a", MODEL, Amount(5, 5))
    book.reserve(asked, ANY)

    def fail() -> None:
        with book._writing() as db:
            book._insert(db, asked._replace(id="r2"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    with book._reading() as db:
        assert book._open.of(db, DAYS[0], ALL) == Held(Amount(5, 5), 1)
    book.close()


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_thousand_are_not_added_up_for_each_more(tmp_path: Path, is_shared: bool) -> None:
    """2,000 at once took seconds: each looked at all that were open."""
    book = Book(str(tmp_path), "k1", OWN, is_shared=is_shared)
    statements: list[str] = []
    book._opened().set_trace_callback(statements.append)
    for number in range(50):
        asked = Reservation(f"r{number}", DAYS[0], "a", MODEL, Amount(1, 1))
        if is_shared:
            book.statement(DAYS[0], "a")
            book.insert(asked)
        else:
            book.reserve(asked, ANY)
    for number in range(50):
        book.settle(Reservation(f"r{number}", DAYS[0], "a", MODEL, Amount(1, 1)), Amount(1, 1))

    assert len([one for one in statements if "sum(" in one or "count(" in one]) == 1
    assert not [one for one in statements if "closed = 0 LIMIT" in one], "names of all that is open"
    book.close()
