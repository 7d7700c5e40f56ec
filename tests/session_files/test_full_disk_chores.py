"""No room for the copy that comes before a chore: nothing is changed, one line says why, and with room it is done.

That a disk gets full at any later call is tested in tests/crash/test_full_disk.py.
"""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files import sample_fleet
from core.session_files.database.schema import definition
from tests.session_files.conftest import age
from tests.session_files.test_mending import bytes_of
from tests.tool import BARE, CLEANUP, Tool, states


@pytest.fixture
def fleet(sessions: Path) -> Path:
    """A healthy session, one with a damaged page, and one whose tables Telethon did not finish."""
    sample_fleet.write_healthy(str(sessions / "healthy"))
    sample_fleet.write_healthy(str(sessions / "damaged"))
    with closing(sqlite3.connect(sessions / "damaged.session")) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'update_state'").fetchone()
    with (sessions / "damaged.session").open("r+b") as file:
        file.seek(4096 * (root - 1))
        file.write(b"\xaa" * 4096)
    age(sessions / "damaged.session")  # what is written right now is not yet called damaged
    with closing(sqlite3.connect(sessions / "half.session")) as database:
        database.execute(definition("version"))
        database.execute(definition("sessions"))
        database.execute("INSERT INTO sessions VALUES (2, '149.154.167.51', 443, ?, NULL, NULL)", (b"h" * 256,))
        database.execute("CREATE TABLE filler (data)")
        database.execute("INSERT INTO filler VALUES (zeroblob(40000))")
        database.execute("DROP TABLE filler")
        database.commit()
    (sessions / "half.session").chmod(0o600)
    return sessions


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("healthy", ["prune", "--keep", "5"]),
        ("half", ["repair-schema"]),
        ("damaged", ["salvage"]),
        ("healthy", ["restore"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_chore_without_room_for_its_copy_changes_nothing_and_is_done_once_there_is_room(
    tool: Tool, fleet: Path, name: str, words: list[str]
) -> None:
    """Exit code 3 as for all that needed doing and was not done; the next run does it."""
    session = fleet / f"{name}.session"
    assert tool.cleanup("files", "backup", fleet / "healthy.session").returncode == 0
    before = bytes_of(fleet)
    command = [*BARE, "-B", CLEANUP, "--json", "files", *words, str(session)]

    refused = subprocess.run(
        command, env=tool.env(), capture_output=True, text=True, check=False, preexec_fn=_no_room_for_a_copy
    )

    (told,) = json.loads(refused.stdout)["folders"][0]["sessions"]
    assert (refused.returncode, told["state"], refused.stderr) == (3, "failed", "")
    assert "no copy could be made" in refused.stdout
    assert bytes_of(fleet) == before
    assert list(tool.state.glob("copies/*/*")) == []

    done = tool.run(*command)

    assert done.returncode == 0, done.stdout
    assert set(states(json.loads(done.stdout)).values()) <= {"mended", "pruned"}
    assert bytes_of(fleet) != before


def _no_room_for_a_copy() -> None:
    # Files may grow to 30 kB only: the history fits, a copy of a session does not. As on a full disk, write() fails.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
