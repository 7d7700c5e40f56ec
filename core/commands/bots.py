"""`python -m core`: the commands that talk to Telegram."""

from __future__ import annotations

from collections.abc import Sequence

from core.commands.dispatch import run_program
from core.commands.programs import CORE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: that of the process) and return the exit code."""
    return run_program(CORE, argv)
