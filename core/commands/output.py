"""Where text and JSON go: stdout for results, stderr for errors and progress; colour and progress on terminals only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from core.commands.streams import terminal_columns
from core.errors import GavatError
from utils.redact import printable

T = TypeVar("T")
_COLOURS = {"red": "31", "yellow": "33", "green": "32", "cyan": "36", "bold": "1", "dim": "2"}
_QUIET_START = 0.3
_REDRAW = 0.1
_LEAST_ROOM = 20


class Streamed(list[Any]):
    """A JSON array whose items are made while it is written, so that a large fleet is never in memory twice."""

    def __init__(self, items: Sequence[T], make: Callable[[T], Any]) -> None:
        super().__init__()
        self._items = items
        self._make: Callable[[Any], Any] = make

    def __iter__(self) -> Iterator[Any]:
        return map(self._make, self._items)

    def __bool__(self) -> bool:
        return bool(self._items)  # the encoder asks before it iterates


class Output:
    """The one renderer's way out."""

    def __init__(self, *, json: bool, colour: bool, quiet: bool) -> None:
        self.json = json
        self._colour = colour
        self._quiet = quiet
        self._began = time.monotonic()
        self._drawn = 0.0

    @classmethod
    def for_arguments(cls, words: Sequence[str]) -> Output:
        """Settings read straight from the command line, so that errors of its parsing are shown the same way."""
        json = "--json" in words
        choice = "auto"
        for index, word in enumerate(words):
            if word == "--color" and index + 1 < len(words):
                choice = words[index + 1]
            elif word.startswith("--color="):
                choice = word.partition("=")[2]
        return cls(json=json, colour=not json and _wants_colour(choice), quiet="-q" in words or "--quiet" in words)

    def lines(self, lines: Sequence[str]) -> None:
        """Write lines of text to stdout."""
        self.clear_progress()
        if lines:
            print("\n".join(lines))

    def document(self, document: dict[str, Any]) -> None:
        """Write the one JSON document to stdout."""
        import json

        for piece in json.JSONEncoder(indent=2).iterencode(document):
            sys.stdout.write(piece)
        sys.stdout.write("\n")

    @property
    def width(self) -> int | None:
        """Columns of the terminal that stdout is; None in a pipe or file, where a line may have any length."""
        return terminal_columns()

    def wrapped(self, text: str, *, indent: int) -> list[str]:
        """The text as lines that fit the terminal, each after the first indented; one line where there is none."""
        if self.width is None or indent + len(text) <= self.width:
            return [text]
        import textwrap

        room = max(_LEAST_ROOM, self.width - indent)
        first, *more = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        return [first, *(" " * indent + line for line in more)]

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour where colours are shown."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour else text

    def error(self, error: GavatError) -> None:
        """One line on stderr: what, where, what to do next; with `--json` also a document on stdout."""
        self.clear_progress()
        where = f"{printable(error.path)}: " if error.path else ""
        hint = f" · {error.hint}" if error.hint else ""
        print(f"{where}{error}{hint}", file=sys.stderr)
        if self.json:
            self.document(
                {
                    "schema": {"name": "gavat.error", "version": 1},
                    "error": {
                        "kind": type(error).__name__,
                        "message": str(error),
                        "path": error.path,
                        "hint": error.hint,
                        "retryable": error.retryable,
                    },
                }
            )

    def say_interrupted(self, left: str) -> None:
        """Say that the work was broken off and, where it is known, how it left the sessions."""
        self.clear_progress()
        print(f"interrupted; {left}" if left else "interrupted", file=sys.stderr)

    @property
    def shows_progress(self) -> bool:
        """Whether anybody would see it."""
        return not self._quiet and not self.json and sys.stderr.isatty()

    def progress(self, text: str) -> None:
        """Show what is going on, on a terminal, once the work has lasted 300 ms, at most ten times a second."""
        if not self.shows_progress:
            return
        now = time.monotonic()
        if now - self._began >= _QUIET_START and now - self._drawn >= _REDRAW:
            self._drawn = now
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear_progress(self) -> None:
        """Take the progress line away before other text."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = 0.0


def _wants_colour(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()
