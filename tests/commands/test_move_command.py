"""`files move`: packed, marked, unpacked elsewhere; all or none."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from core.session_files import sample_fleet
from tests.other_user import NOBODY, as_nobody, let_everybody_in
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


@pytest.fixture
def pack(tool: Tool, fleet: Path, tmp_path: Path) -> Path:
    """The fleet in a pack."""
    path = tmp_path / "fleet.pack"
    _move(tool, fleet, "--to", path)
    return path


def test_undo_of_an_unpacking_puts_away_what_no_bot_has_used(
    tool: Tool, fleet: Path, elsewhere: Path, pack: Path
) -> None:
    """Its folder is empty again, every byte is in quarantine, and the markers of the other host stay."""
    run = _move(tool, pack, "--to", elsewhere)["run_id"]
    unpacked = {path.name: path.read_bytes() for path in elsewhere.glob("*.session")}
    markers = bytes_of(fleet)

    done = tool.cleanup("undo", run)

    assert (done.returncode, len(unpacked)) == (0, 3)
    assert done.stdout.count("its place is empty again; it is in ") == 3
    assert not list(elsewhere.glob("*.session"))
    assert {path.name: path.read_bytes() for path in elsewhere.glob("quarantine/*/*.session")} == unpacked
    assert bytes_of(fleet) == markers
    assert [one["logged_in"] for one in _move(tool, pack, "--to", elsewhere)["sessions"]] == [True] * 3
    assert tool.cleanup("undo", run).returncode == 0


@pytest.mark.parametrize("use", ["written", "replaced", "half written", "held", "gone"])
def test_undo_of_an_unpacking_leaves_a_session_that_was_used(
    tool: Tool, elsewhere: Path, pack: Path, tmp_path: Path, use: str
) -> None:
    """Written, exchanged, with a journal beside it, open in a bot, or taken elsewhere: it stays, the others go."""
    run = _move(tool, pack, "--to", elsewhere)["run_id"]
    session = elsewhere / "b.session"
    if use == "written":
        with closing(sqlite3.connect(session)) as database:
            database.execute("UPDATE sessions SET port = 80")
            database.commit()
    elif use == "replaced":
        shutil.copyfile(session, tmp_path / "copy")
        os.replace(tmp_path / "copy", session)
    elif use == "half written":
        (elsewhere / "b.session-journal").write_bytes(b"of a bot that was killed")
    elif use == "gone":
        session.unlink()
    before = session.read_bytes() if session.exists() else None

    with holding(IDLE, session) if use == "held" else nullcontext():
        done = tool.cleanup("undo", run, "--json")

    changes = {Path(one["path"]).name: one for one in json.loads(done.stdout)["changes"]}
    said = {"held": "in use", "gone": "is not there any more"}.get(use, "it was used since")
    assert done.returncode == 3
    assert {name: one["undone"] for name, one in changes.items()} == {
        "a.session": True,
        "b.session": False,
        "c.session": True,
    }
    assert said in changes["b.session"]["detail"]
    assert (session.read_bytes() if session.exists() else None) == before


def test_an_unpacking_that_fails_ends_its_run_and_leaves_nothing_to_take_back(
    tool: Tool, elsewhere: Path, pack: Path
) -> None:
    """The second session is no whole one: the first, which was made already, goes too."""
    data = pack.read_bytes()
    with tarfile.open(pack) as tar:
        b = tar.getmember("b.session")
    whole = data[b.offset_data : b.offset_data + b.size]
    content = whole[:4096] + bytes(4096) + whole[8192:]
    listed, damaged = (hashlib.sha256(one).hexdigest().encode() for one in (whole, content))
    pack.write_bytes(data.replace(listed, damaged).replace(whole, content))

    done = tool.cleanup("files", "move", pack, "--to", elsewhere)

    assert (done.returncode, list(elsewhere.iterdir())) == (1, [])
    newest = tool.cleanup("undo").stdout.partition("\n")[0]
    assert "0 changes  exit 1" in newest
    assert tool.cleanup("undo", newest.split()[0]).stdout.count("nothing had been unpacked") == 3


def test_a_name_that_a_killed_unpacking_left_is_never_written_to(
    tool: Tool, elsewhere: Path, pack: Path, tmp_path: Path
) -> None:
    """It may be the second name of a session that a bot has by now: it goes, and the bot keeps its bytes."""
    live = tmp_path / "taken-elsewhere.session"
    sample_fleet.write_healthy(str(live.with_suffix("")))
    before = live.read_bytes()
    os.link(live, elsewhere / ".gavat-new-a.session")

    done = _move(tool, pack, "--to", elsewhere)

    assert len(done["sessions"]) == 3
    assert (live.read_bytes(), live.stat().st_nlink) == (before, 1)


def test_a_move_whose_pack_could_not_be_written_goes_on_when_it_runs_again(
    tool: Tool, fleet: Path, tmp_path: Path
) -> None:
    """Under the name of its own run, which one undo takes back; what came to the folder since goes along."""
    command = [*BARE, "-B", CLEANUP, "files", "move", str(fleet), "--to", str(tmp_path / "fleet.pack"), "--json"]
    failed = subprocess.run(
        command, env=tool.env(), capture_output=True, text=True, check=False, preexec_fn=_no_large_files
    )
    run = json.loads(failed.stdout)["run_id"]
    listed = tool.cleanup("undo").stdout
    sample_fleet.write_healthy(str(fleet / "d"))

    other = tool.cleanup("files", "move", fleet, "--to", tmp_path / "other.pack")
    same = _move(tool, fleet, "--to", tmp_path / "fleet.pack")
    nothing_left = tool.cleanup("files", "move", fleet, "--to", tmp_path / "third.pack")

    assert f"{run}  " in listed
    assert "did not finish; run it again" in listed
    assert (other.returncode, other.stderr.count("\n"), (tmp_path / "other.pack").exists()) == (3, 1, False)
    assert f"undo {run}" in other.stderr
    assert (same["run_id"], same["exit_code"], same["problems"]) == (run, 0, [])
    with tarfile.open(tmp_path / "fleet.pack") as tar:
        assert tar.getnames()[1:] == ["a.session", "b.session", "c.session", "d.session"]
    assert (nothing_left.returncode, nothing_left.stderr) == (0, "")
    assert tool.cleanup("undo", run).returncode == 0
    assert all(path.read_bytes().startswith(b"SQLite format 3") for path in fleet.glob("*.session"))


def test_a_move_that_cannot_go_on_packs_nothing_and_stays_open(tool: Tool, fleet: Path, tmp_path: Path) -> None:
    """One of the rest is in use now: what gave way waits, and the next try takes all."""
    command = [*BARE, "-B", CLEANUP, "files", "move", str(fleet), "--to", str(tmp_path / "fleet.pack"), "--json"]
    subprocess.run(command, env=tool.env(), capture_output=True, check=False, preexec_fn=_no_large_files)
    sample_fleet.write_healthy(str(fleet / "d"))

    with holding(IDLE, fleet / "d.session"):
        held = _move(tool, fleet, "--to", tmp_path / "fleet.pack")
        packed_meanwhile = (tmp_path / "fleet.pack").exists()
    after = _move(tool, fleet, "--to", tmp_path / "fleet.pack")

    assert (held["exit_code"], packed_meanwhile) == (3, False)
    assert (after["run_id"], after["exit_code"]) == (held["run_id"], 0)


def test_root_unpacks_nothing_into_a_folder_of_another_user(tool: Tool, elsewhere: Path, pack: Path) -> None:
    """Its owner could swap a name under root's hands; the line says whom to run as, and that user may."""
    os.chown(elsewhere, NOBODY, NOBODY)

    shown = tool.cleanup("files", "move", pack, "-n", "--to", elsewhere)
    done = tool.cleanup("files", "move", pack, "--to", elsewhere)

    for refused in (shown, done):
        assert refused.returncode == 2
        assert "belongs to another user: nothing was unpacked · run as that user: sudo -u nobody" in refused.stderr
    assert list(elsewhere.iterdir()) == []


def test_the_owner_of_a_folder_unpacks_into_it_himself(elsewhere: Path, pack: Path, tmp_path: Path) -> None:
    """As a process of that user: the sessions are his."""
    let_everybody_in(tmp_path)
    pack.chmod(0o644)
    os.chown(elsewhere, NOBODY, NOBODY)

    done = as_nobody(Tool(tmp_path / "nobody"), CLEANUP, "files", "move", str(pack), "--to", str(elsewhere))

    assert done.returncode == 0, done.stderr
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in elsewhere.glob("*.session")} == {
        (NOBODY, 0o600)
    }
