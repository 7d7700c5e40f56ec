"""Commands as the reader can paste them: with the interpreter, the path and the variables of this very process."""

from __future__ import annotations

import os
import re
import shlex
import sys

from core.commands.streams import is_sayable
from core.state.settings import ROOT

_CORE = "python -m core"
_PLACES = {"cleanup_sessions.py": "cleanup_sessions.py", "monitor_system.py": "monitor_system.py", _CORE: "core"}
"""Where each program lies, below the folder of the scripts: Python runs a package by its folder too."""
_RUN_AS_MODULE = "__main__.py"
_VARIABLES = ("GAVAT_CONFIG", "GAVAT_STATE", "GAVAT_SESSIONS")
"""What may have been set for this one call, and decides where the history, the copies and the sessions are."""
_NEEDS_BYTES = re.compile(r"[^ -~]|['\\]")


def command_line(script: str, *words: str) -> str:
    """One of the programs with arguments, started the way this process was: `python3 g/monitor_system.py why x`."""
    given = [f"{name}={quoted(os.environ[name])}" for name in _VARIABLES if os.environ.get(name)]
    return " ".join([*given, *map(quoted, [*_started_as(script), *words])])


def as_user(user: str) -> str:
    """The command line of this process, run by that user (as `sudo -u` takes one), with that user's state folder."""
    name = os.path.basename(sys.argv[0])
    script = _CORE if name in (_PLACES[_CORE], _RUN_AS_MODULE) else name
    words = [*_started_as(script), *sys.argv[1:]]
    return " ".join(["sudo", "-u", user, *map(quoted, words)])


def quoted(word: str) -> str:
    r"""One word for a shell, on one line and safe to print: `$'…\x1b…'` where it holds what is not printable."""
    if word.isprintable() and is_sayable(word):
        return shlex.quote(word)
    return "$'" + "".join(map(_in_quotes, word)) + "'"


def _in_quotes(char: str) -> str:
    return char if char.isalnum() and is_sayable(char) else _NEEDS_BYTES.sub(_bytes_of, char)


def _bytes_of(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0]))


def _started_as(script: str) -> list[str]:
    """The words that start `script` as this process was started, or the interpreter and the full path."""
    place = _PLACES.get(script, script)
    folder, name = os.path.split(sys.argv[0])
    interpreter = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv)]  # with its own options: -I, -m coverage run
    if script == _CORE and name == _RUN_AS_MODULE:
        return [*interpreter, place]  # ends in -m
    if name not in _PLACES.values() or not os.path.exists(os.path.join(folder, place)):
        return [sys.executable, os.path.join(ROOT, place)]
    return [*interpreter, os.path.join(folder, place)]
