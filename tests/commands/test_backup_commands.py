"""`files backup`, `files restore` and `files backup-purge` as users run them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from core.session_files import sample_fleet
from core.session_files.database.schema import definition
from tests.session_files.holding import IN_TRANSACTION, holding
from tests.session_files.test_mending import bytes_of
from tests.tool import BARE, CLEANUP, Tool
from utils.clock import utc_now


def _run(tool: Tool, *words: str | Path) -> dict[str, Any]:
    done = tool.cleanup("files", *words, "--json")
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _states(document: dict[str, Any]) -> dict[str, str]:
    return {Path(one["path"]).stem: one["state"] for one in document["sessions"]}


def _key(session: Path) -> object:
    with sqlite3.connect(session) as database:
        (found,) = database.execute("SELECT auth_key FROM sessions").fetchall()
    database.close()
    return found


def test_a_backup_leaves_the_sessions_as_they_are_and_names_what_it_cannot_take(tool: Tool, crashed: Path) -> None:
    soon = utc_now().timestamp() + 60  # so that it was written within the two seconds that a clock's tick may hide
    os.utime(crashed / "well.session", (soon, soon))
    before = bytes_of(crashed)

    shown = _run(tool, "backup", "-n", crashed)
    nothing_written = not tool.state.exists()
    done = _run(tool, "backup", crashed)
    again = _run(tool, "backup", crashed)

    assert _states(shown)["well"] == "back up"
    assert nothing_written
    assert (_states(done), done["exit_code"]) == ({"hot": "failed", "well": "backed up"}, 3)
    assert "mend it first" in done["sessions"][0]["hint"]
    assert _states(again)["well"] == "backed up"
    assert bytes_of(crashed) == before
    assert Path(done["sessions"][1]["backup"]).stat().st_mode & 0o777 == 0o600


def test_a_session_that_was_not_written_is_passed_over(tool: Tool, crashed: Path) -> None:
    os.utime(crashed / "well.session", (1, 1))
    _run(tool, "backup", crashed / "well")

    assert _states(_run(tool, "backup", crashed / "well")) == {"well": "unchanged"}
    assert _states(_run(tool, "backup", "-n", crashed / "well")) == {"well": "unchanged"}
    assert tool.cleanup("files", "backup", "-q", crashed / "well").stdout == ""


def test_a_session_in_use_is_backed_up_and_not_restored(tool: Tool, crashed: Path) -> None:
    """The backup holds what was committed; the bot and its transaction are not disturbed."""
    with holding(IN_TRANSACTION, crashed / "held.session"):
        taken = _run(tool, "backup", crashed / "held")
        refused = _run(tool, "restore", "held")

        assert _states(taken) == {"held": "backed up"}
        assert refused["folders"][0]["sessions"][0]["state"] == "in use"
        assert refused["exit_code"] == 3


def test_a_deleted_session_comes_back_and_undo_takes_it_away_again(tool: Tool, crashed: Path) -> None:
    _run(tool, "backup", crashed / "well")
    key = _key(crashed / "well.session")
    (crashed / "well.session").unlink()

    shown = _run(tool, "restore", "well", "-n")
    untouched = not (crashed / "well.session").exists()
    done = _run(tool, "restore", "well")

    assert shown["folders"][0]["sessions"][0]["state"] == "mend"
    assert untouched
    assert done["exit_code"] == 0
    assert _key(crashed / "well.session") == key
    assert (crashed / "well.session").stat().st_mode & 0o777 == 0o600
    assert tool.cleanup("undo", done["run_id"]).returncode == 0
    assert not (crashed / "well.session").exists()
    assert list((crashed / "quarantine").rglob("well.session"))


def test_a_restored_session_gives_way_again_unless_it_was_used(tool: Tool, crashed: Path) -> None:
    """What it replaced is in quarantine with all beside it; a bot's later commits are never moved away."""
    _run(tool, "backup", crashed / "well")
    sample_fleet.crash_in_large_transaction(str(crashed / "well2"))
    for suffix in ("", "-journal"):
        (crashed / f"well2.session{suffix}").rename(crashed / f"well.session{suffix}")
    before = {path.name: path.read_bytes() for path in crashed.glob("well.*") if path.suffix != ".lock"}

    first = _run(tool, "restore", "well")["run_id"]
    moved = {path.name for path in (crashed / "quarantine" / first).glob("[!.]*")}
    undone = tool.cleanup("undo", first)
    after = {path.name: path.read_bytes() for path in crashed.glob("well.*") if path.suffix != ".lock"}
    second = _run(tool, "restore", "well")["run_id"]
    with sqlite3.connect(crashed / "well.session") as database:
        database.execute("DELETE FROM entities")
    database.close()
    refused = tool.cleanup("undo", second)

    assert moved == {"well.session", "well.session-journal"}
    assert (undone.returncode, after) == (0, before)
    assert refused.returncode == 3
    assert "it was used since" in refused.stdout


