"""The commands of cleanup_sessions.py: what changes something."""

from __future__ import annotations

from collections.abc import Sequence

from core.commands.dispatch import Program, run_program

PROGRAM = Program(
    script="cleanup_sessions.py",
    purpose=(
        "Put unused Telethon session files right, so that the bots start again. Files are copied first, changed\n"
        "only through SQLite, and never touched while a process has them open."
    ),
    default="files",
    commands={
        "files": "look at the sessions of a folder and mend those that nobody has open",
        "files salvage": "rescue what damaged sessions still hold into fresh ones",
        "files prune": "shrink the entity caches of sessions that nobody has open",
        "files repair-schema": "complete tables that Telethon was stopped in the middle of making",
        "files backup": "back up sessions through SQLite, also while their bots write",
        "files restore": "list backups, or put one in the place of its session",
        "files backup-purge": "remove every backup of a session whose login was revoked",
        "files move": "hand sessions to another host, or take them over there",
        "undo": "give back what a run found",
        "demo": "make a sample fleet with really crashed sessions",
        "completion": "print a completion script for bash, zsh or tcsh",
    },
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: that of the process) and return the exit code."""
    return run_program(PROGRAM, argv)
