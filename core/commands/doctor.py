"""`monitor_system.py doctor`: what is wrong with the fleet as a whole and with the machine it runs on."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from core.commands.output import Output
from core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from core.errors import GavatError
    from core.monitoring.doctor import Answer, Check, Command, Examination, Level, Trouble

SUMMARY = "Examine the fleet and its machine: users, disks, schemas, logins in two files, git, modes, copies, clock."
EXAMPLES = """\
  monitor_system.py doctor
  monitor_system.py doctor git modes --sessions bots/
  monitor_system.py doctor --list-checks

exit codes: 0 all good · 1 a warning · 2 critical · 3 unknown, or asked wrongly (as a plugin of Nagios)"""
_SIGNS = {"crit": ("✗", "red"), "warn": ("!", "yellow"), "unknown": ("?", "yellow"), "ok": ("✓", "green")}
_WORDS = {"crit": "critical", "warn": "to look at", "unknown": "that could not be known"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="only these (default: all)")
    parser.add_argument(
        "--sessions",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of *.session files (default: sessions/); may be given again",
    )
    parser.add_argument("--recursive", action="store_true", help="sub-folders too")
    parser.add_argument("--list-checks", action="store_true", help="name the checks and run none")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Examine and show."""
    from core.commands.wiring import config_file, session_folders, wire
    from core.monitoring.doctor import choose, examine
    from utils.clock import utc_now

    now = utc_now()
    checks = choose(_names(arguments.checks))
    wiring = wire()
    if arguments.list_checks:
        return _list(checks, output)
    targets, wrong = session_folders(wiring, arguments.sessions, recursive=arguments.recursive)
    folders = [target.folder for target in targets]
    seen = examine(checks, folders, wiring.state, config=config_file(), now=now)
    seen = seen._replace(problems=(*wrong, *seen.problems))
    level = _overall(seen)
    if output.json:
        output.document(_document(seen.answers, level, at=now, problems=seen.problems))
    else:
        output.lines(_text(seen, output))
        for problem in seen.problems:
            output.error(problem)
    return level.exit_code


def _names(given: Sequence[str]) -> Sequence[str]:
    """The names of checks, unless one of them is a folder: raises ConfigError that says how folders are named."""
    from core.commands.pastable import command_line

    for name in given:
        if os.path.isdir(name):
            meant = command_line("monitor_system.py", "doctor", "--sessions", name)
            raise ConfigError("is a folder, not a check", path=name, hint=f"folders are named so: {meant}")
    return given


def _overall(seen: Examination) -> Level:
    """The worst of all; a folder that could not be looked at is unknown, and so is a fleet without an answer."""
    from core.monitoring.doctor import Level, worst

    levels = [answer.level for _check, answer in seen.answers]
    return worst([*levels, Level.UNKNOWN] if seen.problems else levels)


def _list(checks: Sequence[Check], output: Output) -> int:
    if output.json:
        output.document(_document([(check, None) for check in checks], None, at=None, problems=()))
    else:
        width = max(len(check.name) for check in checks)
        output.lines([f"{check.name:<{width}}  {check.purpose}" for check in checks])
    return 0


def _text(seen: Examination, output: Output) -> list[str]:
    width = max(len(check.name) for check, _answer in seen.answers)
    lines: list[str] = []
    for check, answer in seen.answers:
        lines += _check_lines(check, answer, output, width)
    return [*lines, "", *_last_words(seen, output)]


def _check_lines(check: Check, answer: Answer, output: Output, width: int) -> list[str]:
    from utils.redact import printable

    sign, colour = _SIGNS[answer.level.value]
    start = f"{sign} {answer.level.value:<7}"
    indent = len(start) + width + 4
    first, *more = output.wrapped(printable(answer.summary), indent=indent)
    lines = [f"{output.paint(start, colour)}  {check.name:<{width}}  {first}", *more]
    for trouble in answer.troubles:
        told = printable(trouble.evidence)
        first, *more = output.wrapped(told, indent=18)
        lines += [f"           {trouble.code}  {first}", *more, f"           → {command_text(trouble.command)}"]
    return lines


def _last_words(seen: Examination, output: Output) -> list[str]:
    """One plain sentence."""
    from collections import Counter

    from core.commands.pastable import command_line
    from core.commands.sessions_text import plural

    counts = Counter(trouble.level.value for _check, answer in seen.answers for trouble in answer.troubles)
    number = len(seen.answers)
    if not counts:
        unseen = ", but not every folder could be looked at" if seen.problems else ""
        return [f"{plural(number, 'check')}, nothing found{unseen}."]
    told = ", ".join(f"{counts[level]} {word}" for level, word in _WORDS.items() if counts[level])
    worst_code = seen.answers[0][1].troubles[0].code
    more = command_line("monitor_system.py", "explain", worst_code)
    return output.wrapped(f"{plural(number, 'check')}, found: {told}. What the first means: {more}", indent=0)


def command_text(command: Command) -> str:
    """The command as a shell takes it."""
    from core.commands.pastable import as_user, command_line, quoted
    from core.monitoring.doctor import CLEANUP, MONITOR

    if not command.words:
        return as_user(quoted(command.user or "root"))
    script, *words = command.words
    ours = script in (CLEANUP, MONITOR)
    line = command_line(script, *words) if ours else " ".join(map(quoted, command.words))
    into = f" >> {quoted(command.append_to)}" if command.append_to is not None else ""
    return f"{f'sudo -u {quoted(command.user)} ' if command.user else ''}{line}{into}"


def _document(
    answers: Sequence[tuple[Check, Answer | None]],
    level: Level | None,
    *,
    at: datetime | None,
    problems: Sequence[GavatError],
) -> dict[str, Any]:
    from core.commands.documents import problem_texts
    from utils.clock import utc_text

    return {
        "schema": {"name": "gavat.doctor", "version": 1},
        "at": utc_text(at) if at is not None else None,
        "level": level.value if level is not None else None,
        "checks": [
            {
                "name": check.name,
                "purpose": check.purpose,
                "level": answer.level.value if answer is not None else None,
                "summary": answer.summary if answer is not None else None,
                "findings": [_finding(trouble) for trouble in (answer.troubles if answer is not None else ())],
            }
            for check, answer in answers
        ],
        "problems": problem_texts(problems),
        "exit_code": level.exit_code if level is not None else 0,
    }


def _finding(trouble: Trouble) -> dict[str, Any]:
    return {
        "code": trouble.code,
        "level": trouble.level.value,
        "evidence": trouble.evidence,
        "command": command_text(trouble.command),
    }
