"""`cleanup_sessions.py demo DIR`: a sample fleet with really crashed sessions."""

from __future__ import annotations

import argparse

from core.commands import exit_codes
from core.commands.output import Output

SUMMARY = "Make a sample fleet in a new folder: real Telethon sessions, their writers really killed."
EXAMPLES = """\
  cleanup_sessions.py demo /tmp/fleet       then: cleanup_sessions.py -n /tmp/fleet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", help="a folder that does not exist yet, or is empty")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Make the fleet and say what is in it."""
    from core.commands.pastable import command_line
    from core.session_files.sample_fleet import make_sample_fleet
    from utils.redact import printable

    fleet = make_sample_fleet(arguments.folder)
    if output.json:
        output.document(
            {
                "schema": {"name": "gavat.demo", "version": 1},
                "folder": fleet.folder,
                "sessions": [{"name": name, "made": made} for name, made in fleet.sessions],
                "holder_pid": fleet.holder_pid,
            }
        )
        return exit_codes.DONE
    width = max(len(name) for name, _made in fleet.sessions)
    output.lines(
        [
            f"A sample fleet is in {printable(fleet.folder)}:",
            "",
            *(f"  {name:<{width}}  {made}" for name, made in fleet.sessions),
            "",
            f"pid {fleet.holder_pid} holds one of them and ends by itself in {fleet.holder_minutes} minutes.",
            f"Look at it: {command_line('cleanup_sessions.py', '-n', fleet.folder)}",
        ]
    )
    return exit_codes.DONE
