"""The dialogue of a login: phone, code and password, or a bot's token. What was typed is kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol, TypeVar

from telethon import TelegramClient, errors, utils

from utils.telegram_errors import classify, error_name

Result = TypeVar("Result")
TRIES = 3
"""How often each question is asked before the login is given up."""


class Question(Enum):
    """What is asked."""

    PHONE_OR_TOKEN = "phone or token"
    CODE = "code"
    PASSWORD = "password"


class Person(Protocol):
    """Who logs in."""

    async def answer(self, question: Question, about: str) -> str:
        """One answer, without the end of its line; `about` a code: how it was sent (Telethon's name of it).

        Raises GavatError when there will be no more answers.
        """

    def mistaken(self, error: str, tries_left: int) -> None:
        """Telegram took the last answer for wrong (its name of the error); the same question comes again."""


_WRONG = {
    Question.PHONE_OR_TOKEN: {"PHONE_NUMBER_INVALID", "ACCESS_TOKEN_INVALID", "ACCESS_TOKEN_EXPIRED"},
    Question.CODE: {"PHONE_CODE_INVALID", "PHONE_CODE_EMPTY", "PHONE_CODE_EXPIRED"},
    Question.PASSWORD: {"PASSWORD_HASH_INVALID", "PASSWORD_EMPTY", "SRP_ID_INVALID"},
}
"""Answers that may be given again, by Telegram's name of the error."""


class SignIn:
    """One login over a connected client."""

    def __init__(self, client: TelegramClient, person: Person, *, within: timedelta) -> None:
        """`within`: how long each answer of Telegram's may take."""
        self._client = client
        self._person = person
        self._within = within.total_seconds()
        self.may_be_logged_in = False
        """Telegram was asked to log in and has not plainly refused: the key may be a login though no answer came."""

    async def run(self) -> Any:
        """Log in; returns Telethon's user. Raises Telegram's errors and the network's, GavatError."""
        begun = await self._ask(Question.PHONE_OR_TOKEN, self._begin)
        if not hasattr(begun, "phone_code_hash"):
            return begun
        try:
            return await self._ask(Question.CODE, self._give_code, about=type(begun.type).__name__)
        except errors.SessionPasswordNeededError:
            return await self._ask(Question.PASSWORD, self._give_password)

    async def _ask(self, question: Question, give: Callable[[str], Awaitable[Result]], *, about: str = "") -> Result:
        tries_left = TRIES
        while True:
            answer = await self._person.answer(question, about)
            tries_left -= 1
            try:
                async with asyncio.timeout(self._within):
                    return await give(answer)
            except errors.RPCError as error:
                name = error_name(error)
                if name not in _WRONG[question] or not tries_left:
                    raise
                self._person.mistaken(name, tries_left)

    async def _begin(self, answer: str) -> Any:
        """Log in by token, or have a code sent."""
        if ":" in answer:
            return await self._sign_in(bot_token=answer.strip())
        phone = utils.parse_phone(answer)
        if not phone:
            raise errors.PhoneNumberInvalidError(request=None)
        return await self._client.send_code_request(phone)

    async def _give_code(self, answer: str) -> Any:
        code = answer.strip()
        digits = code.replace(" ", "").replace("-", "")  # as apps show it, to be read aloud
        if not code:
            raise errors.PhoneCodeEmptyError(request=None)
        try:
            return await self._sign_in(phone=self._client._phone, code=digits if digits.isdigit() else code)
        except errors.PhoneCodeExpiredError:
            await self._client.send_code_request(self._client._phone)
            raise

    async def _give_password(self, answer: str) -> Any:
        if not answer:
            raise errors.PasswordEmptyError(request=None)
        return await self._sign_in(password=answer)

    async def _sign_in(self, **what: str) -> Any:
        self.may_be_logged_in = True
        try:
            return await self._client.sign_in(**what)
        except errors.RPCError as error:
            self.may_be_logged_in = not classify(error).refused
            raise
