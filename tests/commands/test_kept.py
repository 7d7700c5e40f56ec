"""What runs put away, and how the monitor tells of it: byte copies, sidecars in `set-aside/`, runs at work."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from core.monitoring.kept import count_copies, count_set_aside
from core.session_files import sample_fleet
from core.state import RunHistory, StateFolder, run_lock
from tests.tool import Tool
from utils.clock import utc_now


@pytest.fixture
def orphaned(crashed: Path) -> Path:
    """The session of the hot journal is gone."""
    (crashed / "hot.session").unlink()
    return crashed


def damage(session: Path) -> None:
    session.write_bytes(b"no database " * 100)
    os.utime(session, (1, 1))


def test_report_counts_what_was_set_aside(tool: Tool, orphaned: Path) -> None:
    """Files, sessions and the folder; nothing where there is nothing."""
    before = tool.monitor("report", orphaned).stdout
    tool.cleanup(orphaned)
    after = tool.monitor("report", orphaned)
    document = json.loads(tool.monitor("report", "--json", orphaned).stdout)

    aside = str(orphaned / "set-aside")
    assert "\nset aside   " not in before
    assert f"\nset aside   1 file of 1 session in {aside}\n" in after.stdout
    assert document["set_aside"] == {"files": 1, "sessions": 1, "folders": [aside], "readable": True}


def test_a_session_counts_once_however_often_it_was_set_aside(tmp_path: Path) -> None:
    """In one folder; two folders may each have one of that name."""
    for place in ("a/set-aside/1/x.session-journal", "a/set-aside/2/x.session-wal", "b/set-aside/1/x.session-wal"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()

    seen = count_set_aside([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "c")])

    assert (seen.files, seen.sessions, len(seen.folders), seen.readable) == (3, 2, 2, True)


def test_files_says_where_it_put_the_sidecars(tool: Tool, orphaned: Path) -> None:
    """Below the folder that the headline names."""
    done = tool.cleanup(orphaned).stdout
    (run,) = (orphaned / "set-aside").iterdir()

    assert f"moved to set-aside/{run.name}\n" in done


def test_why_names_the_folder_of_sidecars_that_were_set_aside(tool: Tool, orphaned: Path) -> None:
    """The session is not there; what is left of it is."""
    tool.cleanup(orphaned)
    (run,) = (orphaned / "set-aside").iterdir()
    asked = tool.monitor("why", orphaned / "hot")
    document = json.loads(tool.monitor("why", "--json", orphaned / "hot").stdout)

    assert asked.returncode == 0
    assert asked.stdout.startswith(f"{orphaned}/hot.session: set aside\n")
    assert f"its sidecars were set aside into {run}\n" in asked.stdout
    assert f"{run.name}  GV106  set aside: done, in {run}\n" in asked.stdout
    assert document["session"]["state"] == "set aside"
    assert document["session"]["set_aside"] == document["changes"][0]["set_aside"] == str(run)


def test_why_knows_nothing_of_what_was_moved_back(tool: Tool, orphaned: Path) -> None:
    """After undo the journal is there again; when it is removed too, there is no such session."""
    run_id = tool.files(orphaned)["run_id"]
    tool.cleanup("undo", run_id)
    (orphaned / "hot.session-journal").unlink()

    assert "there is no such session" in tool.monitor("why", orphaned / "hot").stderr


def test_why_of_a_damaged_session_without_copies_says_so(tool: Tool, crashed: Path) -> None:
    """No line to paste where nothing is behind it."""
    damage(crashed / "well.session")

    told = tool.monitor("why", crashed / "well").stdout

    assert "\nCopies of it: there is none.\n" in told
    assert "cp -p" not in told


def test_a_copy_that_was_not_verified_is_not_offered(tool: Tool, crashed: Path) -> None:
    """It may be the damage itself."""
    tool.cleanup(crashed)
    (marker,) = (tool.state / "copies").glob("*/*/verified")
    marker.unlink()
    damage(crashed / "hot.session")

    told = tool.monitor("why", crashed / "hot").stdout

    assert "not verified" in told
    assert "None of them is verified" in told
    assert "cp -p" not in told


def test_the_line_that_restores_a_verified_copy_does(tool: Tool, crashed: Path) -> None:
    """Pasted into a shell: the login is back, and the damaged bytes are kept."""
    tool.cleanup(crashed)
    damage(crashed / "hot.session")
    asked = tool.monitor("why", crashed / "hot").stdout
    (line,) = (line for line in asked.splitlines() if " cp -p " in line)
    (copy,) = json.loads(tool.monitor("why", "--json", crashed / "hot").stdout)["copies"]

    subprocess.run(["bash", "-ec", line], check=True)

    (kept,) = (crashed / "set-aside").glob("damaged-*/hot.session")
    assert copy["verified"] is True
    assert copy["path"] in asked
    assert kept.read_bytes().startswith(b"no database")
    assert tool.cleanup(crashed).returncode == 0
    with closing(sqlite3.connect(crashed / "hot.session")) as opened:
        assert opened.execute("SELECT length(auth_key) FROM sessions").fetchall() == [(256,)]


def test_copies_are_told_newest_first(tool: Tool, crashed: Path) -> None:
    """With date, size and folder of each."""
    tool.cleanup(crashed)
    sample_fleet.crash_in_wal_mode(str(crashed / "again"))
    os.replace(crashed / "again.session", crashed / "hot.session")
    os.replace(crashed / "again.session-wal", crashed / "hot.session-wal")
    tool.cleanup(crashed)

    copies = json.loads(tool.monitor("why", "--json", crashed / "hot").stdout)["copies"]

    assert len(copies) == 2
    assert copies[0]["run_id"] > copies[1]["run_id"]
    assert all(copy["bytes"] > 0 and copy["at"] for copy in copies)


def test_half_made_copies_are_not_counted(tool: Tool, crashed: Path) -> None:
    """They belong to a run at work or to none."""
    tool.cleanup(crashed)
    (shelf,) = (tool.state / "copies").iterdir()
    (shelf / ".partial-20261121-084126-3f2a").mkdir()

    seen = count_copies(str(tool.state / "copies"))

    assert (seen.copies, seen.sessions, seen.readable) == (1, 1, True)


def test_copies_that_cannot_be_read_are_not_called_none(
    tool: Tool, crashed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's state folder holds copies that this one cannot count."""
    tool.cleanup(crashed)

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)

    assert count_copies(str(tool.state / "copies")).readable is False
    assert count_set_aside([str(crashed)]).readable is False


