"""Somebody else holds the session's lock while a message is sent: the bot must not notice, and bare Telethon does."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.client import preparation
from core.client.model import FailureKind, HealthState
from core.errors import SessionFileBusy
from tests.client.town import Town, in_virtual_time
from tests.telegram.clients import connected

WRITING, COMMITTING = "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"
TEXTS = [f"hello {number}" for number in range(5)]


@contextmanager
def held(session: Path, begin: str) -> Iterator[None]:
    """An operator's script in the middle of a transaction; while one commits, nobody may even read."""
    writer = sqlite3.connect(session, isolation_level=None, check_same_thread=False)
    try:
        writer.execute(begin)
        yield
    finally:
        writer.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("begin", [WRITING, COMMITTING])
async def test_sending_to_a_group_is_done_once_and_answered(town: Town, begin: str) -> None:
    client, heard = await town.listening()
    town.group.receives("who is there", sender=town.bob)
    await town.until(lambda: heard == ["who is there"])

    with held(town.session, begin):
        sent = [await client.client.send_message(town.group.marked_id, text) for text in TEXTS]
        town.group.receives("good", sender=town.bob)
        await town.until(lambda: heard == ["who is there", "good"])
        client.client.session.save()

        assert client.health.state is HealthState.ALIVE
        assert client.health.session.busy == 1
    assert [message.raw_text for message in sent] == TEXTS
    assert [one.text for one in town.telegram.messages(town.group)] == ["who is there", *TEXTS, "good"]
    assert client.health.connects == 1

    client.client.session.save()
    assert client.health.session.rows_kept == 0


@pytest.mark.asyncio
async def test_a_chat_that_only_the_file_knows_is_waited_for(town: Town) -> None:
    """Not found because of a lock is not the same as not found."""
    client = await town.started()
    with held(town.session, COMMITTING):
        sending = asyncio.create_task(client.client.send_message(town.group.marked_id, "hello"))
        await town.until(lambda: client.health.session.reads_missed > 0)

    assert (await sending).raw_text == "hello"
    assert len(town.telegram.messages(town.group)) == 1


@pytest.mark.asyncio
async def test_a_lock_taken_right_before_the_start_opens_the_file_is_told_as_such(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, check = town.client(), preparation._check
    with ExitStack() as locks:

        def check_and_come_too_late(path: str) -> None:
            check(path)
            locks.enter_context(held(town.session, COMMITTING))

        monkeypatch.setattr(preparation, "_check", check_and_come_too_late)
        assert not await client.start()

    assert client.failure is not None
    assert (client.failure.kind, client.failure.retryable) == (FailureKind.HELD, True)
    monkeypatch.undo()
    assert await client.start()


def test_a_lock_without_end_is_told_as_such(folder: Path) -> None:
    async def story(town: Town) -> None:
        client = await town.started()
        with held(town.session, COMMITTING), pytest.raises(SessionFileBusy):
            await client.client.send_message(town.group.marked_id, "hello")

        assert await client.client.send_message(town.group.marked_id, "hello again")

    in_virtual_time(folder, story)


@pytest.mark.asyncio
async def test_bare_telethon_loses_the_answer_and_its_connection(town: Town) -> None:
    """The peer: the server has executed it, and the caller is told of an error."""
    async with connected(town.session) as bare:
        bare.session.save()
        bare.session._conn.execute("PRAGMA busy_timeout=50")

        with held(town.session, WRITING):
            with pytest.raises((sqlite3.OperationalError, asyncio.CancelledError)):
                await bare.send_message(town.group.marked_id, "hello")
            await town.until(lambda: not bare.is_connected())

    assert len(town.telegram.messages(town.group)) == 1
