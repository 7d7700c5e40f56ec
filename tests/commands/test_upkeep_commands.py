"""`files prune` and `files repair-schema` as users run them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from telethon.sessions import SQLiteSession

from core.session_files import sample_fleet
from core.session_files.database.schema import definition
from tests.session_files.test_mending import bytes_of
from tests.tool import Tool, states


def _run(tool: Tool, *words: str | Path) -> dict[str, Any]:
    done = tool.cleanup("files", *words, "--json")
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def half_made(tmp_path: Path) -> Path:
    """A folder with a session whose first start was cut after two tables, and a healthy one."""
    folder = tmp_path / "half"
    folder.mkdir(mode=0o700)
    with sqlite3.connect(folder / "half.session") as database:
        database.execute(definition("version"))
        database.execute(definition("sessions"))
    database.close()
    (folder / "half.session").chmod(0o600)
    sample_fleet.write_healthy(str(folder / "well"))
    return folder


def test_pruning_is_shown_done_and_undone(tool: Tool, crashed: Path) -> None:
    """Only what needs no mending is pruned; a dry run changes nothing."""
    before = bytes_of(crashed)

    shown = _run(tool, "prune", "-n", "--keep", "10", crashed)
    unchanged = bytes_of(crashed) == before
    done = _run(tool, "prune", "--keep", "10", crashed)

    assert states(shown) == {"hot": "skipped", "well": "prune"}
    assert unchanged
    assert states(done) == {"hot": "skipped", "well": "pruned"}
    assert "50 entities dropped" in done["folders"][0]["sessions"][1]["detail"]
    assert (crashed / "hot.session-journal").exists()
    assert "50 entities are back" in tool.cleanup("undo", done["run_id"]).stdout
    assert states(_run(tool, "prune", "-n", "--keep", "60", crashed))["well"] == "fine"


def test_pruned_rows_do_not_return_into_another_login(tool: Tool, crashed: Path) -> None:
    """Access hashes belong to one account."""
    run_id = _run(tool, "prune", "--keep", "10", crashed / "well")["run_id"]
    (crashed / "well.session").unlink()
    sample_fleet.write_healthy(str(crashed / "well"))
    new = (crashed / "well.session").read_bytes()

    undone = tool.cleanup("undo", run_id)

    assert undone.returncode == 3
    assert "another login stands there now" in undone.stdout
    assert (crashed / "well.session").read_bytes() == new


def test_one_session_can_be_named(tool: Tool, crashed: Path) -> None:
    """With or without its suffix."""
    sample_fleet.write_healthy(str(crashed / "other"))

    assert states(_run(tool, "prune", "-n", "--keep", "0", crashed / "well")) == {"well": "prune"}
    assert states(_run(tool, "prune", "-n", "--keep", "0", crashed / "well.session")) == {"well": "prune"}


@pytest.mark.parametrize(
    "words", [(), ("--older", "soon"), ("--keep", "-1"), ("--keep", "many"), ("--older", "1y", "--keep", "3")]
)
def test_a_rule_that_cannot_be_read_is_one_line_and_exit_2(tool: Tool, crashed: Path, words: tuple[str, ...]) -> None:
    done = tool.cleanup("files", "prune", *words, crashed)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_half_made_session_is_completed_and_undone(tool: Tool, half_made: Path) -> None:
    """Telethon opens it afterwards; undo gives back the very bytes."""
    before = (half_made / "half.session").read_bytes()

    shown = _run(tool, "repair-schema", "-n", half_made)
    done = _run(tool, "repair-schema", half_made)
    undone = tool.cleanup("undo", done["run_id"])

    assert states(shown) == {"half": "mend", "well": "fine"}
    detail = shown["folders"][0]["sessions"][0]["findings"][0]["detail"]
    assert "table entities, sent_files, update_state to be added; version row to be 8" in detail
    assert states(done) == {"half": "look at", "well": "fine"}  # complete, and not logged in
    assert undone.returncode == 0
    assert (half_made / "half.session").read_bytes() == before


def test_a_completed_session_that_was_used_keeps_its_bytes(tool: Tool, half_made: Path) -> None:
    done = _run(tool, "repair-schema", half_made)
    session = SQLiteSession(str(half_made / "half.session"))
    session.set_dc(2, "149.154.167.51", 443)
    session.save()
    session.close()
    used = (half_made / "half.session").read_bytes()

    undone = tool.cleanup("undo", done["run_id"])

    assert undone.returncode == 3
    assert "it was used since" in undone.stdout
    assert (half_made / "half.session").read_bytes() == used


def test_a_downgraded_copy_is_written_and_the_original_stays(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """Private, of the older schema, with the same login; a second call does not overwrite it."""
    before = bytes_of(crashed)
    words = ("files", "repair-schema", crashed / "well", "--downgrade", "7", "--out", tmp_path / "old.session")

    done = tool.cleanup(*words)
    again = tool.cleanup(*words)

    assert done.returncode == 0
    assert "never run it beside the original" in done.stdout
    assert (tmp_path / "old.session").stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(tmp_path / "old.session") as old, sqlite3.connect(crashed / "well.session") as new:
        assert old.execute("SELECT version FROM version").fetchall() == [(7,)]
        assert (
            old.execute("SELECT auth_key FROM sessions").fetchall()
            == new.execute("SELECT auth_key FROM sessions").fetchall()
        )
    old.close()
    new.close()
    assert again.returncode == 1
    assert bytes_of(crashed) == before


def test_a_misspelt_verb_is_answered_with_the_right_one(tool: Tool, crashed: Path) -> None:
    done = tool.cleanup("files", "prun", "--keep", "3", crashed)

    assert done.returncode == 2
    assert "did you mean prune?" in done.stderr
