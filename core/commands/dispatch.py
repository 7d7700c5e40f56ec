"""From a command line to an exit code: find the command, build its arguments only, run it, tell errors in one line."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from core import __version__
from core.commands import exit_codes
from core.commands.help_text import HelpFormatter
from core.commands.output import Output
from core.commands.programs import PROGRAMS, Program
from core.commands.streams import ready_streams
from core.errors import ConfigError, GavatError, RunLockHeld, RunUnfinished
from utils.redact import printable

_AS_NEAR_AS_A_SLIP = 0.66
"""How alike (difflib) a word must be to a command to be taken for one misspelt: `reprot` has 0.83, `rum` 0.67."""
_WITH_A_VALUE = ("--color", "--min-age", "--plan-out", "--apply", "--logs")
"""Options of the commands that need not be named: the word behind them is no command."""


class CommandModule(Protocol):
    """A module of `core.commands` that holds one command."""

    SUMMARY: str
    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, arguments: argparse.Namespace, output: Output) -> int:
        """Do it and return the exit code; raises GavatError."""


class _Parser(argparse.ArgumentParser):
    words: Sequence[str] = ()
    """Script and command."""

    def error(self, message: str) -> NoReturn:
        from core.commands.pastable import command_line

        raise ConfigError(printable(message), hint=f"see {command_line(*self.words, '--help')}")


def run_program(program: Program, argv: Sequence[str] | None) -> int:
    """Run one script's command line and return its exit code; nothing is raised but SystemExit of `--help`."""
    if argv is None:
        gc.disable()  # a process of one command ends before cycles matter; collecting costs a tenth of a large look
    ready_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    output = Output.for_arguments(words)
    command = program.default or ""
    try:
        taken = _take_command(program, words)
        if taken is None:
            _tell_commands(program, words)
        command = taken
        module: CommandModule = importlib.import_module(_module_of(command))
        parser = _parser(program, command, module)
        arguments = parser.parse_args(words)
        code = module.run(arguments, output)
        sys.stdout.flush()
        return code
    except GavatError as error:
        output.error(error)
        return _code_of(error, program.usage_codes.get(command, exit_codes.USAGE))
    except KeyboardInterrupt as stop:
        output.say_interrupted(str(stop))
        return exit_codes.INTERRUPTED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.DONE
    except OSError as error:  # what rooms expect they name themselves; this is a full disk under stdout, say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        from core.commands.pastable import command_line

        hint = f"the runs so far: {command_line('cleanup_sessions.py', 'undo')}"
        output.error(GavatError(f"{error.strerror}", path=error.filename, hint=hint))
        return exit_codes.FAILED
    finally:
        if argv is None:
            gc.freeze()  # else Python goes through all that was loaded once more when it ends


