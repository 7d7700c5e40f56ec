"""The programs and their commands: what changes something, what only looks, and what talks to Telegram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Program(NamedTuple):
    """One program and its commands."""

    script: str
    """How it is called."""
    purpose: str
    default: str | None
    """What is meant when no command is named; None: one must be."""
    commands: Mapping[str, str]
    """Name → one line; `core.commands.files.prune` holds `files prune`."""
    usage_codes: Mapping[str, int] = {}
    """By command: the exit code of a wrong argument, where it is not 2."""
    completes: str | None = None
    """The word that a shell completes, where that is not the script's name."""


CLEANUP = Program(
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

MONITOR = Program(
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
    usage_codes={"doctor": 3},  # its 2 is "critical", as of a Nagios plugin
)

CORE = Program(
    script="python -m core",
    purpose="Log bots in, and run them.",
    default=None,
    commands={
        "run": "run the bots of session files until it is stopped: in a terminal, or under systemd",
        "login": "log in to Telegram, into a session file that only you can read",
        "completion": "print a completion script for bash, zsh or tcsh",
    },
    completes="gavat",
)
PROGRAMS = (CLEANUP, MONITOR, CORE)