def test_a_manifest_that_names_another_file_is_not_believed(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """It would have put the session in the place of anything."""
    (tmp_path / "notes.txt").write_text("mine")
    stored = Path(_run(tool, "backup", crashed / "well")["sessions"][0]["backup"])
    manifest = stored.parent / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(crashed / "well.session"), str(tmp_path / "notes.txt")))

    done = tool.cleanup("files", "restore", crashed / "well.session")

    assert done.returncode == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert "its manifest names another session" in tool.cleanup("files", "restore").stdout


def test_what_a_bot_wrote_before_the_run_had_ended_is_not_taken_for_the_runs(tool: Tool, crashed: Path) -> None:
    """The identity is that of the moment in which nobody else could have it open."""
    _run(tool, "backup", crashed / "well")
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "import core.commands.cleanup as cleanup\n"
        "import core.session_files.mending.apply as apply\n"
        "finished = apply._finished\n"
        "def bot_first(change, result):\n"
        "    open(change.path, 'ab').write(b'commits of a bot')\n"
        "    return finished(change, result)\n"
        "apply._finished = bot_first\n"
        "sys.exit(cleanup.main(sys.argv[2:]))"
    )
    done = tool.run(sys.executable, "-c", script, os.path.dirname(CLEANUP), "files", "restore", "well", "--json")
    used = (crashed / "well.session").read_bytes()

    undone = tool.cleanup("undo", json.loads(done.stdout)["run_id"])

    assert undone.returncode == 3
    assert "it was used since" in undone.stdout
    assert (crashed / "well.session").read_bytes() == used


def test_the_time_chooses_the_backup(tool: Tool, crashed: Path) -> None:
    _run(tool, "backup", crashed / "well")

    assert tool.cleanup("files", "restore", "well", "--at", "2099-01-01", "-n").returncode == 0
    too_old = tool.cleanup("files", "restore", "well", "--at", "2001-01-01T00:00")
    assert (too_old.returncode, too_old.stderr.count("\n")) == (2, 1)
    assert "the oldest is of" in too_old.stderr
    assert tool.cleanup("files", "restore", "well", "--at", "yesterday").returncode == 2


def test_a_name_that_two_folders_have_is_asked_back(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(other / "well"))
    _run(tool, "backup", crashed / "well", other / "well")

    asked = tool.cleanup("files", "restore", "well")
    chosen = _run(tool, "restore", other / "well.session", "-n")

    assert asked.returncode == 2
    assert str(other / "well.session") in asked.stderr
    assert chosen["folders"][0]["sessions"][0]["path"] == str(other / "well.session")


def test_without_a_name_the_backups_are_listed(tool: Tool, crashed: Path) -> None:
    assert "There is no backup yet" in tool.cleanup("files", "restore").stdout

    _run(tool, "backup", crashed / "well")

    listed = _run(tool, "restore")
    assert [one["path"] for one in listed["sessions"]] == [str(crashed / "well.session")]
    assert "logged in" in tool.cleanup("files", "restore").stdout


