"""What the doctor sees on a real machine: real sessions, real repositories, real holders."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from core.monitoring.doctor import see_machine
from core.monitoring.doctor.see_config import see_config_mode
from core.monitoring.doctor.see_fleet import (
    lets_everyone_pass,
    see_folder_modes,
    see_kept,
    see_logins,
    see_schemas,
    see_state_modes,
)
from core.monitoring.doctor.see_git import see_work_trees
from core.monitoring.doctor.see_machine import (
    largest_session,
    see_clock,
    see_disks,
    see_processes,
    see_room,
)
from core.monitoring.doctor.see_users import see_owners, user, user_of_file
from core.session_files import sample_fleet
from tests.monitoring.conftest import Look
from tests.session_files.holding import IDLE, holding
from tests.tool import Tool
from utils.clock import utc_now


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository around the folder of sessions."""
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder: Path, *words: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "-C", folder, *words], env=environ, check=True, capture_output=True)


def make(bots: Path, *names: str) -> None:
    for name in names:
        sample_fleet.write_healthy(str(bots / name))


def downgraded(tool: Tool, session: Path, out: Path) -> None:
    """A copy of a session as an older Telethon writes it."""
    done = tool.cleanup("files", "repair-schema", session, "--downgrade", "7", "--out", out)
    assert done.returncode == 0, done.stderr


def test_schemas_are_read_from_the_pages(look: Look, tool: Tool, bots: Path) -> None:
    """Of free and whole sessions; the others are counted."""
    make(bots, "a", "b")
    downgraded(tool, bots / "a.session", bots / "old.session")
    (bots / "junk.session").write_bytes(b"no database" * 100)
    make(bots, "held")
    with holding(IDLE, bots / "held.session"):
        seen = see_schemas(look(bots))

    assert {version: len(paths) for version, paths in seen.paths.items()} == {7: 1, 8: 2}
    assert seen.paths[7] == (f"{bots}/old.session",)
    assert seen.unread == 2


def test_a_copied_login_is_recognised_whatever_its_name_and_schema(look: Look, tool: Tool, bots: Path) -> None:
    """In another folder, and downgraded; sessions of their own are told apart."""
    other = bots.parent / "other"
    other.mkdir()
    make(bots, "a", "b")
    downgraded(tool, bots / "a.session", other / "c.session")

    seen = see_logins(look(bots, other))

    assert sorted(map(len, seen.paths.values())) == [1, 2]
    assert (f"{bots}/a.session", f"{other}/c.session") in seen.paths.values()


def test_two_names_of_one_file_are_one_login(look: Look, bots: Path) -> None:
    """Hard links are another finding."""
    make(bots, "a")
    os.link(bots / "a.session", bots / "b.session")

    assert [len(paths) for paths in see_logins(look(bots)).paths.values()] == [1]


def test_sessions_without_a_login_share_none(look: Look, bots: Path) -> None:
    """An empty key is no key."""
    for name in ("a", "b"):
        (bots / f"{name}.session").touch()
        os.utime(bots / f"{name}.session", (1, 1))

    seen = see_logins(look(bots))

    assert (seen.paths, seen.unread) == ({}, 2)


def test_git_names_what_it_tracks_and_what_it_does_not_ignore(look: Look, repository: Path, bots: Path) -> None:
    """Sidecars and copies beside the session too; nothing else in the repository."""
    make(bots, "pushed", "loose")
    shutil.copy(bots / "loose.session", bots / "loose.session.bak")
    (bots / "bot.py").touch()
    git(repository, "add", "bots/pushed.session")

    (seen,) = see_work_trees(look(bots))

    assert (seen.top, seen.folder, seen.owner, seen.refusal) == (str(repository), str(bots), None, "")
    assert seen.tracked == ("pushed.session",)
    assert seen.loose == ("loose.session", "loose.session.bak")


def test_ignored_sessions_are_neither_tracked_nor_loose(look: Look, repository: Path, bots: Path) -> None:
    """By the very line that the doctor proposes, also for a folder of a hostile name."""
    hostile = bots / os.fsdecode(b"-caf\xe9\n*")
    hostile.mkdir()
    make(hostile, "a")
    make(bots, "a")
    before = see_work_trees(look(bots, hostile))
    (repository / ".gitignore").write_text(f"{before[0].pattern}\n", encoding="utf-8")

    after = see_work_trees(look(bots, hostile))

    assert [tree.loose for tree in before] == [("a.session",), ("a.session",)]
    assert [(tree.tracked, tree.loose, tree.refusal) for tree in after] == [((), (), ""), ((), (), "")]


