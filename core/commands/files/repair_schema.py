"""`cleanup_sessions.py files repair-schema`: completing tables that Telethon was stopped in the middle of making."""

from __future__ import annotations

import argparse
import os

from core.commands.files.arguments import add_chore_arguments
from core.commands.output import Output
from core.errors import ConfigError

SUMMARY = """\
Complete half-created and half-migrated sessions, which Telethon can never open again by itself. Nothing is taken away:
missing tables and columns are added and the version row is set to what they are."""
EXAMPLES = """\
  cleanup_sessions.py files repair-schema -n            which sessions of sessions/ need it, and what is missing
  cleanup_sessions.py files repair-schema bots/shop_03
  cleanup_sessions.py files repair-schema bots/shop_03 --downgrade 7 --out old/shop_03.session

--downgrade writes a copy for an older Telethon: the same login, never to be run beside the original."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_chore_arguments(parser)
    parser.add_argument("--downgrade", metavar="SCHEMA", help="write a copy with this schema version (4 to 7) to --out")
    parser.add_argument("--out", metavar="NEW", help="with --downgrade: the file to write")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Repair, or write a downgraded copy."""
    from core.commands.wiring import wire

    if (arguments.downgrade is None) != (arguments.out is None):
        raise ConfigError("--downgrade SCHEMA and --out NEW go together", hint="see --help")
    if arguments.downgrade is None:
        from core.commands.files.upkeep_work import RepairSchemaWork

        return RepairSchemaWork(arguments, output, wire()).run()
    return _downgrade(arguments, output)


def _downgrade(arguments: argparse.Namespace, output: Output) -> int:
    from core.commands import exit_codes
    from core.commands.wiring import session_targets, wire
    from core.errors import SessionFileBusy
    from core.session_files.looking.filesystem import file_system_of
    from core.session_files.looking.inspect import inspect_again
    from core.session_files.model import Usage
    from core.session_files.upkeep.repair_schema import write_downgraded
    from utils.redact import printable

    targets, problems = session_targets(wire(), arguments.folders, recursive=False)
    named = [(target.folder, name) for target in targets for name in target.only or ()]
    if len(named) != 1 or problems or not arguments.downgrade.isdigit():
        raise ConfigError("--downgrade takes one session FILE and a schema number", hint="see --help")
    path = os.path.join(*named[0])
    seen = inspect_again(path, file_system=file_system_of(os.path.dirname(path)))
    if seen.occupancy.usage is not Usage.FREE or seen.family.sidecars:
        raise SessionFileBusy("is in use, or needs mending first", path=path)
    contents = write_downgraded(seen.family.target, arguments.out, int(arguments.downgrade))
    if output.json:
        schema = {"name": "gavat.downgrade", "version": 1}
        output.document(
            {"schema": schema, "path": path, "out": arguments.out, "schema_version": contents.schema_version}
        )
    else:
        what = "logged in" if contents.logged_in else "not logged in"
        output.lines(
            [
                f"{printable(arguments.out)}: schema {contents.schema_version}, {what}.",
                "It is the same login: never run it beside the original.",
            ]
        )
    return exit_codes.DONE
