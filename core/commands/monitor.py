"""`monitor_system.py`: the commands that only look."""

from __future__ import annotations

from collections.abc import Sequence

from core.commands.dispatch import run_program
from core.commands.programs import MONITOR


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: that of the process) and return the exit code."""
    return run_program(MONITOR, argv)
