"""Commands as the reader can paste them: with the interpreter, the path and the variables of this very process."""

from __future__ import annotations

import os
import re
import shlex
import sys

from core.state.settings import ROOT

_SCRIPTS = ("cleanup_sessions.py", "monitor_system.py")
_VARIABLES = ("GAVAT_CONFIG", "GAVAT_STATE")
"""What may have been set for this one call, and decides where the history and the copies are."""
_NEEDS_BYTES = re.compile(r"[^ -~]|['\\]")


def command_line(script: str, *words: str) -> str:
    """One of the two scripts with arguments, started the way this process was: `python3 g/monitor_system.py why x`."""
    given = [f"{name}={quoted(os.environ[name])}" for name in _VARIABLES if os.environ.get(name)]
    return " ".join([*given, *map(quoted, [*_started_as(script), *words])])


def as_user(user: str) -> str:
    """The command line of this process, run by that user (as `sudo -u` takes one), with that user's state folder."""
    words = [*_started_as(os.path.basename(sys.argv[0])), *sys.argv[1:]]
    return " ".join(["sudo", "-u", user, *map(quoted, words)])


def quoted(word: str) -> str:
    r"""One word for a shell, on one line and safe to print: `$'…\x1b…'` where it holds what is not printable."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(char if char.isalnum() else _NEEDS_BYTES.sub(_bytes_of, char) for char in word) + "'"


def _bytes_of(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(found[0]))


def _started_as(script: str) -> list[str]:
    """The words that start `script` as this process was started, or the interpreter and the full path."""
    folder, name = os.path.split(sys.argv[0])
    if name not in _SCRIPTS or not os.path.exists(os.path.join(folder, script)):
        return [sys.executable, os.path.join(ROOT, script)]
    interpreter = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv)]  # with its own options: -I, -m coverage run
    return [*interpreter, os.path.join(folder, script)]
