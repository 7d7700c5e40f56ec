"""`files move`: packed, marked, unpacked elsewhere; all or none."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from core.session_files import sample_fleet
from tests.session_files.holding import IDLE, holding
from tests.session_files.test_mending import bytes_of
from tests.tool import BARE, CLEANUP, Tool, states


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Three whole sessions."""
    folder = tmp_path / "fleet"
    folder.mkdir(mode=0o700)
    for name in ("a", "b", "c"):
        sample_fleet.write_healthy(str(folder / name))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    return folder


def _move(tool: Tool, *words: str | Path) -> dict[str, Any]:
    done = tool.cleanup("files", "move", *words, "--json")
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _telethons_answer(session: Path) -> str:
    code = "import sys; from telethon.sessions import SQLiteSession; SQLiteSession(sys.argv[1])"
    return subprocess.run(
        [sys.executable, "-c", code, str(session)], capture_output=True, text=True, check=False
    ).stderr


def test_a_fleet_is_packed_marked_and_unpacked_byte_for_byte(
    tool: Tool, fleet: Path, elsewhere: Path, tmp_path: Path
) -> None:
    """Telethon refuses the markers, and our own look names them; undo puts the originals back."""
    before = {path.name: path.read_bytes() for path in fleet.iterdir()}
    pack = tmp_path / "fleet.pack"

    shown = _move(tool, fleet, "-n", "--to", pack)
    untouched = not pack.exists() and {path.name: path.read_bytes() for path in fleet.iterdir()} == before
    done = _move(tool, fleet, "--to", pack)
    unpacked = _move(tool, pack, "--to", elsewhere)

    assert set(states(shown).values()) == {"mend"}
    assert untouched
    assert (set(states(done).values()), done["exit_code"]) == ({"moved"}, 0)
    assert pack.stat().st_mode & 0o777 == 0o600
    assert [one["logged_in"] for one in unpacked["sessions"]] == [True, True, True]
    assert f"files move {elsewhere}"[:50] in tool.cleanup("undo").stdout.partition("\n")[0]
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert "file is not a database" in _telethons_answer(fleet / "a.session")
    assert set(states(tool.files("-n", fleet)).values()) == {"skipped"}
    assert not (tool.state / "copies").exists() or not list((tool.state / "copies").iterdir())
    assert tool.cleanup("undo", done["run_id"]).returncode == 0
    assert {path.name: path.read_bytes() for path in fleet.glob("*.session")} == before


def test_nothing_moves_while_one_is_held(tool: Tool, fleet: Path, tmp_path: Path) -> None:
    before = bytes_of(fleet)

    with holding(IDLE, fleet / "b.session"):
        done = tool.cleanup("files", "move", fleet, "--to", tmp_path / "fleet.pack")

    assert done.returncode == 3
    assert "1 of 3 sessions cannot be moved now, so none is" in done.stderr
    assert bytes_of(fleet) == before
    assert not (tmp_path / "fleet.pack").exists()


def test_nothing_moves_while_one_needs_mending(tool: Tool, fleet: Path, tmp_path: Path) -> None:
    sample_fleet.crash_in_large_transaction(str(fleet / "hot"))

    assert tool.cleanup("files", "move", fleet, "--to", tmp_path / "fleet.pack").returncode == 3
    assert tool.cleanup("files", "move", fleet / "a", "--to", tmp_path / "one.pack").returncode == 0


def test_a_pack_is_never_written_over_a_file(tool: Tool, fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")

    done = tool.cleanup("files", "move", fleet, "--to", tmp_path / "there")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert (tmp_path / "there").read_text() == "mine"


def test_a_pack_that_cannot_be_written_is_said_and_undone(tool: Tool, fleet: Path, tmp_path: Path) -> None:
    """The markers stand already: the line names the undo, and undo gives everything back; no half pack stays."""
    before = {path.name: path.read_bytes() for path in fleet.iterdir()}

    done = subprocess.run(
        [*BARE, "-B", CLEANUP, "files", "move", fleet, "--to", tmp_path / "fleet.pack", "--json"],
        env=tool.env(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_no_large_files,
    )

    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"]) == (1, 1)
    assert "the pack cannot be written" in document["problems"][0]
    assert not list(tmp_path.glob("fleet.pack*"))
    assert tool.cleanup("undo", document["run_id"]).returncode == 0
    assert {path.name: path.read_bytes() for path in fleet.glob("*.session")} == before


def _no_large_files() -> None:
    # Files may grow to 60 kB: the history fits, a pack of three sessions does not.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


@pytest.mark.parametrize("to", ["missing/fleet.pack", "fleet/x.session", "fleet/a.session-journal"])
def test_a_bad_place_for_the_pack_is_refused_before_any_session_gives_way(
    tool: Tool, fleet: Path, tmp_path: Path, to: str
) -> None:
    before = bytes_of(fleet)

    done = tool.cleanup("files", "move", fleet, "--to", tmp_path / to)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert bytes_of(fleet) == before


def test_a_hard_linked_session_is_not_handed_over(tool: Tool, fleet: Path, tmp_path: Path) -> None:
    """Its other name would stay here and start: two clients of one login."""
    os.link(fleet / "a.session", fleet / "z.session")

    assert tool.cleanup("files", "move", fleet / "a", "--to", tmp_path / "one.pack").returncode == 3


def test_no_session_is_unpacked_beside_an_orphan_journal(
    tool: Tool, fleet: Path, elsewhere: Path, tmp_path: Path
) -> None:
    """SQLite would play it into the new file."""
    _move(tool, fleet, "--to", tmp_path / "fleet.pack")
    sample_fleet.crash_in_large_transaction(str(elsewhere / "a"))
    (elsewhere / "a.session").unlink()
    before = bytes_of(elsewhere)

    done = tool.cleanup("files", "move", tmp_path / "fleet.pack", "--to", elsewhere)

    assert done.returncode == 1
    assert bytes_of(elsewhere) == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "renamed"])
def test_a_pack_that_was_damaged_on_the_way_is_refused_whole(
    tool: Tool, fleet: Path, elsewhere: Path, tmp_path: Path, damage: str
) -> None:
    """Nothing of it is unpacked."""
    pack = tmp_path / "fleet.pack"
    _move(tool, fleet, "--to", pack)
    data = bytearray(pack.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
    else:
        data = bytearray(bytes(data).replace(b"b.session", b"/.session"))
    pack.write_bytes(data)

    done = tool.cleanup("files", "move", pack, "--to", elsewhere)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert list(elsewhere.iterdir()) == []


def test_a_name_that_is_taken_stops_the_unpacking(tool: Tool, fleet: Path, elsewhere: Path, tmp_path: Path) -> None:
    pack = tmp_path / "fleet.pack"
    _move(tool, fleet, "--to", pack)
    (elsewhere / "b.session").write_text("mine")

    done = tool.cleanup("files", "move", pack, "--to", elsewhere)

    assert done.returncode == 1
    assert [path.name for path in elsewhere.iterdir()] == ["b.session"]


def test_what_is_no_pack_is_said(tool: Tool, elsewhere: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(__file__, "readme")

    done = tool.cleanup("files", "move", tmp_path / "other.tar", "--to", elsewhere)

    assert done.returncode == 1
    assert "is no pack" in done.stderr
    shutil.rmtree(elsewhere)
    assert tool.cleanup("files", "move", tmp_path / "other.tar", "--to", elsewhere).returncode == 2
