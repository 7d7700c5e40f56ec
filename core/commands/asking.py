"""Asking the person at the terminal, or taking the lines of a pipe in the order of the questions.

Never blocks the event loop, which keeps the connection to Telegram alive meanwhile, and never waits in a thread, which
Ctrl-C could not end: that is why this is neither `input` nor `getpass`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core.client.sign_in import Question
from core.errors import ConfigError

_ECHO_FLAGS = 3
"""Index of the local modes in what tcgetattr gives (termios(3), c_lflag)."""
_PIECE = 4096
_PROMPTS = {
    Question.PHONE_OR_TOKEN: "Phone number with country code, or a bot's token: ",
    Question.CODE: "Code: ",
    Question.PASSWORD: "Password of the two-step verification (not shown): ",
}
_SENT = {
    "SentCodeTypeApp": "in a chat of the account's other Telegram apps",
    "SentCodeTypeSms": "by SMS",
    "SentCodeTypeSmsWord": "as a word in an SMS",
    "SentCodeTypeSmsPhrase": "as a phrase in an SMS",
    "SentCodeTypeFirebaseSms": "by SMS",
    "SentCodeTypeCall": "by a phone call",
    "SentCodeTypeFlashCall": "as the number of a call that rings off",
    "SentCodeTypeMissedCall": "as the last digits of the number of a missed call",
    "SentCodeTypeEmailCode": "by e-mail",
    "SentCodeTypeFragmentSms": "to the number's owner at fragment.com",
}
_MISTAKES = {
    "PHONE_NUMBER_INVALID": "That is no phone number as Telegram wants it",
    "ACCESS_TOKEN_INVALID": "Telegram knows no bot with this token",
    "ACCESS_TOKEN_EXPIRED": "This token was revoked",
    "PHONE_CODE_INVALID": "Wrong code",
    "PHONE_CODE_EMPTY": "No code",
    "PHONE_CODE_EXPIRED": "The code has expired, a new one is on its way",
    "PASSWORD_HASH_INVALID": "Wrong password",
    "PASSWORD_EMPTY": "No password",
}


class Asker:
    """The person at stdin: `core.client.sign_in.Person`. Prompts go to stderr, and only to a terminal."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno() if sys.stdin is not None else -1
        self._is_terminal = self._input >= 0 and os.isatty(self._input)
        self._read = b""
        self._has_told = False
        """Whether it was said where to look for the code."""

    async def answer(self, question: Question, about: str) -> str:
        """The next line; raises ConfigError when there is none."""
        if self._is_terminal and about and not self._has_told:
            self._has_told = True
            self._say(f"Telegram has sent a code {_SENT.get(about, 'to the account')}.\n")
        with _echo_off(self._input) if question is Question.PASSWORD and self._is_terminal else _as_it_is():
            if self._is_terminal:
                self._say(_PROMPTS[question])
            return await self._line(question)

    def mistaken(self, error: str, tries_left: int) -> None:
        """Say what was wrong and how often it may be tried again."""
        tries = "one more try" if tries_left == 1 else f"{tries_left} more tries"
        self._say(f"{_MISTAKES.get(error, 'Telegram did not take that')}; {tries}.\n")

    async def _line(self, question: Question) -> str:
        while b"\n" not in self._read:
            piece = await self._piece()
            if not piece:
                if self._read:
                    break  # the last line of a pipe may have no end
                message = f"nothing more can be read where the {question.value} was to come"
                hint = "call it on a terminal, or pipe one line for each question: phone, code, password; or a token"
                raise ConfigError(message, hint=hint)
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace").removesuffix("\r")

    async def _piece(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        try:
            loop.add_reader(self._input, _resolve, ready)
        except (PermissionError, ValueError, OSError):  # a regular file never blocks; a closed one gives nothing
            return _read(self._input)
        try:
            await ready
        finally:
            loop.remove_reader(self._input)
        return _read(self._input)

    @staticmethod
    def _say(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PIECE)
    except OSError:  # closed, or the terminal is gone
        return b""


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _echo_off(terminal: int) -> Iterator[None]:
    """What is typed meanwhile is not shown, as getpass does it; what was typed before is dropped."""
    before = termios.tcgetattr(terminal)
    silent = before.copy()
    silent[_ECHO_FLAGS] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal may be closed
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        sys.stderr.write("\n")
        sys.stderr.flush()
