"""Hostile and odd input: one clear line each, nothing lost, the rest still done."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from core.session_files import sample_fleet
from tests.other_user import NOBODY, as_nobody, let_everybody_in
from tests.session_files.conftest import age
from tests.tool import BARE, CLEANUP, Tool, codes, states


def test_a_missing_folder_and_a_file_are_named_and_the_rest_is_done(tool: Tool, crashed: Path) -> None:
    """Two wrong names cost exit code 2 and a line each; the third folder is mended."""
    done = tool.cleanup("files", crashed / "nothing", crashed / "hot.session", crashed)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 2
    assert "there is no such folder" in done.stderr
    assert "is a file, not a folder of sessions" in done.stderr
    assert not (crashed / "hot.session-journal").exists()


def test_what_is_no_session_is_skipped_by_name(tool: Tool, sessions: Path) -> None:
    """Folders, FIFOs, sockets and links that lead nowhere are named and not touched; no target is created."""
    (sessions / "folder.session").mkdir()
    os.mkfifo(sessions / "fifo.session")
    folder = os.open(sessions, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{folder}/socket.session")  # the name of a socket must be short
    os.close(folder)
    (sessions / "dangling.session").symlink_to("nothing.session")
    (sessions / "loop.session").symlink_to("loop.session")
    sample_fleet.crash_in_large_transaction(str(sessions / "real"))

    document = tool.files(sessions)

    found = codes(document)
    assert {name for name, state in states(document).items() if state == "skipped"} == {
        "folder", "fifo", "socket", "dangling", "loop",
    }  # fmt: skip
    assert (found["folder"], found["dangling"], found["loop"]) == (["GV140"], ["GV141"], ["GV141"])
    assert states(document)["real"] == "mended"
    assert not (sessions / "nothing.session").exists()


def test_a_link_is_mended_beside_its_target(tool: Tool, sessions: Path, tmp_path: Path) -> None:
    """Sidecars lie beside the file a link leads to; the link itself stays a link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    sample_fleet.crash_in_large_transaction(str(elsewhere / "far"))
    (sessions / "near.session").symlink_to(elsewhere / "far.session")

    document = tool.files(sessions)

    assert states(document) == {"near": "mended"}
    assert sorted(path.name for path in elsewhere.iterdir()) == ["far.session"]
    assert (sessions / "near.session").is_symlink()


def test_a_link_to_a_listed_session_is_told_once(tool: Tool, sessions: Path) -> None:
    """The target's own line speaks for both names."""
    sample_fleet.crash_in_small_transaction(str(sessions / "real"))
    (sessions / "alias.session").symlink_to("real.session")

    document = tool.files(sessions)

    assert states(document) == {"alias": "skipped", "real": "mended"}
    assert codes(document)["alias"] == ["GV114"]


def test_a_hard_linked_session_is_left_alone(tool: Tool, sessions: Path) -> None:
    """Its journal may lie beside the other name, so neither name is opened."""
    sample_fleet.crash_in_large_transaction(str(sessions / "a"))
    os.link(sessions / "a.session", sessions / "b.session")

    document = tool.files(sessions)

    assert states(document) == {"a": "unknown", "b": "unknown"}
    assert document["exit_code"] == 3
    assert (sessions / "a.session-journal").exists()


def test_hostile_names_are_escaped_and_mended(tool: Tool, sessions: Path) -> None:
    """Newlines, quotes, escape sequences, URI characters and bytes that are no UTF-8 are only names."""
    names = ["two\nlines", "quo'te\"s $(x)", "\x1b[31mred", "50%?mode=memory#x", os.fsdecode(b"\xff\xfe")]
    for name in names:
        sample_fleet.crash_in_large_transaction(str(sessions / name))

    shown = tool.cleanup("-n", sessions).stdout
    document = tool.files(sessions)

    assert set(states(document).values()) == {"mended"}
    assert "\x1b" not in shown
    assert shown.count("GV102") == len(names) == sum("GV102" in line for line in shown.splitlines())
    assert tool.cleanup("undo", document["run_id"]).returncode == 0


