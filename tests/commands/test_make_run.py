"""`make run SESSIONS=…`, the first thing a reader of the README types."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tool import ROOT, Tool


@pytest.fixture
def bots(crashed: Path) -> Path:
    """The folder of crashed sessions, its name in two words and a quote."""
    return crashed.rename(crashed.with_name("my 'bots"))


def make_run(tool: Tool, sessions: str, *variables: str) -> subprocess.CompletedProcess[str]:
    """With the environment that runs these tests: nothing is built or cleared."""
    environ = {name: value for name, value in tool.env().items() if not name.startswith("MAKE")}
    here = ["RUN_READY=", f"BIN={os.path.dirname(sys.executable)}"]
    command = ["make", "--no-print-directory", "run", *here, f"SESSIONS={sessions}", *variables]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_make_run_shows_each_command_and_mends(tool: Tool, bots: Path) -> None:
    """A path with a space is one path, in what is run and in what is shown."""
    done = make_run(tool, str(bots))

    headers = [line for line in done.stdout.splitlines() if line.startswith("$ ")]
    assert (done.returncode, done.stderr) == (0, "")
    assert [header.split("python ")[1].split()[:2] for header in headers] == [
        ["cleanup_sessions.py", "files"],
        ["monitor_system.py", "report"],
    ]
    assert all(subprocess.run(["bash", "-nc", header[2:]], check=False).returncode == 0 for header in headers)
    assert not (bots / "hot.session-journal").exists()


def test_make_run_hands_arguments_on(tool: Tool, bots: Path) -> None:
    """ARGS=-n looks and writes nothing."""
    done = make_run(tool, str(bots), "ARGS=-n")

    assert "Would mend 1 of 2." in done.stdout
    assert (bots / "hot.session-journal").exists()


def test_make_run_takes_several_folders(tool: Tool, crashed: Path) -> None:
    """Separated by spaces, where the whole is not one folder itself."""
    (crashed / "more").mkdir(mode=0o700)

    done = make_run(tool, f"{crashed} {crashed}/more")

    assert done.returncode == 0
    assert f"{crashed}/more/ · 0 sessions" in done.stdout


def test_make_run_says_that_a_person_is_needed(tool: Tool, bots: Path) -> None:
    """Exit code 3 is no failure of make: the report is shown, and a sentence ends it."""
    (bots / "well.session").write_bytes(b"no database" * 100)
    os.utime(bots / "well.session", (1, 1))

    done = make_run(tool, str(bots))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("A person is needed (exit code 3 of cleanup_sessions.py)")


def test_make_run_fails_where_the_command_does(tool: Tool, bots: Path) -> None:
    """A folder that is not there is an error."""
    done = make_run(tool, f"{bots}/missing")

    assert done.returncode != 0
    assert "there is no such folder" in done.stderr


def test_only_another_interpreter_makes_the_environment_anew(tmp_path: Path) -> None:
    """A running fleet lives in it, with packages that its handlers brought along."""
    shutil.copy(f"{ROOT}/Makefile", tmp_path)
    shutil.copytree(f"{ROOT}/requirements", tmp_path / "requirements")
    (tmp_path / ".venv").mkdir()

    def planned(*words: str) -> str:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        command = ["make", "-n", "lint", *words]
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout

    for stamp in re.findall(r"touch (\S+)", planned()):
        (tmp_path / stamp).touch()
    as_it_is = planned()
    with (tmp_path / "requirements" / "dev.txt").open("a") as pins:
        pins.write("# a newer linter\n")
    other_linter = planned()
    with (tmp_path / "requirements" / "base.txt").open("a") as pins:
        pins.write("# a newer Telethon\n")
    other_telethon = planned()

    assert [("--clear" in plan, "base.txt" in plan, "dev.txt" in plan) for plan in (as_it_is, other_linter)] == [
        (False, False, False),
        (False, False, True),
    ]
    assert ("--clear" in other_telethon, "-r requirements/base.txt" in other_telethon) == (False, True)
    assert "--clear" in planned("PYTHON=/bin/false")
