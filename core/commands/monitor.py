"""The commands of monitor_system.py: what only looks."""

from __future__ import annotations

from collections.abc import Sequence

from core.commands.dispatch import Program, run_program

PROGRAM = Program(
    script="monitor_system.py",
    purpose="Look at the fleet without changing anything.",
    default="report",
    commands={
        "report": "the state of all sessions, lock files, copies and runs, of processes and logs",
        "locks": "who holds what, and by which evidence",
        "why": "all that is known of one session, and what would be done",
        "doctor": "what is wrong with the fleet as a whole, and with the machine",
        "explain": "what a finding code means and what to do",
        "completion": "print a completion script for bash, zsh or tcsh",
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: that of the process) and return the exit code."""
    return run_program(PROGRAM, argv)
