"""`files salvage` as users run it: what a damaged session still holds is in a fresh one, the old one in quarantine."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from telethon.sessions import SQLiteSession

from core.session_files import sample_fleet
from tests.session_files.holding import IDLE, holding
from tests.session_files.test_mending import bytes_of
from tests.tool import Tool, states

PAGE = 4096
ENTITIES = 460


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder with one session of 460 entities, whose login is known, and a page of entities overwritten."""
    folder = tmp_path / "sessions"
    folder.mkdir(mode=0o700)
    sample_fleet.crash_in_wal_mode(str(folder / "bot"))
    with closing(sqlite3.connect(folder / "bot.session")) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    _overwrite(folder / "bot.session", 8)
    return folder


def _overwrite(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(PAGE * (page - 1))
        file.write(Random(page).randbytes(PAGE))
    os.utime(path, (1, 1))


def _salvage(tool: Tool, *words: str | Path) -> dict[str, Any]:
    done = tool.cleanup("files", "salvage", *words, "--json")
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _key(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as database:
        ((key,),) = database.execute("SELECT auth_key FROM sessions").fetchall()
    assert isinstance(key, bytes)
    return key


def _entities(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM entities").fetchone()
    assert isinstance(count, int)
    return count


def test_a_damaged_session_starts_again_with_its_login_and_what_is_left(tool: Tool, damaged: Path) -> None:
    """One page is lost and nothing else; the damaged file is in quarantine, and undo brings it back."""
    before = bytes_of(damaged)
    raw = (damaged / "bot.session").read_bytes()

    shown = _salvage(tool, "-n", damaged)
    unchanged = bytes_of(damaged) == before
    done = _salvage(tool, damaged)
    session = SQLiteSession(str(damaged / "bot.session"))
    key = session.auth_key.key
    session.close()

    assert states(shown) == {"bot": "damaged"}
    assert "login of data centre 2" in shown["folders"][0]["sessions"][0]["findings"][0]["detail"]
    assert unchanged
    assert (states(done), done["exit_code"]) == ({"bot": "mended"}, 0)
    assert key in raw
    assert ENTITIES - 60 < _entities(damaged / "bot.session") < ENTITIES
    assert (damaged / "quarantine" / done["run_id"] / "bot.session").read_bytes() == raw
    assert (damaged / "bot.session").stat().st_mode & 0o777 == 0o600


def test_undo_brings_the_damaged_one_back_unless_the_fresh_one_was_used(tool: Tool, damaged: Path) -> None:
    raw = (damaged / "bot.session").read_bytes()

    first = tool.cleanup("undo", _salvage(tool, damaged)["run_id"])
    back = (damaged / "bot.session").read_bytes() == raw
    os.utime(damaged / "bot.session", (1, 1))
    second = _salvage(tool, damaged)["run_id"]
    with closing(sqlite3.connect(damaged / "bot.session")) as database:
        database.execute("DELETE FROM entities")
        database.commit()
    used = tool.cleanup("undo", second)

    assert (first.returncode, back) == (0, True)
    assert used.returncode == 3
    assert "it was used since" in used.stdout


@pytest.mark.parametrize(
    ("lost", "state"),
    [("sqlite_schema", "mended"), ("version", "mended"), ("sessions", "look at"), ("entities", "mended")],
)
def test_lost_pages_cost_only_what_was_on_them(tool: Tool, tmp_path: Path, lost: str, state: str) -> None:
    """Without the page of logins the key is gone, and that is said; without any other it is found."""
    sample_fleet.write_healthy(str(tmp_path / "bot"))
    path = tmp_path / "bot.session"
    key = _key(path)
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (page,) = database.execute(query, (lost,)).fetchone() or (1,)
    _overwrite(path, page)

    done = _salvage(tool, path)

    assert states(done) == {"bot": state}
    assert done["exit_code"] == 0
    if state == "mended":
        assert _key(path) == key
    assert _entities(path) == 60  # also where the root of their tree is gone: their own pages are found


def test_a_cut_session_gives_what_is_before_the_cut(tool: Tool, damaged: Path) -> None:
    os.truncate(damaged / "bot.session", 5 * PAGE)
    os.utime(damaged / "bot.session", (1, 1))

    done = _salvage(tool, damaged / "bot")

    assert states(done) == {"bot": "mended"}
    assert len(_key(damaged / "bot.session")) == 256


def test_elsewhere_means_that_nothing_else_changes(tool: Tool, damaged: Path, tmp_path: Path) -> None:
    before = bytes_of(damaged)

    done = _salvage(tool, damaged / "bot", "--out", tmp_path / "new.session")
    again = tool.cleanup("files", "salvage", damaged / "bot", "--out", tmp_path / "new.session")

    assert (done["login"], done["entities"]) == (True, _entities(tmp_path / "new.session"))
    assert (tmp_path / "new.session").stat().st_mode & 0o777 == 0o600
    assert bytes_of(damaged) == before
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_what_holds_nothing_stays_where_it_is(tool: Tool, damaged: Path) -> None:
    """Garbage, and a file of zeroes: named, exit 3, untouched."""
    for name, content in (("junk", b"{json}" * 5000), ("zeroes", bytes(20_000))):
        (damaged / f"{name}.session").write_bytes(content)
        os.utime(damaged / f"{name}.session", (1, 1))
    before = bytes_of(damaged)

    done = _salvage(tool, damaged / "junk", damaged / "zeroes")

    assert (set(states(done).values()), done["exit_code"]) == ({"damaged"}, 3)
    assert bytes_of(damaged) == before


def test_a_session_in_use_is_not_touched(tool: Tool, damaged: Path) -> None:
    sample_fleet.write_healthy(str(damaged / "held"))

    with holding(IDLE, damaged / "held.session"):
        done = tool.cleanup("files", "salvage", damaged / "held", "--out", damaged / "new")

    assert done.returncode == 1
    assert "in use" in done.stderr


def test_a_healthy_fleet_has_nothing_to_salvage(tool: Tool, tmp_path: Path) -> None:
    folder = tmp_path / "well"
    folder.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(folder / "a"))

    done = tool.cleanup("files", "salvage", folder)

    assert done.returncode == 0
    assert "No damaged session among 1 session." in done.stdout


def test_nothing_is_written_beside_an_orphan_journal(tool: Tool, damaged: Path) -> None:
    """SQLite deletes the journal of a new, empty database."""
    sample_fleet.crash_in_large_transaction(str(damaged / "gone"))
    (damaged / "gone.session").unlink()
    before = bytes_of(damaged)

    done = tool.cleanup("files", "salvage", damaged / "bot", "--out", damaged / "gone.session")

    assert done.returncode == 1
    assert bytes_of(damaged) == before
