"""Pressing Tab in a real bash, with the script that `completion bash` prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tool import BARE, CLEANUP, CORE, MONITOR, ROOT, Tool

PRESS_TAB = """
source "$1"; shift
function=$(complete -p "$1" | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
$function "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
echo "${COMPREPLY[@]}"
"""


def _completed(tool: Tool, folder: Path, script: str, *words: str) -> str:
    (folder / "script").write_text(tool.run(sys.executable, script, "completion", "bash").stdout)
    called = "gavat" if script == CORE else Path(script).name
    command = ["bash", "-c", PRESS_TAB, "bash", str(folder / "script"), called, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("script", "words", "completed"),
    [
        (CLEANUP, ["fi"], "files"),
        (CLEANUP, ["--de"], "--deep"),
        (CLEANUP, ["files", "pr"], "prune"),
        (CLEANUP, ["files", "--min"], "--min-age"),
        (CLEANUP, ["files", "prune", "--ol"], "--older"),
        (CLEANUP, ["files", "prune", "benchm"], "benchmarks"),
        (MONITOR, ["ex"], "explain"),
        (MONITOR, ["why", "READ"], "README.md"),
        (CORE, ["lo"], "login"),
        (CORE, ["run", "--dr"], "--dry-run"),
        (CORE, ["run", "READ"], "README.md"),
        (CORE, ["login", "--ag"], "--again"),
        (CORE, ["login", "READ"], "README.md"),
    ],
)
def test_tab_completes_commands_options_and_places(
    tool: Tool, tmp_path: Path, script: str, words: list[str], completed: str
) -> None:
    assert _completed(tool, tmp_path, script, *words) == completed


def test_without_shtab_the_line_says_what_to_install(tool: Tool) -> None:
    """A bare interpreter has none."""
    done = tool.run(*BARE, CLEANUP, "completion", "bash")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "completion needs shtab, which is not installed · pip install shtab" in done.stderr
