"""`monitor_system.py explain CODE`: what a finding code means and what to do."""

from __future__ import annotations

import argparse

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import ConfigError
from core.findings import FINDINGS, find_finding

SUMMARY = "Tell what a finding code means, why it matters and what to do; without a code, list them all."
EXAMPLES = """\
  monitor_system.py explain GV102
  monitor_system.py explain"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as GV102")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show one finding, or the list."""
    if arguments.code is None:
        found = list(FINDINGS.values())
    else:
        one = find_finding(arguments.code)
        if one is None:
            from core.commands.pastable import command_line

            hint = f"all of them: {command_line('monitor_system.py', 'explain')}"
            raise ConfigError(f"there is no finding {arguments.code!r}", hint=hint)
        found = [one]
    if output.json:
        output.document(
            {"schema": {"name": "gavat.explain", "version": 1}, "findings": [one._asdict() for one in found]}
        )
    elif arguments.code is None:
        output.lines([f"{one.code}  {one.title}" for one in found])
    else:
        one = found[0]
        output.lines(
            [f"{one.code} {one.title}", "", one.meaning, "", f"Danger: {one.danger}", "", f"What to do: {one.remedy}"]
        )
    return exit_codes.DONE