def test_copies_in_the_state_folder_can_be_pushed_too(look: Look, tool: Tool, repository: Path, bots: Path) -> None:
    """The state folder is asked as a whole."""
    sample_fleet.crash_in_small_transaction(str(bots / "a"))
    tool.cleanup(bots)

    seen = {tree.pattern: tree for tree in see_work_trees(look(bots))}

    assert seen["/state/"].top == str(repository)
    assert any(name.endswith("a.session") for name in seen["/state/"].loose)


def test_a_folder_outside_of_work_trees_is_not_asked(look: Look, bots: Path) -> None:
    """No git is started."""
    make(bots, "a")

    assert see_work_trees(look(bots)) == ()


def test_a_git_that_is_missing_or_broken_is_said(
    look: Look, repository: Path, bots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never taken for "ignored"."""
    make(bots, "a")
    (repository / ".git" / "HEAD").write_text("nonsense", encoding="utf-8")
    (broken,) = see_work_trees(look(bots))
    monkeypatch.setenv("PATH", str(bots))
    (missing,) = see_work_trees(look(bots))

    assert "not a git repository" in broken.refusal
    assert missing.refusal == "git is not installed"
    assert (missing.tracked, missing.loose) == ((), ())


def test_a_repository_starts_no_program_of_its_own(look: Look, repository: Path, bots: Path) -> None:
    """`core.fsmonitor` names one in the repository's settings."""
    make(bots, "a")
    monitor = repository / "monitor.sh"
    monitor.write_text(f"#!/bin/sh\ntouch {repository}/started\n", encoding="utf-8")
    monitor.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(monitor))

    see_work_trees(look(bots))

    assert not (repository / "started").exists()


def test_modes_are_those_of_the_files(look: Look, bots: Path) -> None:
    """The folder keeps everybody out, so a readable file in it is not reachable."""
    make(bots, "a", "b")
    (bots / "a.session").chmod(0o644)

    (seen,) = see_folder_modes(look(bots))

    assert seen.sessions == (("a", 0o644), ("b", 0o600))
    assert (seen.mode, seen.dedicated, seen.reachable) == (0o700, True, False)


def test_a_folder_is_reachable_when_all_above_lets_everybody_pass(tmp_path: Path) -> None:
    """One closed folder on the way is enough."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)

    assert lets_everyone_pass("/")
    inner.chmod(0o700)
    assert not lets_everyone_pass(str(inner))
    assert not lets_everyone_pass(str(tmp_path / "missing"))


def test_the_state_folder_is_looked_at_when_there_is_one(look: Look, tmp_path: Path, bots: Path) -> None:
    """It is not made for that."""
    assert see_state_modes(look(bots)) is None

    (tmp_path / "state").mkdir(mode=0o755)
    seen = see_state_modes(look(bots))

    assert seen is not None
    assert seen.mode == 0o755


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("[client]\napi_id = 1\n[files]\nsessions = ['a']\n", ()),
        ("[client]\napi_hash = 'h'\n", ("api_hash",)),
        ("[bots.alice]\napi_hash = 'h'\nproxy = 'socks5://u:p@h:1'\n", ("api_hash", "proxy")),
        ("[redis]\nurl = 'redis://:p@h:6379/0'\n[backup]\nkey = 'k'\n", ("url", "key")),
        ("[redis]\nurl = 'redis://h:6379/0'\n", ()),
    ],
)
def test_secrets_in_gavat_toml_are_found_by_name(
    look: Look, bots: Path, tmp_path: Path, text: str, secrets: tuple[str, ...]
) -> None:
    config = tmp_path / "gavat.toml"
    config.write_text(text)
    config.chmod(0o640)

    seen = see_config_mode(look(bots)._replace(config=str(config)))

    assert seen is not None
    assert (seen.mode, seen.secrets) == (0o640, secrets)
    assert see_config_mode(look(bots)._replace(config=str(tmp_path / "missing"))) is None


def test_copies_and_what_was_set_aside_are_counted(look: Look, tool: Tool, bots: Path) -> None:
    """With the day on which it was put there."""
    sample_fleet.crash_in_large_transaction(str(bots / "gone"))
    sample_fleet.crash_in_small_transaction(str(bots / "cold"))
    (bots / "gone.session").unlink()
    tool.cleanup(bots)
    (run,) = (bots / "set-aside").iterdir()
    os.utime(run, (0, 86400))

    seen = see_kept(look(bots))

    assert seen.copies.copies == 2
    assert [(one.path, one.files, one.since.year) for one in seen.put_away] == [(f"{bots}/set-aside", 1, 1970)]
    assert seen.unreadable == ()


def test_what_cannot_be_counted_is_named(look: Look, tmp_path: Path, bots: Path) -> None:
    """A loop stands for what even root cannot read."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "copies").symlink_to("copies")
    (bots / "quarantine").symlink_to("quarantine")

    seen = see_kept(look(bots))

    assert [path for path, _owner in seen.unreadable] == [f"{tmp_path}/state/copies", f"{bots}/quarantine"]


