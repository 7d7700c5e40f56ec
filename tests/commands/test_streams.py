"""Whatever stdout is, a run ends with its report and the right exit code: other encodings, and none at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.session_files import sample_fleet
from tests.commands.test_pastable import paste
from tests.tool import CLEANUP, MONITOR, Tool


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path / "state", {"PYTHONIOENCODING": "ascii"})


def python(tool: Tool, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """With its variables: -I would ignore them."""
    return tool.run(sys.executable, *words)


def closed(tool: Tool, streams: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """With some of its streams closed."""
    return tool.run("bash", "-c", f'"$@" {streams}', "bash", sys.executable, *words)


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-9", "cp437"])
def test_a_mended_folder_is_told_of_in_any_encoding(tool: Tool, crashed: Path, encoding: str) -> None:
    """The run was done: its report and the way back are not lost for a sign that a locale does not have."""
    sample_fleet.write_healthy(str(crashed / "shop→…"))

    done = python(Tool(tool.state, {"PYTHONIOENCODING": encoding}), CLEANUP, "-v", crashed)

    assert (done.returncode, done.stderr) == (0, "")
    assert "  shop->...\n" in done.stdout
    assert "Mended 1 of 3" in done.stdout
    assert "\nTake it back: " in done.stdout


def test_our_signs_are_readable_in_ascii(tool: Tool, crashed: Path) -> None:
    """Not as numbers."""
    looked = python(tool, CLEANUP, "-n", crashed)
    helped = python(tool, CLEANUP, "--help")
    wrong = python(tool, CLEANUP, "--min-age", "x", crashed)

    assert f"{crashed}/ - 2 sessions: 1 fine, 1 to mend" in looked.stdout
    assert "... and do just that later" in helped.stdout
    assert '"x" is no duration; ' in wrong.stderr
    assert "\\" not in looked.stdout + helped.stdout + wrong.stderr


@pytest.mark.parametrize("words", [("report",), ("locks",), ("doctor", "modes", "--sessions")])
def test_looking_works_in_ascii(tool: Tool, crashed: Path, words: tuple[str, ...]) -> None:
    """With the exit code that it has otherwise."""
    usual = Tool(tool.state, {"PYTHONIOENCODING": "utf-8"})

    shown, told = (python(one, MONITOR, *words, crashed) for one in (tool, usual))

    assert shown.returncode == told.returncode
    assert shown.stdout.isascii()
    assert len(shown.stdout.splitlines()) == len(told.stdout.splitlines())


def test_json_is_json_in_any_encoding(tool: Tool, crashed: Path) -> None:
    """A name that ASCII does not have is in it as it is."""
    sample_fleet.write_healthy(str(crashed / "dükkân…"))

    document = json.loads(python(tool, CLEANUP, "-n", "--json", crashed).stdout)

    assert "dükkân…" in [one["name"] for one in document["folders"][0]["sessions"]]


def test_an_offered_command_is_pasted_from_any_encoding(tool: Tool, crashed: Path) -> None:
    """A folder whose name cannot be shown is named by its bytes."""
    folder = crashed.rename(crashed.with_name("dükkân…"))
    (folder / "well.session").chmod(0o644)
    offered = python(tool, MONITOR, "why", folder / "well").stdout

    (command,) = [line.partition(": ")[2] for line in offered.splitlines() if "To do so" in line]
    assert paste(command).returncode == 0
    assert (folder / "well.session").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [("report",), ("locks",), ("doctor", "modes", "--sessions"), ("report", "--json")])
def test_a_closed_stdout_changes_no_exit_code(tool: Tool, crashed: Path, words: tuple[str, ...]) -> None:
    """It is /dev/null."""
    shown = python(tool, MONITOR, *words, crashed)

    unheard = closed(tool, ">&-", MONITOR, *words, crashed)

    assert (unheard.returncode, unheard.stdout, unheard.stderr) == (shown.returncode, "", "")


def test_a_closed_stderr_sends_no_error_to_stdout(tool: Tool, crashed: Path) -> None:
    """Where a table or a document is awaited."""
    unheard = closed(tool, "2>&-", MONITOR, "why", crashed / "none")
    mended = closed(tool, ">&- 2>&-", CLEANUP, crashed)

    assert (unheard.returncode, unheard.stdout) == (2, "")
    assert mended.returncode == 0
    assert not list(crashed.glob("*-journal"))
