"""`completion SHELL`: a static completion script, so that pressing Tab starts no Python."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands import exit_codes
from core.commands.output import Output
from core.errors import GavatError

if TYPE_CHECKING:
    from core.commands.programs import Program

SUMMARY = "Print a script that completes commands, options and folders in your shell."
EXAMPLES = """\
  cleanup_sessions.py completion bash > ~/.local/share/bash-completion/completions/cleanup_sessions.py
  monitor_system.py completion zsh > ~/.zfunc/_monitor_system.py
  python -m core completion bash > ~/.local/share/bash-completion/completions/gavat     with this in ~/.bashrc:
  gavat() { python /opt/gavatcore/core "$@"; }

A shell completes the first word of a line: call the script by its name (from PATH, or an alias), not through python."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError as error:
        hint = "pip install shtab, or use the environment that make run builds: .venv/bin/python"
        raise GavatError("completion needs shtab, which is not installed", hint=hint) from error
    script = shtab.complete(_whole_parser(arguments.program), shell=arguments.shell)
    output.lines([script.rstrip()])
    return exit_codes.DONE


def _whole_parser(program: Program) -> argparse.ArgumentParser:
    """One parser that knows every command; a command line itself only ever builds that of its own command."""
    whole = argparse.ArgumentParser(prog=program.completes or program.script, add_help=False)
    nouns = whole.add_subparsers(dest="command")
    verbs: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    if program.default is not None:
        _add_options(whole, program, program.default)
    for name, line in program.commands.items():
        noun, _, verb = name.partition(" ")
        if verb:
            _add_everything(verbs[noun].add_parser(verb, help=line), program, name)
            continue
        parser = nouns.add_parser(noun, help=line, add_help=False)
        if any(other.startswith(f"{noun} ") for other in program.commands):
            verbs[noun] = parser.add_subparsers(dest="verb")
            _add_options(parser, program, name)
        else:
            _add_everything(parser, program, name)
    return whole


def _add_options(parser: argparse.ArgumentParser, program: Program, command: str) -> None:
    """Only the options of a command whose first word may be another command."""
    own = argparse.ArgumentParser()
    _add_everything(own, program, command)
    for action in own._actions:
        if action.option_strings:
            parser._add_action(action)


def _add_everything(parser: argparse.ArgumentParser, program: Program, command: str) -> None:
    import shtab

    from core.commands.dispatch import add_to_parser

    add_to_parser(parser, program, command)
    kinds = {
        "folders": shtab.DIRECTORY,
        "folder": shtab.DIRECTORY,
        "file": shtab.FILE,
        "sessions": shtab.DIRECTORY,
        "logs": shtab.DIRECTORY,
        "out": shtab.FILE,
        "session": shtab.FILE,
        "targets": shtab.FILE,
    }
    for action in parser._actions:
        if action.dest in kinds:
            setattr(action, "complete", kinds[action.dest])  # noqa: B010 -- shtab's own attribute, unknown to argparse