def _tell_commands(program: Program, words: Sequence[str]) -> NoReturn:
    """Answer a call without a command where one is needed; raises ConfigError unless it asks for help."""
    from core.commands.pastable import command_line

    parser = _Parser(
        prog=program.script,
        usage=f"{program.script} COMMAND …",
        description=program.purpose,
        epilog=f"commands:\n{_listed(program)}\n\nEach says more: {program.script} COMMAND --help",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.words = (program.script,)
    add_common_arguments(parser, program)
    _given, others = parser.parse_known_args(words)
    missing = next((word for word in others if not word.startswith("-")), None)
    message = "a command is missing" if missing is None else f"there is no command {printable(missing)}"
    raise ConfigError(message, hint=f"see {command_line(program.script, '--help')}")


def _take_command(program: Program, words: list[str]) -> str | None:
    """Remove and return the command word: the first word that is no option, when it names a command.

    Raises ConfigError when it looks like a command of either script and there is no such file or folder.
    """
    for index, word in enumerate(words):
        if not word.startswith("-") and not (index and words[index - 1] in _WITH_A_VALUE):
            if word in program.commands:
                return _take_verb(program, words, index)
            if not os.path.lexists(word):
                _refuse_misspelt(program, words, index)
            break
    return program.default


def _take_verb(program: Program, words: list[str], index: int) -> str:
    noun = words.pop(index)
    verb = " ".join(words[index : index + 1])
    if f"{noun} {verb}" in program.commands:
        del words[index]
        return f"{noun} {verb}"
    verbs = [name.partition(" ")[2] for name in program.commands if name.startswith(f"{noun} ")]
    if verbs and verb and not verb.startswith("-") and not os.path.lexists(verb):
        _refuse_misspelt_verb(program, [*words[:index], noun, *words[index:]], index + 1, verbs)
    return noun


def _refuse_misspelt_verb(program: Program, words: Sequence[str], index: int, verbs: Sequence[str]) -> None:
    from difflib import get_close_matches

    from core.commands.pastable import command_line

    for near in get_close_matches(words[index], verbs, n=1, cutoff=_AS_NEAR_AS_A_SLIP):
        meant = command_line(program.script, *words[:index], near, *words[index + 1 :])
        message = f"there is no command, file or folder {printable(words[index])}"
        raise ConfigError(message, hint=f"did you mean {near}? {meant}")


def _module_of(command: str) -> str:
    return f"core.commands.{command.replace(' ', '.').replace('-', '_')}"


def _refuse_misspelt(program: Program, words: Sequence[str], index: int) -> None:
    from difflib import get_close_matches

    from core.commands.pastable import command_line

    word = words[index]
    scripts = {name: one.script for one in (*PROGRAMS, program) for name in one.commands}
    near = get_close_matches(word, scripts, n=1, cutoff=_AS_NEAR_AS_A_SLIP)
    if not near:
        _refuse_unknown(program, words, index)
        return  # the command that is meant will say that there is no such folder
    script = scripts[near[0]]
    meant = command_line(script, *words[:index], *near[0].split(), *words[index + 1 :])
    if near[0] == word:
        raise ConfigError(f"{word} belongs to {script}", hint=meant)
    other = "" if script == program.script else f" of {script}"
    message = f"there is no command, file or folder {printable(word)}"
    raise ConfigError(message, hint=f"did you mean {near[0]}{other}? {meant}")


def _refuse_unknown(program: Program, words: Sequence[str], index: int) -> None:
    """Say at once that a word is nothing at all, unless it may be a path, or others are named that are there."""
    from core.commands.pastable import command_line

    word = words[index]
    may_be_meant = not word or "/" in word or os.path.lexists(f"{word}.session") or any(map(os.path.lexists, words))
    if program.default is None or may_be_meant:
        return
    commands = ", ".join(name for name in program.commands if " " not in name)
    hint = f"commands: {commands}; see {command_line(program.script, '--help')}"
    raise ConfigError(f"there is no command, file or folder {printable(word)}", hint=hint)


def _parser(program: Program, command: str, module: CommandModule) -> argparse.ArgumentParser:
    default = command == program.default
    commands = f"commands ({command} is meant when none is named):\n{_listed(program)}\n\n" if default else ""
    parser = _Parser(
        prog=f"{program.script} [{command}]" if default else f"{program.script} {command}",
        description=f"{program.purpose}\n\n{module.SUMMARY}" if default else module.SUMMARY,
        epilog=f"{commands}examples:\n{module.EXAMPLES}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.words = (program.script, command)
    add_to_parser(parser, program, command)
    return parser


def _listed(program: Program) -> str:
    width = max(map(len, program.commands))
    return "\n".join(f"  {name:<{width}}  {line}" for name, line in program.commands.items())


def add_to_parser(parser: argparse.ArgumentParser, program: Program, command: str) -> None:
    """Declare the arguments of a command, and those that every command has."""
    importlib.import_module(_module_of(command)).add_arguments(parser)
    add_common_arguments(parser, program)


def add_common_arguments(parser: argparse.ArgumentParser, program: Program) -> None:
    """Declare the arguments that every command has."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout and nothing else")
    colours = ("auto", "always", "never")
    when = f"colour: {colours[0]} (on a terminal only), {colours[1]} or {colours[2]}"
    parser.add_argument("--color", choices=colours, default=colours[0], metavar="WHEN", help=when)
    parser.add_argument("--version", action="version", version=f"gavatcore {__version__}")
    parser.set_defaults(program=program)


def _code_of(error: GavatError, usage: int) -> int:
    if isinstance(error, RunLockHeld):
        return exit_codes.ANOTHER_RUN
    if isinstance(error, RunUnfinished):
        return exit_codes.NEEDS_ATTENTION
    return usage if isinstance(error, ConfigError) else exit_codes.FAILED