def test_young_junk_is_not_judged_and_old_junk_is(tool: Tool, sessions: Path) -> None:
    """An empty, foreign or cut file may be a copy on its way for a minute; after that it is named, and stays."""
    (sessions / "empty.session").touch(mode=0o600)
    (sessions / "junk.session").write_bytes(b"{json}" * 50)
    young = tool.files(sessions)
    for name in ("empty", "junk"):
        age(sessions / f"{name}.session")

    old = tool.files(sessions)

    assert codes(young) == {"empty": ["GV130"], "junk": ["GV130"]}
    assert young["exit_code"] == 0
    assert codes(old) == {"empty": ["GV122"], "junk": ["GV121"]}
    assert old["exit_code"] == 3
    assert (sessions / "junk.session").read_bytes() == b"{json}" * 50


def test_a_file_that_goes_while_the_run_works_is_left_out(tool: Tool, crashed: Path) -> None:
    """Two runs' worth of work in one folder, one file unlinked between look and act: the others are mended."""
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "import core.commands.cleanup as cleanup\n"
        "import core.session_files.mending.copies as copies\n"
        "write = copies.CopyStore.write\n"
        "def gone(self, family, run_id):\n"
        "    if family.name == 'hot': os.unlink(family.target)\n"
        "    return write(self, family, run_id)\n"
        "copies.CopyStore.write = gone\n"
        "sys.exit(cleanup.main(sys.argv[2:]))"
    )

    done = tool.run(sys.executable, "-c", script, os.path.dirname(CLEANUP), "files", crashed)

    assert "cold" in done.stdout
    assert (crashed / "hot.session-journal").exists() or (crashed / "set-aside").exists()
    assert not (crashed / "wal.session-wal").exists()


