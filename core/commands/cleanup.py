"""`cleanup_sessions.py`: the commands that change something."""

from __future__ import annotations

from collections.abc import Sequence

from core.commands.dispatch import run_program
from core.commands.programs import CLEANUP


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: that of the process) and return the exit code."""
    return run_program(CLEANUP, argv)
