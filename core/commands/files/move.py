"""`cleanup_sessions.py files move`: handing sessions to another host, and taking them over there."""

from __future__ import annotations

import argparse

from core.commands.files.arguments import add_chore_arguments
from core.commands.output import Output
from core.errors import ConfigError

SUMMARY = """\
Hand sessions to another host: pack them into one file, read it back, and put markers in their place so that none starts
here again. There, the same command unpacks. One login runs in one place only."""
EXAMPLES = """\
  cleanup_sessions.py files move sessions/ -n --to fleet.pack     on the old host: would it work?
  cleanup_sessions.py files move sessions/ --to fleet.pack        pack, and mark the old ones as moved
  cleanup_sessions.py files move fleet.pack --to sessions/        on the new host: check and unpack

Stop the bots first: when one session is in use, or needs mending, none is moved. The packed originals wait in
quarantine/RUN-ID/ until you remove them; undo puts them back (then do not run the pack anywhere). A move that was
killed goes on when the same command is run again. Undo of an unpacking moves to quarantine what no bot has used yet.

exit codes: 0 moved · 3 not moved (each reason named) · 1 failed · 2 usage · 11 another run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_chore_arguments(parser)
    parser.add_argument("--to", metavar="PACK|DIR", required=True, help="the pack to write, or where to unpack one")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Pack and mark, or unpack."""
    from core.commands.files.move_work import MoveWork
    from core.commands.files.unpack_work import unpack_to
    from core.commands.wiring import wire
    from core.session_files.moving.pack import is_pack

    packs = [name for name in arguments.folders if is_pack(name)]
    if len(packs) == 1 == len(arguments.folders):
        return unpack_to(packs[0], arguments, output, wire().state)
    if packs:
        raise ConfigError("one pack, or folders and sessions, not both", hint="see --help")
    return MoveWork(arguments, output, wire()).run()
