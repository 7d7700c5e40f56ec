"""What a salvage holds in memory: the file and little more, while it reads and afterwards."""

from __future__ import annotations

import gc
import sqlite3
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files.database.salvage import Rescued, salvage
from core.session_files.database.telethon_rows import Entity, Table
from core.session_files.rescue.salvage import write_rescued
from tests.deciders.databases import TABLES_8, database_of, open_pages
from tests.deciders.sessions_to_damage import overwritten, placed_rows, telethon_file


def session_of_many(count: int = 20_000) -> bytes:
    return database_of(
        *TABLES_8,
        "INSERT INTO sessions VALUES (0, NULL, NULL, x'', NULL, x'')",
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
        "INSERT INTO entities SELECT i * 50021, i << 40, 'user' || i, NULL, 'Person number ' || i, 1760000000 FROM n",
    )


def session_of_long_names() -> bytes:
    """Each row continues on overflow pages."""
    return database_of(
        "PRAGMA page_size = 512",
        "VACUUM",
        *TABLES_8,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
        "INSERT INTO entities SELECT i, i << 40, NULL, NULL, printf('%.*c', 900 + i, 'x'), 1760000000 FROM n",
    )


def root_of_entities(main: bytes) -> int:
    return next(item.root for item in open_pages(main).schema() if item.name == Table.ENTITIES.value)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("lost", ["nothing", "the first page", "the root of the entities"])
def test_rows_are_not_held_as_objects(lost: str, tmp_path: Path) -> None:
    """Neither when the trees give them nor when they are found without, nor while they are written."""
    main = session_of_many()
    page = {"nothing": 0, "the first page": 1}.get(lost, root_of_entities(main))
    damaged = overwritten(main, page, 4096, seed=1) if page else main
    salvage(telethon_file(30))  # what is made once
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]

    rescued = salvage(damaged)
    write_rescued(rescued, str(tmp_path / "new.session"))

    assert len(rescued.entities) == 20_000
    assert tracemalloc.get_traced_memory()[1] - before < len(main)


@pytest.mark.parametrize("page", [1, 0])
def test_what_was_rescued_goes_with_its_last_user(page: int) -> None:
    """Without the collector, which commands switch off: rows that continue on other pages make no circle."""
    main = session_of_long_names()
    gc.disable()
    try:
        rescued: Rescued | None = salvage(overwritten(main, page, 512, seed=2) if page else main)
        assert rescued is not None
        rows = weakref.ref(rescued.entities)
        assert len(rescued.entities) == 40

        rescued = None

        assert rows() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("main", [session_of_long_names(), telethon_file(300)], ids=["long names", "usual names"])
def test_rows_can_be_gone_through_again(main: bytes) -> None:
    """Each time they are the same, in the same order, as many as their number says, wherever they continue."""
    placed = [one.row for one in placed_rows(main) if isinstance(one.row, Entity)]

    found = salvage(main).entities

    assert list(found) == list(found) == placed
    assert len(found) == len(placed)
    assert placed[7] in found
    assert placed[7]._replace(hash=1) not in found


def test_found_rows_are_not_shown() -> None:
    """Contacts are secret: neither rows nor pages tell more than their number."""
    found = salvage(telethon_file(30)).entities

    assert repr(found) == "Rows(30)"
    assert {repr(page) for page in found.pages} == {"KeptPage(30 rows)"}  # type: ignore[attr-defined]


def test_of_two_pages_with_one_row_the_later_wins() -> None:
    """Both are orphans of one database: the older page is taken whole at first, and gives its row up."""
    older, newer = (
        database_of(
            *TABLES_8,
            f"INSERT INTO entities VALUES (5, 7, 'ana', NULL, '{name}', {date})",
            f"INSERT INTO entities VALUES ({other}, 7, 'bo', NULL, 'Bo', 1760000000)",
        )
        for name, date, other in (("Old", 1_720_000_000, 9), ("New", 1_720_000_001, 7))
    )
    root = root_of_entities(older)
    page = slice((root - 1) * 4096, root * 4096)

    for first, second in ((older, newer), (newer, older)):
        found = salvage(bytes(4096) + first[page] + second[page]).entities

        assert sorted((one.id, one.name) for one in found) == [(5, "New"), (7, "Bo"), (9, "Bo")]


def test_a_salvaged_session_is_the_damaged_one_again(tmp_path: Path) -> None:
    """Also where each row stands on several pages."""
    main = session_of_long_names()
    path = tmp_path / "new.session"

    write_rescued(salvage(overwritten(main, 1, 512, seed=1)), str(path))

    with closing(sqlite3.connect(path)) as database:
        written = database.execute("SELECT * FROM entities").fetchall()
    assert sorted(written) == sorted(one.row for one in placed_rows(main) if isinstance(one.row, Entity))
