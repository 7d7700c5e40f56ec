"""Whatever looks like a command in the output is one: pasted into a shell elsewhere, it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.commands.pastable import as_user, command_line, quoted
from core.session_files import sample_fleet
from tests.tool import BARE, CLEANUP, MONITOR, ROOT, Tool

A_COMMAND = re.compile(
    r"((?:GAVAT_STATE=\S+ )?\S*python\S* .*(?:cleanup_sessions|monitor_system)\.py.*)$", re.MULTILINE
)
HOSTILE = "it's\n\x1b[31m $HOME `id` caf\udce9"


def paste(command: str, *, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run it as a reader would, in a shell that knows nothing of the test's variables."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GAVAT_")}
    words = ["bash", "-c", command]
    return subprocess.run(
        words, cwd=folder, env=environ, capture_output=True, text=True, errors="surrogateescape", check=False
    )


def commands_in(text: str) -> list[str]:
    return A_COMMAND.findall(text)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder of an odd name with a damaged session, one to mend, and an orphaned journal."""
    folder = tmp_path / HOSTILE
    folder.mkdir(mode=0o700)
    sample_fleet.crash_in_small_transaction(str(folder / "cold"))
    sample_fleet.crash_in_large_transaction(str(folder / "gone"))
    (folder / "gone.session").unlink()
    sample_fleet.write_healthy(str(folder / "cut"))
    os.truncate(folder / "cut.session", 8192)
    os.utime(folder / "cut.session", (1, 1))
    return folder


@pytest.mark.parametrize("word", ["plain", "two words", "it's", HOSTILE, "\u202egnp.exe", "back\\slash\t", "ü\x7f", ""])
def test_a_quoted_word_is_one_word_on_one_line(word: str) -> None:
    """The shell gets the very bytes, and the terminal nothing that drives it."""
    shown = quoted(word)

    assert shown.isprintable()
    assert subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True).stdout == os.fsencode(
        word
    )


@pytest.mark.parametrize(
    "words", [(CLEANUP, "-n"), (CLEANUP,), (MONITOR, "report"), (MONITOR, "why", "cut"), (MONITOR, "why", "cold")]
)
def test_what_the_output_offers_runs(tool: Tool, odd: Path, words: tuple[str, ...]) -> None:
    """In another folder, without the variables of the first call, over names that bite."""
    script, *rest = words
    place = str(odd / rest.pop()) if len(rest) == 2 else str(odd)
    offered = commands_in(tool.run(*BARE, script, *rest, place).stdout)

    answers = [paste(command) for command in offered]

    assert offered or rest == ["why"]
    assert all(answer.returncode in (0, 3) and not answer.stderr for answer in answers), (offered, answers)
    assert all(str(tool.state) in command for command in offered)


def test_the_sessions_of_a_call_go_with_what_it_offers(tool: Tool, odd: Path) -> None:
    """Else the command would work in sessions/ of the folder it is pasted in."""
    given = Tool(tool.state, {"GAVAT_SESSIONS": str(odd)})

    shown = given.monitor("report").stdout

    offered = [line for line in shown.splitlines() if ".py" in line and ": GAVAT_" in line]
    assert offered
    assert all(f" GAVAT_SESSIONS={quoted(str(odd))} " in line for line in offered)
    assert all(paste(line.partition(": ")[2]).returncode == 0 for line in offered)


def test_a_relative_call_is_offered_as_one(tool: Tool, odd: Path) -> None:
    """Who types `python monitor_system.py` in its folder reads that again."""
    command = [sys.executable, "cleanup_sessions.py", "-n", str(odd)]
    shown = subprocess.run(command, cwd=ROOT, env=tool.env(), capture_output=True, text=True, check=True).stdout

    assert f" {sys.executable} monitor_system.py why " in commands_in(shown)[0]


@pytest.mark.parametrize("words", [("--bla",), ("undoo",), ("report",), ("ROOT/cut.session",)])
def test_what_an_error_offers_runs(tool: Tool, odd: Path, words: tuple[str, ...]) -> None:
    """The hint of a usage error is a command too."""
    tool.cleanup(odd)
    refused = tool.cleanup(*[word.replace("ROOT", str(odd)) for word in words])
    (offered,) = commands_in(refused.stderr)

    assert refused.returncode == 2
    assert paste(offered).returncode in (0, 2), offered
    assert "Traceback" not in paste(offered).stderr


def test_another_user_is_given_this_very_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """With sudo, without the caller's state folder, which that user may not write."""
    monkeypatch.setattr(sys, "argv", [CLEANUP, "-n", "my bots"])
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-I", CLEANUP, "-n", "my bots"])
    monkeypatch.setenv("GAVAT_STATE", "/of/mine")

    assert as_user("shop") == f"sudo -u shop python3 -I {CLEANUP} -n 'my bots'"


def test_a_caller_that_is_no_script_of_ours_gets_full_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error may also be raised in somebody's own program."""
    monkeypatch.setattr(sys, "argv", ["bot.py"])
    monkeypatch.delenv("GAVAT_STATE", raising=False)

    assert command_line("monitor_system.py", "why", "x") == f"{sys.executable} {MONITOR} why x"


@pytest.mark.parametrize(
    ("called", "offered"),
    [
        (["python3", "-m", "core"], "python3 -m core"),
        (["python3", "-I", f"{ROOT}/core"], f"python3 -I {ROOT}/core"),
    ],
)
def test_the_program_without_a_script_is_offered_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, called: list[str], offered: str
) -> None:
    """By `-m` in its folder, by its path from anywhere; the scripts beside it by their full paths."""
    module = f"{ROOT}/core/__main__.py" if called[-2] == "-m" else called[-1]
    monkeypatch.setattr(sys, "argv", [module, "login", "my bot"])
    monkeypatch.setattr(sys, "orig_argv", [*called, "login", "my bot"])
    monkeypatch.delenv("GAVAT_STATE", raising=False)

    assert command_line("python -m core", "login", "x y", "--again") == f"{offered} login 'x y' --again"
    assert as_user("shop") == f"sudo -u shop {offered} login 'my bot'"
    assert command_line("cleanup_sessions.py", "undo").endswith(f"{CLEANUP} undo")
