"""One key used twice."""

import asyncio
from pathlib import Path

import pytest
from telethon import errors, functions

from tests.telegram import Duplicates, Telegram
from tests.telegram.clients import client_for, connected

pytestmark = pytest.mark.asyncio

GET_STATE = functions.updates.GetStateRequest()


async def test_two_live_connections_burn_a_key_where_so_set(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    telegram.duplicates = Duplicates.TWO_CONNECTIONS
    first, copy = alice.session_file(sessions / "first"), alice.session_file(sessions / "copy")

    async with connected(first) as client:
        with pytest.raises(errors.AuthKeyDuplicatedError):
            await connected(copy).__aenter__()
        with pytest.raises(errors.AuthKeyDuplicatedError):
            await client(GET_STATE)
    await telegram.until(lambda: telegram.live() == 0)
    telegram.duplicates = Duplicates.ALLOWED
    with pytest.raises(errors.AuthKeyDuplicatedError):
        await connected(first).__aenter__()


@pytest.mark.parametrize(("duplicates", "is_burnt"), [(Duplicates.TWO_ADDRESSES, True), (Duplicates.ALLOWED, False)])
async def test_two_addresses_burn_a_key_where_so_set(
    telegram: Telegram, sessions: Path, duplicates: Duplicates, is_burnt: bool
) -> None:
    alice = telegram.add_user("alice")
    telegram.duplicates = duplicates
    copies = [alice.session_file(sessions / f"copy {number}") for number in range(3)]

    async with connected(copies[0]), connected(copies[1]) as second:
        assert await second.get_me()
        third = client_for(copies[2], local_addr="127.0.0.2")
        connecting = asyncio.gather(third.connect(), return_exceptions=True)
        outcome = (await connecting)[0]
        await third.disconnect()

    assert isinstance(outcome, errors.AuthKeyDuplicatedError) is is_burnt


async def test_one_address_after_the_other_burns_nothing(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    path = alice.session_file(sessions / "alice")

    async with connected(path):
        pass
    await telegram.until(lambda: telegram.live() == 0)
    async with connected(path, local_addr="127.0.0.2") as client:
        assert await client.get_me()
