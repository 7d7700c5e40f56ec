"""Pruning the entity cache and repairing schemas of real Telethon files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from telethon.sessions import SQLiteSession

from core.errors import SessionFileBusy
from core.session_files import sample_fleet
from core.session_files.upkeep.plan import PruneRule
from core.session_files.upkeep.prune import give_back, glance, prune, survey

SELF = 700
CHANNEL = 1234


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A login with 1,000 entities seen in the seconds 1 to 1,000, the account and a followed channel among them."""
    sample_fleet.write_healthy(str(tmp_path / "a"))
    path = tmp_path / "a.session"
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM entities")
        rows = ((number, 9, f"user{number}" if number % 2 else None, None, None, number) for number in range(1, 1001))
        database.executemany("INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.execute("INSERT INTO entities VALUES (0, ?, NULL, NULL, NULL, 1)", (SELF,))
        database.execute("INSERT INTO entities VALUES (?, 5, 'news', NULL, 'News', 1)", (-1000000000000 - CHANNEL,))
        database.execute("INSERT INTO entities VALUES (5000, 5, NULL, NULL, NULL, NULL)")
        database.execute("INSERT INTO update_state VALUES (?, 1, 1, 1, 1)", (CHANNEL,))
    database.close()
    return path


def _ids(path: Path) -> set[int]:
    with sqlite3.connect(path) as database:
        found = {row[0] for row in database.execute("SELECT id FROM entities")}
    database.close()
    return found


NEVER = {0, SELF, -1000000000000 - CHANNEL}


@pytest.mark.parametrize(
    ("rule", "stay"),
    [
        (PruneRule(), {*range(1, 1001), 5000}),
        (PruneRule(older_than=991), {*range(991, 1001), 5000}),
        (PruneRule(keep=10), set(range(991, 1001))),
        (PruneRule(keep=0), set()),
        (PruneRule(older_than=991, keep=3), {998, 999, 1000}),
        (PruneRule(keep=5000), {*range(1, 1001), 5000}),
    ],
)
def test_old_entities_go_and_what_a_start_needs_stays(cache: Path, rule: PruneRule, stay: set[int]) -> None:
    """The row 0, the account itself, and every channel that has a state; a row without a date counts as oldest."""
    told = survey(str(cache), rule)
    glanced = glance(str(cache), rule)

    done = prune(str(cache), rule)

    assert _ids(cache) == stay | NEVER
    assert told.going == done.going
    assert glanced.worth_it == told.worth_it
    assert done.going == 1003 - len(stay | NEVER)


def test_what_can_be_looked_up_by_name_is_counted(cache: Path) -> None:
    """Each such lookup will ask Telegram again."""
    assert survey(str(cache), PruneRule(older_than=101)).named == 50


def test_the_room_is_given_back_and_the_session_still_opens(cache: Path) -> None:
    before = cache.stat().st_size

    prune(str(cache), PruneRule(keep=0))

    assert cache.stat().st_size < before - 20_000
    session = SQLiteSession(str(cache))
    assert session.auth_key is not None
    assert session.get_input_entity(0).access_hash == SELF
    session.close()
    assert not survey(str(cache), PruneRule(keep=0)).worth_it


def test_looking_changes_nothing(cache: Path) -> None:
    before = (cache.read_bytes(), cache.stat().st_mtime_ns)

    survey(str(cache), PruneRule(keep=0, indexes=True))

    assert (cache.read_bytes(), cache.stat().st_mtime_ns) == before
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_indexes_are_added_on_request_and_used(cache: Path) -> None:
    assert prune(str(cache), PruneRule(indexes=True)).missing_indexes == 3

    with sqlite3.connect(cache) as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT id, hash, date FROM entities WHERE username = 'x'"
        ).fetchall()
    database.close()
    assert "USING INDEX gavat_entities_username" in plan[0][3]
    assert not survey(str(cache), PruneRule(indexes=True)).worth_it


def test_pruned_rows_come_back_beside_what_is_newer(cache: Path, tmp_path: Path) -> None:
    """Undo never takes away what a bot wrote since."""
    copy = tmp_path / "copy" / cache.name
    copy.parent.mkdir()
    copy.write_bytes(cache.read_bytes())
    prune(str(cache), PruneRule(older_than=991, indexes=True))
    with sqlite3.connect(cache) as database:
        database.execute("INSERT INTO entities VALUES (7, 77, NULL, NULL, NULL, 2000)")
        database.execute("INSERT INTO entities VALUES (8000, 88, NULL, NULL, NULL, 2000)")
    database.close()

    assert give_back(str(cache), str(copy)) == 990 - 1 - 1  # not row 7, which is newer, nor the account, which stayed

    assert _ids(cache) == {*range(1, 1001), 5000, 8000} | NEVER
    with sqlite3.connect(cache) as database:
        assert database.execute("SELECT hash FROM entities WHERE id = 7").fetchall() == [(77,)]
        assert database.execute(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name LIKE 'gavat%'"
        ).fetchone() == (0,)
    database.close()


def test_a_session_that_somebody_writes_is_left_alone(cache: Path) -> None:
    writer = sqlite3.connect(cache, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    with pytest.raises(SessionFileBusy):
        prune(str(cache), PruneRule(keep=0))

    writer.close()
    assert len(_ids(cache)) == 1003
