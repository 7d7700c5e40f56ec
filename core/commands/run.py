"""`python -m core run [DIR…]`: its arguments; run_plan says what is to run, run_service runs it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.commands.telethon_needed import require_telethon
from core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from core.commands.run_plan import RunPlan
    from core.commands.run_service import Service
    from core.commands.run_signals import EarlySignals

SUMMARY = (
    "Run the bots of session files: a few start at a time, each is supervised, all stop whole on SIGTERM or Ctrl-C."
)
EXAMPLES = """\
  python -m core run -n                  which bots would start, with which handlers and settings
  python -m core run                     those of the sessions folder (GAVAT_SESSIONS, or [files] sessions)
  python -m core run /srv/bots /srv/shop/alice.session      folders and single sessions
  GAVAT_ON_PRIVATE=mybot.handlers:answer python -m core run
  kill -HUP PID                          read gavat.toml and the folders again

Handlers are functions, named in gavat.toml as module:function: on_private, on_group and handlers of [fleet], or of
[bots.NAME] for one bot. Modules are looked for here, beside gavat.toml and beside the scripts. See docs/running.md.

exit codes: 0 stopped as asked · 1 failed · 2 usage or configuration · 130 interrupted (Ctrl-C)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "targets", nargs="*", metavar="DIR|SESSION", help="folders of *.session files, or single sessions"
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show what would start, and start nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="no status line; log lines from WARNING on")
    parser.add_argument("-v", "--verbose", action="store_true", help="log lines from DEBUG on; whole tracebacks")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run until it is told to stop, or show what would."""
    from contextlib import nullcontext, redirect_stdout

    from core.commands.run_signals import EarlySignals, Terminated

    signals = None if arguments.dry_run else EarlySignals()
    try:
        # What handlers print must not end up in the middle of the document
        with redirect_stdout(sys.stderr) if output.json else nullcontext():
            code, document, lines = _run(arguments, output, signals)
    except Terminated:
        return exit_codes.DONE
    if output.json:
        output.document(document)
    else:
        output.lines(lines)
    return code


def _run(
    arguments: argparse.Namespace, output: Output, signals: EarlySignals | None
) -> tuple[int, dict[str, Any], list[str]]:
    """Exit code, document, text; without `signals` nothing is started."""
    require_telethon("running bots")
    from core.commands.run_logs import log_to_stderr
    from core.commands.run_plan import refuse_root_elsewhere_in
    from core.commands.run_shown import document, plan_text
    from core.commands.wiring import wire
    from core.completions import described, helper_maker, warn_of_unanswerable
    from gpt.openai_utils import set_default_helper
    from utils.clock import utc_now

    wiring = wire()
    log_to_stderr(wiring.log.format or "text", output, quiet=arguments.quiet, verbose=arguments.verbose)
    # Before handlers' modules are imported: they may ask for the helper there
    set_default_helper(helper_maker(wiring.gpt, wiring.redis, wiring.state))
    plan = _plan(arguments)
    if signals is None:
        code = exit_codes.DONE
        return code, document(plan, None, at=utc_now(), exit_code=code), plan_text(plan, output)
    refuse_root_elsewhere_in(plan)
    if described(wiring.gpt):
        warn_of_unanswerable(wiring.gpt)
    service = _serve(plan, arguments.targets, output, signals)
    code = service.exit_code
    return code, document(service.plan, service.last, at=utc_now(), exit_code=code), []


def _plan(arguments: argparse.Namespace) -> RunPlan:
    from core.commands.run_plan import read_plan, refuse_unusable

    try:
        plan = read_plan(tuple(arguments.targets))
    except ConfigError as error:
        if arguments.verbose and error.__cause__ is not None:
            import traceback

            traceback.print_exception(error.__cause__)
        raise
    refuse_unusable(plan)
    return plan


def _serve(plan: RunPlan, targets: Sequence[str], output: Output, signals: EarlySignals) -> Service:
    """The run, when it is over."""
    import asyncio
    import gc
    from functools import partial

    from core.commands.run_plan import read_plan
    from core.commands.run_service import Service
    from utils.sd_notify import ServiceManager

    gc.enable()  # a short command does without; this one may run for months
    service = Service(plan, partial(read_plan, targets, plan), ServiceManager(os.environ), output, signals)
    runner = asyncio.Runner()
    try:
        runner.run(service.run())
    finally:
        if not service.left_behind:  # closing waits for every task
            runner.close()
        signals.close()
    return service
