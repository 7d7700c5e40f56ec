"""Connecting for one purpose: to log a session in, or to ask who is logged in with it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

from telethon import errors
from telethon.sessions import Session
from telethon.tl import functions, types

from core.client.judge_login import refusal_of_telegrams
from core.client.observed import Behaviour, ObservedClient
from core.client.settings import ClientSettings
from core.client.sign_in import Person, SignIn
from core.client.termination import on_signal
from core.client.watch import quietly
from core.errors import GavatError
from utils.telegram_errors import ErrorKind, classify

Result = TypeVar("Result")
_FOREVER = -1
"""Telethon's way to say that connecting is tried without end; the deadline bounds it."""


class Server(NamedTuple):
    """A data centre's address."""

    dc_id: int
    address: str
    port: int


class Api(NamedTuple):
    """The application that logs in, and with what patience."""

    id: int
    hash: str
    settings: ClientSettings


class Account(NamedTuple):
    """Who is logged in."""

    id: int
    name: str
    """First name, or that of a bot."""
    is_bot: bool


def sign_in(session: Session, api: Api, person: Person, keep: Callable[[], None]) -> Account:
    """Log the session in and save it; `keep()` is called as soon as Telegram may know its key for a login.

    Raises Refused, other GavatError, KeyboardInterrupt (for SIGTERM and SIGHUP too).
    """
    return _run(_sign_in(session, api, person, keep))


def who_is(session: Session, api: Api) -> Account:
    """Whom Telegram knows by the session's key; raises as `sign_in` does."""
    return _run(_who_is(session, api))


async def _sign_in(session: Session, api: Api, person: Person, keep: Callable[[], None]) -> Account:
    async with _connected(session, api) as client:
        dialogue = SignIn(client, person, within=api.settings.connect_within)
        try:
            user = await dialogue.run()
        finally:
            if dialogue.may_be_logged_in:
                keep()
        return _account_of(user)


async def _who_is(session: Session, api: Api) -> Account:
    async with _connected(session, api) as client, asyncio.timeout(api.settings.connect_within.total_seconds()):
        # Not get_me(): it answers every 401 with None (research: telethon §0.10)
        (user,) = await client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        return _account_of(user)


def _account_of(user: Any) -> Account:
    return Account(user.id, user.first_name or "", bool(user.bot))


@asynccontextmanager
async def _connected(session: Session, api: Api) -> AsyncIterator[ObservedClient]:
    client = ObservedClient(
        session,
        api.id,
        api.hash,
        behaviour=Behaviour(flood_sleep=api.settings.flood_sleep, reconnect_cap=api.settings.reconnect_cap),
        # What comes in now would be taken for handled, and the bot would never hear of it
        receive_updates=False,
        connection_retries=_FOREVER,
        raise_last_call_error=True,
        use_ipv6=":" in (session.server_address or ""),  # else Telethon takes an address of its own choice
    )
    try:
        async with asyncio.timeout(api.settings.connect_within.total_seconds()):
            await client.connect()
        yield client
    finally:
        try:
            async with asyncio.timeout(api.settings.stop_within.total_seconds()):
                await quietly(client.disconnect())
        except TimeoutError:
            pass  # a dead network is left behind; the session is saved when it is closed


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(_until_terminated(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except GavatError:
        raise
    except Exception as error:  # Telegram's and the network's are expected, a program's own mistakes are not
        facts = classify(error)
        if facts.kind is ErrorKind.UNRECOGNISED and not isinstance(error, errors.RPCError):
            raise
        raise refusal_of_telegrams(facts, _said(error)) from error


async def _until_terminated(work: Coroutine[Any, Any, Result]) -> Result:
    task = asyncio.current_task()
    assert task is not None
    # The terminal that is asked may be closed, or the line to it lost
    with on_signal(signal.SIGTERM, task.cancel), on_signal(signal.SIGHUP, task.cancel):
        return await work


def _said(error: Exception) -> str:
    """Telethon's sentence on one line, without the name of the request; a time-out says nothing itself."""
    return " ".join(str(error).partition(" (caused by")[0].split()) or "Telegram does not answer"