def test_owners_are_those_of_the_files(look: Look, tmp_path: Path, bots: Path) -> None:
    """And of the state folder, once it is there."""
    make(bots, "a", "b")
    me = user(os.geteuid())
    before = see_owners(look(bots))
    (tmp_path / "state").mkdir()

    assert (before.sessions, before.state) == (((me, 2),), None)
    assert see_owners(look(bots)).state == me


def test_a_user_without_a_name_is_written_as_sudo_takes_it() -> None:
    """`sudo -u '#4242424'`."""
    assert user(4242424).name == "#4242424"


def test_the_owner_of_what_is_not_there_is_that_of_the_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None where that is the running user."""
    assert user_of_file(str(tmp_path / "x" / "y")) is None

    monkeypatch.setattr(os, "geteuid", lambda: 4242424)
    assert user_of_file(str(tmp_path / "x" / "y")) == user(tmp_path.stat().st_uid).name


def test_processes_of_others_are_counted_without_those_of_the_kernel(
    look: Look, bots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an ordinary user sees them."""
    make(bots, "a")
    scene = look(bots)
    listdir = os.listdir

    def refuse(path: str) -> list[str]:
        if str(path) in ("/proc/2/fd", f"/proc/{os.getpid()}/fd"):  # 2: kthreadd, where it can be seen
            raise PermissionError(13, "Permission denied", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)

    seen = see_processes(scene)

    assert (seen.unreadable, seen.users) == (1, (user(os.geteuid()).name,))


def test_a_named_holder_is_no_trouble(look: Look, bots: Path) -> None:
    """And a session that is free is none either."""
    make(bots, "a", "b")
    with holding(IDLE, bots / "a.session"):
        seen = see_processes(look(bots))

    assert (seen.unnamed, seen.unknown) == ((), ())
    assert seen.folders == (str(bots),)


def test_a_holder_that_the_scan_does_not_find_has_no_name(
    look: Look, bots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses the write lease all the same."""
    make(bots, "a")
    listdir = os.listdir
    with holding(IDLE, bots / "a.session") as pid:
        monkeypatch.setattr(os, "listdir", lambda path: [one for one in listdir(path) if one != str(pid)])
        seen = see_processes(look(bots))

    assert seen.unnamed == (f"{bots}/a.session",)


def test_disks_are_those_of_the_folders_and_of_the_state(look: Look, bots: Path) -> None:
    """The state folder need not be there yet."""
    seen = see_disks(look(bots))

    assert [(disk.path, disk.local, disk.of_state) for disk in seen] == [
        (str(bots), True, False),
        (str(bots.parent / "state"), True, True),
    ]


def test_room_is_told_once_for_each_disk(look: Look, bots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user who is not root has it."""
    tiny = os.statvfs_result((4096, 4096, 1000, 100, 5, 1000, 100, 7, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: tiny)

    (seen,) = see_room(look(bots))

    assert seen == (str(bots), 4096 * 1000, 4096 * 5, 1000, 7)


def test_the_largest_session_counts_with_its_journal(look: Look, bots: Path) -> None:
    """A copy takes both."""
    sample_fleet.crash_in_large_transaction(str(bots / "a"))

    assert largest_session(look(bots)) == sum(one.stat().st_size for one in bots.iterdir())


def test_the_newest_file_is_found(look: Look, bots: Path) -> None:
    """Among sessions and what lies beside them."""
    sample_fleet.crash_in_large_transaction(str(bots / "a"))
    ahead = (utc_now() + timedelta(hours=3)).timestamp()
    os.utime(bots / "a.session-journal", (ahead, ahead))

    seen = see_clock(look(bots))

    assert seen.newest is not None
    assert seen.newest[1] == f"{bots}/a.session-journal"
    assert seen.newest[0] - seen.now > timedelta(hours=2)


def test_the_kernel_is_asked_about_the_clock(look: Look, bots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, or a sandbox forbids the question; asking sets nothing."""
    before = utc_now()

    seen = see_clock(look(bots))

    assert seen.newest is None
    assert seen.synchronised in (True, False, None)
    assert abs(utc_now() - before) < timedelta(minutes=1)
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    assert see_machine.see_clock(look(bots)).synchronised is None
