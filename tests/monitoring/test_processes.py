"""Processes that hold sessions or look like bots, found with psutil; their arguments stay theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from core.monitoring.processes import find_processes
from core.session_files import sample_fleet
from core.session_files.looking.inspect import inspect_folder
from core.session_files.model import FolderPlan
from core.session_files.plan import plan_folder
from tests.session_files.holding import IDLE, LEASED_BY_CHILD, holding
from utils.clock import utc_now

WAIT = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n"


@contextmanager
def running(script: Path, *arguments: str, cwd: Path | None = None) -> Iterator[int]:
    """A script at work."""
    script.write_text(WAIT, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, script, *arguments], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def plan_of(folder: Path) -> list[FolderPlan]:
    seen = inspect_folder(str(folder))
    return [plan_folder(seen.folder, seen.files, now=utc_now())]


def test_a_holder_is_told_with_its_sessions(bots: Path) -> None:
    """With memory, start and user; the most sessions first."""
    for name in ("a", "b", "c"):
        sample_fleet.write_healthy(str(bots / name))
    both = f"{IDLE}; other = SQLiteSession(path.replace('b.session', 'c.session'))"
    with holding(IDLE, bots / "a.session") as one, holding(both, bots / "b.session") as two:
        found = find_processes(plan_of(bots)) or ()

    holders = [process for process in found if process.sessions]
    assert [(process.pid, process.sessions) for process in holders] == [
        (two, (f"{bots}/b.session", f"{bots}/c.session")),
        (one, (f"{bots}/a.session",)),
    ]
    assert all((process.memory_bytes or 0) > 1024**2 for process in holders)
    assert all(abs(process.since - utc_now().timestamp()) < 600 for process in holders)
    assert {process.user for process in holders} == {psutil.Process().username()}


def test_a_python_process_with_the_name_of_a_bot_is_told(bots: Path) -> None:
    """Its token is not."""
    with running(bots / "my_bot.py", "--token", "123456:secret") as pid:
        found = {process.pid: process for process in find_processes(plan_of(bots)) or ()}

    assert found[pid].command.endswith("my_bot.py …")
    assert found[pid].sessions == ()
    assert "secret" not in str(found)


@pytest.mark.parametrize("below", ["bots", "."])
def test_a_python_process_at_work_where_the_sessions_are_is_told(tmp_path: Path, bots: Path, below: str) -> None:
    """In their folder or right above it."""
    (tmp_path / "elsewhere").mkdir()
    script = tmp_path / "elsewhere" / "main.py"
    with running(script, cwd=tmp_path / below) as near, running(script, cwd=tmp_path / "elsewhere") as far:
        found = {process.pid for process in find_processes(plan_of(bots)) or ()}

    assert near in found
    assert far not in found
    assert os.getpid() not in found


def test_a_lease_that_its_process_left_behind_names_no_stranger(bots: Path) -> None:
    """The lock file names a process that is gone; the child that keeps it holds the session."""
    sample_fleet.write_healthy(str(bots / "a"))
    with holding(LEASED_BY_CHILD, bots / "a.session") as gone:
        found = find_processes(plan_of(bots)) or ()

    assert [process.sessions for process in found if process.pid == gone] == []
    assert (f"{bots}/a.session",) in [process.sessions for process in found]


def test_a_process_that_ends_meanwhile_is_left_out(bots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are still told."""
    with running(bots / "bot.py") as pid:
        here, ended = psutil.Process(pid), psutil.Process(os.getppid())

        def gone(_fields: object) -> None:
            raise psutil.NoSuchProcess(ended.pid)

        monkeypatch.setattr(ended, "as_dict", gone)
        monkeypatch.setattr(psutil, "process_iter", lambda: [ended, here])
        found = find_processes(plan_of(bots)) or ()

    assert [process.pid for process in found] == [pid]


def test_without_psutil_nothing_is_claimed(bots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is not "no process"."""
    monkeypatch.setitem(sys.modules, "psutil", None)

    assert find_processes(plan_of(bots)) is None
