"""Help fits the terminal, and what is to be pasted stays on one line."""

from __future__ import annotations

import re
import sys

import pytest

from core.commands.programs import CLEANUP as CLEANUP_PROGRAM
from core.commands.programs import CORE as CORE_PROGRAM
from core.commands.programs import MONITOR as MONITOR_PROGRAM
from tests.commands.terminal import on_terminal
from tests.tool import CLEANUP, CORE, MONITOR, Tool

SCRIPTS = ((CLEANUP_PROGRAM, CLEANUP), (MONITOR_PROGRAM, MONITOR), (CORE_PROGRAM, CORE))
CALLS = [(script, name) for program, script in SCRIPTS for name in program.commands] + [(CORE, "")]
A_COMMAND = re.compile(r"  (\w+=\S+ )?(cleanup_sessions.py|monitor_system.py|python -m core|kill|gavat\(\)) ?.*")


def helped(tool: Tool, script: str, name: str, columns: int) -> list[str]:
    command = [sys.executable, script, *name.split(), "--help"]
    return on_terminal(command, columns=columns, environ=tool.env()).splitlines()


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(("script", "name"), CALLS)
def test_help_fits_the_terminal(tool: Tool, script: str, name: str, columns: int) -> None:
    """All but a command that is longer than a line, which a terminal copies whole; none is cut."""
    lines = helped(tool, script, name, columns)

    wide = [line for line in lines if len(line) > columns]

    assert lines[0].startswith("usage: ")
    assert [line for line in wide if A_COMMAND.fullmatch(line) is None or re.search(r"\S {2,}", line)] == []


@pytest.mark.parametrize(("script", "name"), CALLS)
def test_a_narrow_help_says_the_same_words(tool: Tool, script: str, name: str) -> None:
    """In other lines."""
    narrow, wide = (helped(tool, script, name, columns) for columns in (60, 120))

    assert " ".join(narrow).split() == " ".join(wide).split()


def test_an_option_of_the_usage_stays_in_one_piece(tool: Tool) -> None:
    """Its own line, rather than `[--rec` and `ursive]`."""
    usage = "\n".join(helped(tool, CLEANUP, "", 60)).partition("\n\n")[0]

    for option in ("[--recursive]", "[--exit-code]", "[--min-age S]", "[--color WHEN]"):
        assert option in usage


def test_columns_decides_before_the_terminal_and_in_a_pipe(tool: Tool) -> None:
    """As in other programs."""
    narrow = Tool(tool.state, {"COLUMNS": "50"})

    piped = narrow.cleanup("--help").stdout.splitlines()

    assert max(len(line) for line in piped if not line.startswith("  cleanup")) <= 50
    assert 80 < max(map(len, Tool(tool.state, {"COLUMNS": ""}).cleanup("--help").stdout.splitlines())) <= 120