def test_a_full_disk_changes_nothing(tool: Tool, crashed: Path) -> None:
    """Without room for the copy no session is touched; the line says what to do, and a later run mends."""
    sizes = {path.name: path.read_bytes() for path in crashed.iterdir()}

    done = subprocess.run(
        [*BARE, "-B", CLEANUP, "files", crashed],
        env=tool.env(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_no_room,
    )

    assert done.returncode == 3
    assert done.stdout.count("no copy could be made") == 3
    assert {path.name: path.read_bytes() for path in crashed.iterdir()} == sizes
    assert set(states(tool.files(crashed)).values()) == {"mended", "fine"}


def _no_room() -> None:
    # Files may grow to 26 kB only: the history fits, a copy of a session does not. As on a full disk, write() fails.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (26_000, 26_000))


def test_another_user_is_told_unknown_in_one_line(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """A user who may not ask the kernel changes nothing and learns whom to run as; signs of need give exit 3."""
    let_everybody_in(tmp_path)
    crashed.chmod(0o755)

    done = as_nobody(tool, CLEANUP, "-n", str(crashed))
    real = as_nobody(tool, CLEANUP, str(crashed))

    assert "None could be asked: they belong to root. Run as that user: sudo -u root " in done.stdout
    assert "4 unknown" in done.stdout
    assert (done.returncode, real.returncode) == (0, 3)
    assert (crashed / "hot.session-journal").exists()


def test_a_folder_that_may_not_be_read_is_named(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """One line with the reason and the next step; exit code 2."""
    let_everybody_in(tmp_path)

    done = as_nobody(tool, CLEANUP, "-n", str(crashed))

    assert done.returncode == 2
    assert done.stderr.strip().endswith("cannot be read (Permission denied) · run as the user who owns it, or as root")


def test_root_only_looks_into_a_folder_of_another_user(tool: Tool, crashed: Path) -> None:
    """Its owner could swap names under root's hands: nothing is changed and the line says whom to run as."""
    for path in (crashed, *crashed.iterdir()):
        os.chown(path, NOBODY, NOBODY)

    looked = tool.cleanup("-n", crashed)
    done = tool.cleanup(crashed)

    assert "GV102" in looked.stdout
    assert done.returncode == 3
    assert "belongs to another user: nothing was changed" in done.stderr
    assert "sudo -u nobody" in done.stderr
    assert (crashed / "hot.session-journal").exists()


def test_root_leaves_nothing_in_the_state_folder_of_another_user(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """Refused, it must not have made what that user's own runs then cannot write."""
    let_everybody_in(tmp_path)
    for path in (crashed, *crashed.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    tool.state.mkdir(mode=0o700)
    os.chown(tool.state, NOBODY, NOBODY)

    refused = tool.cleanup(crashed)
    left = list(tool.state.iterdir())
    own = as_nobody(tool, CLEANUP, str(crashed))

    assert (refused.returncode, left) == (1, [])
    assert "the state folder belongs to another user" in refused.stderr
    assert own.returncode == 0, own.stderr


def test_a_read_only_folder_is_mended_by_root_only(crashed: Path, tmp_path: Path) -> None:
    """A user without write permission gets one line for the whole folder, and it stays as it was."""
    let_everybody_in(tmp_path)
    for path in (crashed, *crashed.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    crashed.chmod(0o500)
    nobodys = Tool(tmp_path / "nobody")
    nobodys.state.mkdir()
    os.chown(nobodys.state, NOBODY, NOBODY)

    done = as_nobody(nobodys, CLEANUP, str(crashed))

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "may not write in the folder: nothing was changed" in done.stderr
    assert "GV102" in done.stdout
    assert (crashed / "hot.session-journal").exists()
    assert not list(nobodys.state.glob("copies/*"))


def test_a_journal_that_may_not_be_read_is_no_cold_journal(crashed: Path, tmp_path: Path) -> None:
    """A bot once run as root leaves sidecars that its user cannot read: unknown, named, left alone."""
    let_everybody_in(tmp_path)
    for path in (crashed, *crashed.glob("*.session")):
        os.chown(path, NOBODY, NOBODY)
    nobodys = Tool(tmp_path / "nobody")
    nobodys.state.mkdir()
    os.chown(nobodys.state, NOBODY, NOBODY)

    done = as_nobody(nobodys, CLEANUP, str(crashed))

    assert done.returncode == 3
    assert done.stdout.count("  GV143  ") == 3
    assert "its -journal is of uid 0, the session of 65534" in done.stdout
    assert len(list(crashed.glob("*-journal"))) == 2


def test_a_link_to_another_users_session_is_not_followed(tool: Tool, sessions: Path, tmp_path: Path) -> None:
    """A user's link must not turn root's run on a file that is not the user's."""
    sample_fleet.crash_in_large_transaction(str(tmp_path / "roots"))
    os.chown(sessions, NOBODY, NOBODY)
    (sessions / "mine.session").symlink_to(tmp_path / "roots.session")

    document = tool.files("-n", sessions)

    assert codes(document) == {"mine": ["GV115"]}
    assert (tmp_path / "roots.session-journal").exists()


@pytest.mark.parametrize("verb", [(), ("salvage",), ("prune", "--keep", "1"), ("repair-schema",), ("--quarantine",)])
def test_root_follows_no_link_into_a_folder_of_another_user(
    tool: Tool, sessions: Path, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    """The file is root's, but whoever owns its folder could swap the name in between: named, and not touched."""
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    _make_work_for(verb, foreign / "bot")
    (sessions / "bot.session").symlink_to(foreign / "bot.session")
    os.chown(foreign, NOBODY, NOBODY)
    before = {path.name: path.read_bytes() for path in foreign.iterdir()}

    done = tool.cleanup("files", *verb, "--deep" if not verb or "--quarantine" in verb else "-v", sessions)

    assert done.returncode == 3, done.stdout + done.stderr
    assert "it is a link into a folder of another user" in done.stdout
    assert {path.name: path.read_bytes() for path in foreign.iterdir()} == before
    os.chown(foreign, 0, 0)
    again = tool.cleanup("files", *verb, "--deep" if not verb or "--quarantine" in verb else "-v", sessions)
    assert "it is a link into a folder of another user" not in again.stdout
    assert {path.name: path.read_bytes() for path in foreign.iterdir() if path.is_file()} != before


def _make_work_for(verb: tuple[str, ...], path: Path) -> None:
    """A session on which that command has something to do."""
    if not verb:
        sample_fleet.crash_in_large_transaction(str(path))
        return
    sample_fleet.write_healthy(str(path))
    session = path.with_name(path.name + ".session")
    with closing(sqlite3.connect(session)) as database:
        if "repair-schema" in verb:
            database.execute("DELETE FROM version")
            database.commit()
        elif "prune" not in verb:
            (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'update_state'").fetchone()
            with session.open("r+b") as file:
                file.seek(4096 * (root - 1))
                file.write(b"\xaa" * 4096)
    os.utime(session, (1, 1))


def test_a_journal_that_names_another_file_is_never_played_back(tool: Tool, crashed: Path) -> None:
    """SQLite deletes the super-journal that a journal names: here it names a healthy session."""
    victim = crashed / "healthy.session"
    name = os.fsencode(victim)
    tail = name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7")
    with (crashed / "hot.session-journal").open("r+b") as journal:
        journal.seek(0, os.SEEK_END)
        journal.write((1 << 18).to_bytes(4, "big") + tail)

    document = tool.files(crashed)

    assert states(document)["hot"] == "unknown"
    assert codes(document)["hot"] == ["GV143"]
    assert victim.exists()
    assert document["exit_code"] == 3


def test_sidecars_that_are_no_files_spoil_only_their_own_session(tool: Tool, crashed: Path) -> None:
    """A FIFO and a folder bear sidecars' names: those sessions are left alone, the others are mended."""
    for name in ("fifo", "folder"):
        sample_fleet.write_healthy(str(crashed / name))
    os.mkfifo(crashed / "fifo.session-journal")
    (crashed / "folder.session-wal").mkdir()
    os.mkfifo(crashed / "orphan.session-journal")

    found = states(tool.files(crashed))

    assert {found[name] for name in ("fifo", "folder", "orphan")} == {"unknown"}
    assert {found[name] for name in ("hot", "cold", "wal")} == {"mended"}


def test_an_empty_name_is_no_folder(tool: Tool) -> None:
    """An unset variable in a cron line must not mean the root of the machine."""
    done = tool.cleanup("-n", "--recursive", "")

    assert (done.returncode, done.stdout) == (2, "")
    assert "an empty folder name" in done.stderr


def test_copies_of_any_state_folder_are_no_sessions(tool: Tool, crashed: Path, tmp_path: Path) -> None:
    """Another run's copies are passed over by --recursive, and refused when named."""
    tool.files(crashed)
    other = Tool(tmp_path / "other")

    passed = other.files("-n", "--recursive", tmp_path)
    named = other.cleanup("-n", "--recursive", tool.state / "copies")

    assert [folder["path"] for folder in passed["folders"]] == [str(tmp_path), str(crashed)]
    assert named.returncode == 2


def test_root_changes_nothing_where_everybody_may_write(tool: Tool, crashed: Path) -> None:
    """Anybody could swap a name under root's hands there."""
    crashed.chmod(0o1777)

    done = tool.cleanup(crashed)

    assert done.returncode == 3
    assert "everybody may write this folder: nothing was changed" in done.stderr
    assert (crashed / "hot.session-journal").exists()


@pytest.mark.parametrize("word", ["--bla", "--min-age=x"])
def test_a_wrong_argument_is_one_line_and_exit_2(tool: Tool, word: str) -> None:
    """No usage wall: what is wrong and where to read on."""
    done = tool.cleanup(word)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_misspelt_variable_is_answered_with_the_right_one(tool: Tool, sessions: Path) -> None:
    """A setting that nobody reads is an error, not silence."""
    done = Tool(tool.state, {"GAVAT_STAT": "x"}).cleanup(sessions)

    assert (done.returncode, done.stderr) == (2, "unknown variable GAVAT_STAT · did you mean GAVAT_STATE?\n")


def test_a_state_folder_that_cannot_be_made_stops_the_run(sessions: Path) -> None:
    """Without a place for copies nothing is changed."""
    done = Tool(Path("/proc/state")).cleanup(sessions)

    assert done.returncode == 1
    assert "the state folder cannot be made" in done.stderr
