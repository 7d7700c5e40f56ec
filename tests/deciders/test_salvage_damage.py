"""Damage of every kind: what is outside of it comes back, the key where its bytes are, and never a row of nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.session_files.database.salvage import Rescued, salvage
from core.session_files.database.telethon_rows import Login, Row, Table, key_of
from tests.deciders.sessions_to_damage import (
    PAGE_SIZES,
    SEVERAL_PAGE_SIZES,
    all_rows,
    key_of_session,
    login_cell,
    overwritten,
    placed_rows,
    telethon_file,
)

thorough = settings(max_examples=150, deadline=None)
sizes = st.sampled_from(PAGE_SIZES)
KEY = key_of_session()


def check(main: bytes, damaged: bytes, pages: set[int], *, touched: Iterable[Row] = ()) -> Rescued:
    """Rescue, and hold it against the undamaged file; `pages` are those with damage, `touched` rows with changed bytes.

    Nothing could tell that a value of a touched row is not its own, as long as it is a valid one; its key is such a
    value, too.
    """
    placed = placed_rows(main)
    safe = {one.row for one in placed if not one.pages & pages}
    there = {without_tmp_key(one.row) for one in placed}
    touched = list(touched)
    keys = {key_of(row) for row in touched}

    rescued = salvage(damaged)

    found = all_rows(rescued)
    assert safe <= found
    strange = {row for row in map(without_tmp_key, found) if row not in there}
    missing = keys - {key_of(row) for row in found}
    assert len({row for row in strange if key_of(row) not in keys}) <= len(missing)
    return rescued


def without_tmp_key(row: Row) -> Row:
    """A login whose temporary key is lost is rescued without it."""
    return row._replace(tmp_auth_key=None) if isinstance(row, Login) else row


@pytest.mark.parametrize("seed", range(50))
def test_one_page_of_fifty_overwritten(seed: int) -> None:
    """The proof of the issue: 50 sessions, one random page of each overwritten with random bytes."""
    random = Random(seed)
    page_size = random.choice(PAGE_SIZES)
    main = telethon_file(random.choice([0, 5, 60, 300]), page_size=page_size)
    page = random.randrange(1, len(main) // page_size + 1)
    damaged = overwritten(main, page, page_size, seed)

    rescued = check(main, damaged, {page})

    assert [login.auth_key for login in rescued.logins] == [KEY] * (KEY in damaged)
    assert set(rescued.damaged_pages) <= {page}


@pytest.mark.parametrize("seed", range(30))
def test_files_cut_anywhere(seed: int) -> None:
    """Every row before the cut, and the key where all of it is before the cut."""
    random = Random(seed)
    page_size = random.choice(PAGE_SIZES)
    main = telethon_file(random.choice([5, 60, 300]), page_size=page_size, tmp_key=bool(seed % 2))
    damaged = main[: random.randrange(len(main))]

    rescued = check(main, damaged, set(range(len(damaged) // page_size + 1, len(main) // page_size + 1)))

    assert KEY not in damaged or [login.auth_key for login in rescued.logins] == [KEY]


@thorough
@given(sizes, st.sampled_from([5, 60, 300]), st.data())
def test_several_pages_overwritten(page_size: int, people: int, data: st.DataObject) -> None:
    """With random bytes, zeros, or another page of the same file."""
    main = telethon_file(people, page_size=page_size)
    numbers = st.integers(1, len(main) // page_size)
    pages = data.draw(st.sets(numbers, min_size=1))
    damaged = bytearray(main)
    for page in pages:
        image = data.draw(st.one_of(st.just(bytes(page_size)), st.randoms().map(random_page(page_size)), numbers))
        if isinstance(image, int):
            image = main[(image - 1) * page_size : image * page_size]
        damaged[(page - 1) * page_size : page * page_size] = image

    check(main, bytes(damaged), pages)


def random_page(size: int) -> Callable[[Random], bytes]:
    return lambda random: random.randbytes(size)


@thorough
@given(sizes, st.sampled_from([5, 60, 300]), st.data())
def test_bits_flipped_and_ranges_zeroed(page_size: int, people: int, data: st.DataObject) -> None:
    """Rows with no changed byte are as they were, also on pages where others are broken."""
    main = telethon_file(people, page_size=page_size, tmp_key=True)
    damaged = bytearray(main)
    changed: set[int] = set()
    for at, length in data.draw(st.lists(st.tuples(st.integers(0, len(main) - 1), st.integers(0, 9000)), max_size=4)):
        end = min(len(main), at + length) if length > 20 else at + 1
        damaged[at:end] = bytes(end - at) if length > 20 else bytes((main[at] ^ 1 << length % 8,))
        changed.update(range(at, end))
    pages = {at // page_size + 1 for at in changed}
    rows = [one.row for one in placed_rows(main) if one.pages & pages]

    check(main, bytes(damaged), pages, touched=rows)


@pytest.mark.parametrize("page_size", SEVERAL_PAGE_SIZES)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_rows_on_the_sound_part_of_a_page_come_back(page_size: int, share: float) -> None:
    """The beginning of every page is lost, and with it which rows there are; those whose bytes are there are found."""
    main = telethon_file(60, page_size=page_size)
    damaged = bytearray(main)
    for start in range(0, len(main), page_size):
        damaged[start : start + int(share * page_size)] = Random(start).randbytes(int(share * page_size))

    rescued = salvage(bytes(damaged))

    there = {one.row for one in placed_rows(main)}
    assert all_rows(rescued) <= there
    assert login_cell(main) not in damaged or [login.auth_key for login in rescued.logins] == [KEY]


@thorough
@given(st.binary(max_size=3000), st.binary(max_size=3000), st.binary(max_size=3000))
def test_noise_gives_nothing(main: bytes, journal: bytes, wal: bytes) -> None:
    """Alone, and behind the headers that a database, a journal and a log begin with."""
    head = telethon_file(0, page_size=512)[:512]
    journal_head = bytes.fromhex("d9d505f920a163d7") + b"\xff\xff\xff\xff" + bytes(7) + b"\7" + b"\0\0\2\0" * 2
    wal_head = b"\x37\x7f\x06\x82" + (3007000).to_bytes(4, "big") + b"\0\0\2\0" + bytes(20)

    for rescued in (salvage(main, journal, wal), salvage(head + main, journal_head + journal, wal_head + wal)):
        assert all_rows(rescued) == set()


@thorough
@given(sizes, st.randoms(), st.sampled_from([0.0001, 0.01, 0.3]))
def test_any_bytes_changed_anywhere_raise_nothing(page_size: int, random: Random, share: float) -> None:
    """Also where headers, pointers and sizes lie; every row is accounted for, and none comes twice."""
    parts = []
    for seed in (1, 2, 3):
        part = bytearray(telethon_file(60, page_size=page_size, seed=seed))
        for _ in range(max(1, int(share * min(len(part), 4096)))):
            part[random.randrange(len(part))] = random.randrange(256)
        parts.append(bytes(part))

    rescued = salvage(*parts)

    accounted = {table: sum(account.rows.values()) for table, account in rescued.account.items()}
    assert accounted[Table.ENTITIES] == len(rescued.entities) == len({row.id for row in rescued.entities})
    assert accounted[Table.UPDATE_STATE] == len(rescued.update_state) == len({row.id for row in rescued.update_state})
    assert accounted[Table.SENT_FILES] == len(rescued.sent_files) == len({key_of(row) for row in rescued.sent_files})
