"""Text that came from outside (file names, command lines), made safe to show.

File names and process names are chosen by others: a newline forges a line of a report, an escape sequence
drives the terminal, an argument may be a bot token. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x1b": "\\e"}
_PYTHONS = ("python", "pypy")
_INTERPRETERS = (*_PYTHONS, "node", "ruby", "perl", "bash", "sh")
_PLAIN_FLAG = re.compile(r"-[bBdEiIOPqsSuvx]+|-[WX].*")  # Python's flags without a value of their own, and warnings


def printable(text: str) -> str:
    r"""The text with every unprintable character written as an escape, on one line.

    Bytes of a file name that are not UTF-8 (surrogates in a `str` path) appear as `\xNN`.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def masked_command(arguments: Sequence[str]) -> str:
    """What a command line may show to others: the program and its script or module, all else as `…`.

    Tokens and phone numbers are passed as arguments, in code (`-c`), and in titles that programs give themselves, so
    nothing is shown that is not plainly a program, script or module name: `python bot.py …`.
    """
    if not arguments:
        return ""
    program, titled, _rest = arguments[0].partition(" ")  # setproctitle(3): the whole title is one argument
    shown = [_base_name(program)]
    hidden = bool(titled)
    if not hidden:
        script, hidden = _script(shown[0], list(arguments[1:]))
        shown += script
    return printable(" ".join([*shown, "…"] if hidden else shown))


def _script(program: str, rest: list[str]) -> tuple[list[str], bool]:
    """The words that name the script or module, and whether anything else follows."""
    name = program.rstrip("0123456789.").lower()
    if name in _INTERPRETERS:
        while name in _PYTHONS and rest and _PLAIN_FLAG.fullmatch(rest[0]):
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        if name in _PYTHONS and rest[:1] == ["-m"] and len(rest) > 1:
            return rest[:2], len(rest) > 2
        if rest and not rest[0].startswith("-") and not any(char.isspace() and char != "\n" for char in rest[0]):
            return [_base_name(rest[0])], len(rest) > 1
    return [], bool(rest)


def _base_name(path: str) -> str:
    return path.rsplit("/", 1)[-1] or path
