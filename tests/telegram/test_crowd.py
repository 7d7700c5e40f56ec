"""Two hundred clients at once."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.telegram import Telegram
from tests.telegram.clients import connected

CLIENTS = 200


@pytest.mark.asyncio
async def test_two_hundred_clients_connect_and_reconnect_at_once(telegram: Telegram, sessions: Path) -> None:
    accounts = [telegram.add_user(f"user{number}") for number in range(CLIENTS)]

    async with contextlib.AsyncExitStack() as stack:
        opening = (
            stack.enter_async_context(connected(account.session_file(sessions / str(account.id)), retry_delay=0))
            for account in accounts
        )
        clients = await asyncio.gather(*opening)
        assert telegram.live() == CLIENTS
        await asyncio.gather(*(client.send_message("me", "hello") for client in clients))
        telegram.drop_connections()
        await telegram.seen("users.getUsers", count=2 * CLIENTS)

        assert telegram.live() == CLIENTS

    assert len(telegram.world.messages) == CLIENTS
    assert telegram.accepted == 2 * CLIENTS
