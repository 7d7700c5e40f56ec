"""`cleanup_sessions.py files`, which mends, and the package of its verbs: `files prune` is in `prune`.

work  the chore that they share: inspect → plan → apply → report
"""

from __future__ import annotations

import argparse

from core.commands.output import Output
from core.errors import ConfigError

SUMMARY = "Look at the sessions of each folder and mend those that nobody has open; -n only shows it."
EXAMPLES = """\
  cleanup_sessions.py -n                 what would be done in sessions/, changing nothing
  cleanup_sessions.py                    do it
  cleanup_sessions.py --deep -n bots/    look inside every free session as well
  cleanup_sessions.py -q --recursive /srv/bots     for cron: silent when all is well
  cleanup_sessions.py --plan-out plan.json       look now …
  cleanup_sessions.py --apply plan.json          … and do just that later
  cleanup_sessions.py --json | jq .summary

exit codes: 0 done, nothing to do, or left alone for a good reason · 1 failed · 2 usage or configuration ·
3 something needed mending and was not · 4 -n --exit-code found work · 11 another run is at work · 130 interrupted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folders", nargs="*", metavar="DIR", help="folder of *.session files (default: sessions/)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would be done; writes nothing")
    parser.add_argument("--deep", action="store_true", help="look inside every session that nobody has open")
    parser.add_argument("--recursive", action="store_true", help="sub-folders too")
    parser.add_argument("--exit-code", action="store_true", help="with -n: exit 4 when there is something to mend")
    parser.add_argument(
        "--min-age",
        metavar="S",
        help="how old an empty, garbage or damaged file must be to be called that (90s, 5m; less than 60 s acts as "
        "60 s); never delays a recovery",
    )
    parser.add_argument(
        "--quarantine",
        action="store_true",
        help="move damaged sessions that nothing can heal, with all beside them, to quarantine/RUN-ID/",
    )
    parser.add_argument("--plan-out", metavar="F", help="write the plan to a new file and change nothing")
    parser.add_argument("--apply", metavar="F", help="do what the plan in that file says; what changed since is left")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing when all is well")
    parser.add_argument("-v", "--verbose", action="store_true", help="list every session")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Look at the folders, mend unless it is a dry run, and report."""
    if arguments.exit_code and not arguments.dry_run:
        raise ConfigError("--exit-code goes with -n", hint="without -n the exit code tells already; see --help")
    if arguments.apply and (arguments.folders or arguments.plan_out or arguments.quarantine):
        raise ConfigError("--apply takes folders and actions from the plan", hint="name only the plan's file")
    from core.commands.files.work import FilesWork, parsed_age
    from core.commands.wiring import wire

    arguments.dry_run = arguments.dry_run or bool(arguments.plan_out)
    wiring = wire({"min_age": parsed_age(arguments.min_age)})
    work = FilesWork
    if arguments.plan_out or arguments.apply:
        from core.commands.files.plan_file import ApplyWork, PlanOutWork

        work = ApplyWork if arguments.apply else PlanOutWork
    return work(arguments, output, wiring).run()