def test_an_encrypted_backup_needs_its_key(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """Neither the session's bytes nor the key are readable in what is stored or said."""
    secret = Fernet.generate_key().decode()
    key_file = tmp_path / "key"
    key_file.write_text(secret)
    key_file.chmod(0o600)
    sealed = Tool(tool.state, {"GAVAT_BACKUP_KEY_FILE": str(key_file)})
    words = [sys.executable, CLEANUP, "files"]

    taken = json.loads(sealed.run(*words, "backup", "--json", str(crashed / "well")).stdout)
    (crashed / "well.session").unlink()
    without = tool.run(*words, "restore", "well")
    restored = sealed.run(*words, "restore", "well")

    stored = Path(taken["sessions"][0]["backup"]).read_bytes()
    assert b"SQLite format 3" not in stored
    assert without.returncode in (1, 3)
    assert secret not in without.stdout + without.stderr
    assert restored.returncode == 0, restored.stderr
    assert (crashed / "well.session").read_bytes()[:15] == b"SQLite format 3"


def test_a_revoked_login_is_purged_on_the_operators_word(tool: Tool, crashed: Path) -> None:
    """Backups and byte copies go; the session stays."""
    _run(tool, "backup", crashed / "well")
    _run(tool, "prune", "--keep", "1", crashed / "well")

    shown = _run(tool, "backup-purge", "well")
    done = _run(tool, "backup-purge", "well", "--yes")

    assert (shown["removed"], shown["backups"], shown["copies"]) == (False, 1, 1)
    assert (done["removed"], done["backups"], done["copies"]) == (True, 1, 1)
    assert not [path for path in tool.state.rglob("well.session") if path.is_file()]
    assert (crashed / "well.session").exists()
    assert tool.cleanup("files", "backup-purge", "well").returncode == 2


def _make_unusable(tool: Tool) -> None:
    for manifest in (tool.state / "backups").glob("*/*/manifest.json"):
        manifest.write_text("{")


@pytest.mark.parametrize("by_path", [False, True])
def test_backups_that_cannot_be_read_are_purged_with_the_copies_beside_them(
    tool: Tool, crashed: Path, by_path: bool
) -> None:
    """Nobody can restore them, and each still holds the login."""
    _run(tool, "backup", crashed / "well")
    _run(tool, "prune", "--keep", "1", crashed / "well")
    _make_unusable(tool)
    name = str(crashed / "well.session") if by_path else "well"

    restored = tool.cleanup("files", "restore", name)
    shown = _run(tool, "backup-purge", name)
    still_there = [path for path in tool.state.rglob("well.session") if path.is_file()]
    done = _run(tool, "backup-purge", name, "--yes")

    assert restored.returncode == 2
    assert (shown["removed"], shown["backups"], shown["copies"], len(still_there)) == (False, 1, 1, 2)
    assert (done["removed"], done["backups"], done["copies"]) == (True, 1, 1)
    assert not [path for path in tool.state.rglob("well.session") if path.is_file()]
    assert (crashed / "well.session").exists()


def test_unreadable_backups_of_two_sessions_of_one_name_are_not_purged_by_name(
    tool: Tool, crashed: Path, tmp_path: Path
) -> None:
    """Which of them is meant, only the path of the file says."""
    (tmp_path / "others").mkdir(mode=0o700)
    sample_fleet.write_healthy(str(tmp_path / "others" / "well"))
    _run(tool, "backup", crashed / "well", tmp_path / "others")
    _make_unusable(tool)

    refused = tool.cleanup("files", "backup-purge", "well", "--yes")
    done = _run(tool, "backup-purge", crashed / "well.session", "--yes")

    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "several sessions are named well" in refused.stderr
    assert done["backups"] == 1
    assert len(list((tool.state / "backups").glob("well-*/*/well.session"))) == 1


def test_a_half_made_session_is_sent_to_be_completed_and_then_backed_up(tool: Tool, tmp_path: Path) -> None:
    """Mending does not help it; the command that the line names does."""
    with sqlite3.connect(tmp_path / "half.session") as database:
        database.execute(definition("version"))
        database.execute(definition("sessions"))
        database.execute("INSERT INTO sessions VALUES (2, '149.154.167.51', 443, ?, NULL, NULL)", (b"h" * 256,))
    database.close()
    (tmp_path / "half.session").chmod(0o600)

    (refused,) = _run(tool, "backup", tmp_path / "half")["sessions"]
    words = refused["hint"].rpartition("cleanup_sessions.py ")[2].split()
    completed = tool.cleanup(*words, tmp_path / "half")
    (done,) = _run(tool, "backup", tmp_path / "half")["sessions"]

    assert (refused["state"], words) == ("failed", ["files", "repair-schema"])
    assert completed.returncode == 0, completed.stderr
    assert done["state"] == "backed up"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_backup_ends_whole(tool: Tool, tmp_path: Path, number: signal.Signals) -> None:
    """What was taken is on disk, nothing looks half made, and the exit code says that it was broken off."""
    folder = tmp_path / "many"
    folder.mkdir(mode=0o700)
    sample_fleet.write_healthy(str(folder / "bot_000"))
    first = (folder / "bot_000.session").read_bytes()
    for index in range(1, 800):
        (folder / f"bot_{index:03}.session").write_bytes(first)
    process = subprocess.Popen(
        [*BARE, CLEANUP, "files", "backup", "--json", str(folder)], env=tool.env(), stdout=subprocess.PIPE
    )
    while not (tool.state / "backups").is_dir():
        time.sleep(0.01)
    process.send_signal(number)
    output, _ = process.communicate()

    assert process.returncode == 130
    taken = [one for one in json.loads(output)["sessions"] if one["state"] == "backed up"]
    assert 0 < len(taken) < 800
    assert all(Path(one["backup"]).stat().st_size == len(first) for one in taken)
    assert not list(tool.state.rglob(".partial-*"))
