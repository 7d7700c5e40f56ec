"""`cleanup_sessions.py files salvage`: rescuing what damaged sessions still hold into fresh ones."""

from __future__ import annotations

import argparse

from core.commands.files.arguments import add_chore_arguments
from core.commands.output import Output

SUMMARY = """\
Rescue login, data centre, entities and update state of damaged sessions from their pages, their journal and their WAL
into fresh ones that Telethon opens. The damaged files move to quarantine, all together, and undo brings them back."""
EXAMPLES = """\
  cleanup_sessions.py files salvage -n                       what could be rescued in sessions/
  cleanup_sessions.py files salvage bots/shop_11             rescue one
  cleanup_sessions.py files salvage bots/shop_11 --out new/shop_11.session    elsewhere; the damaged one stays

exit codes: 0 rescued, or nothing damaged · 3 something could not be rescued (each named) · 1 failed · 2 usage ·
11 another run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_chore_arguments(parser)
    parser.add_argument("--out", metavar="NEW", help="write the fresh session to this new file and change nothing else")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Rescue, or with `-n` say what could be."""
    from core.commands.files.salvage_work import SalvageWork, salvage_to
    from core.commands.wiring import wire

    if arguments.out is not None:
        return salvage_to(arguments, output, wire())
    return SalvageWork(arguments, output, wire()).run()
