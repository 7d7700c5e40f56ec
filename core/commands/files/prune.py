"""`cleanup_sessions.py files prune`: shrinking the entity caches of sessions that nobody has open."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.commands.files.arguments import add_chore_arguments
from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from core.session_files.upkeep.plan import PruneRule

SUMMARY = """\
Shrink the entity caches of sessions that nobody has open. Telethon keeps every user and chat it ever saw; a dropped one
costs a question to Telegram when it is needed again. The account itself and followed channels always stay."""
EXAMPLES = """\
  cleanup_sessions.py files prune -n --older 180d             what would go from sessions/
  cleanup_sessions.py files prune --older 180d --keep 20000   drop what was not seen for half a year, keep 20,000
  cleanup_sessions.py files prune --indexes bots/shop_03      make lookups by name quick

Each file is copied first; undo puts the dropped entities back beside what is newer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_chore_arguments(parser)
    parser.add_argument("--older", metavar="AGE", help="drop entities not seen for so long (90d, 26w)")
    parser.add_argument("--keep", metavar="N", help="keep the newest N entities of each session")
    parser.add_argument("--indexes", action="store_true", help="add indexes for lookups by user name, phone and name")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Prune, or with `-n` say what would go."""
    from core.commands.files.upkeep_work import PruneWork
    from core.commands.wiring import wire
    from utils.clock import utc_now

    rule = _rule(arguments, utc_now())
    return PruneWork(arguments, output, wire(), rule).run()


def _rule(arguments: argparse.Namespace, now: datetime) -> PruneRule:
    from core.session_files.upkeep.plan import PruneRule
    from core.settings import parse_count, parse_duration

    if arguments.older is None and arguments.keep is None and not arguments.indexes:
        raise ConfigError("say what may go: --older AGE, --keep N", hint="or --indexes to add them only; see --help")
    try:
        age: timedelta | None = parse_duration(arguments.older) if arguments.older is not None else None
        keep = None
        if arguments.keep is not None:
            keep = 0 if arguments.keep == "0" else parse_count(arguments.keep)
    except ValueError as error:
        raise ConfigError(str(error), hint="see --help") from None
    return PruneRule(int((now - age).timestamp()) if age is not None else None, keep, arguments.indexes)