def test_report_says_that_copies_cannot_be_read(tool: Tool, crashed: Path) -> None:
    """In its line, with exit code 0: the sessions were looked at. A loop stands for what even root cannot read."""
    tool.cleanup(crashed)
    (tool.state / "copies").rename(tool.state / "elsewhere")
    (tool.state / "copies").symlink_to("copies")

    told = tool.monitor("report", crashed)

    assert (told.returncode, told.stderr) == (0, "")
    assert f"copies      {tool.state}/copies cannot be read by this user" in told.stdout


def test_a_history_that_cannot_be_read_is_not_called_empty(tool: Tool, crashed: Path) -> None:
    """The report says so, and what is wrong on stderr."""
    tool.cleanup(crashed)
    (tool.state / "runs.sqlite3").write_bytes(b"no database" * 1000)

    told = tool.monitor("report", crashed)

    assert told.returncode == 2
    assert "\nlast runs   cannot be read" in told.stdout
    assert "the history of runs cannot be used" in told.stderr


def test_a_run_at_work_is_told_from_one_that_was_killed(tool: Tool, crashed: Path) -> None:
    """Both have no end in the history; one of them holds the run lock."""
    state = StateFolder(str(tool.state))
    state.make()
    with RunHistory.open(state) as history:
        history.begin("20261121-084126-3f2a", "files", utc_now(), folders="bots")
    killed = tool.monitor("report", crashed).stdout
    with run_lock(state):
        working = tool.monitor("report", crashed).stdout

    assert "20261121-084126-3f2a" in killed
    assert "files bots  0 changes  did not finish" in killed
    assert "files bots  0 changes  at work\n" in working
