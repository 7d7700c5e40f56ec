"""What was under way, or unknown to the file, when a client ended is asked for again by the next one."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from telethon import events

from core.client.model import FailureKind
from tests.client.fleet import Fleet, Listening
from tests.client.fleet_process import Did
from tests.client.interrupted_process import SOMETHING, STARTED, InFlight, Style
from tests.client.test_foreign_writer import COMMITTING, held
from tests.client.town import Town, in_virtual_time
from tests.telegram import Fault

NAME = "bot00.session"


@pytest.mark.parametrize("to_group", [False, True])
def test_the_first_message_ever_comes_again_when_its_handler_was_killed(lone: Fleet, to_group: bool) -> None:
    """Nothing had been saved by the clock yet: the file knows where updates begin all the same."""
    job = (lone.sessions / NAME, lone.bob.id, InFlight.SLEEPING_HANDLER, Style.RUN)
    killed = lone.start_job("interrupted_process:be_interrupted", *job)
    killed.wait_for(STARTED)
    lone.deliver(NAME, SOMETHING, to_group=to_group)
    killed.wait_for(SOMETHING)

    killed.send_signal(signal.SIGKILL)
    killed.wait()
    lone.deliver(NAME, "while it was down", to_group=to_group)
    heir = Listening(lone, lone.start([NAME]))
    heard = [heir.wait_until(Did.HEARD).value for _message in range(2)]

    assert sorted(heard) == sorted([SOMETHING, "while it was down"])
    heir.running.send_signal(signal.SIGTERM)
    assert heir.end() == 0


def test_news_of_a_group_that_could_not_be_fetched_is_told_again(folder: Path) -> None:
    """Telegram tells of a changed group by date: one that is saved too early would hide the change."""

    async def story(town: Town) -> None:
        client, heard = await town.listening()
        town.group.receives("one", sender=town.bob)
        await town.until(lambda: heard == ["one"])
        await client.stop()
        town.group.receives("two", sender=town.bob)
        await asyncio.sleep(60)
        town.telegram.faults.add(Fault.hang(method="updates.getChannelDifference"))
        assert await client.start()
        await town.telegram.seen("updates.getChannelDifference")
        await client.stop()
        town.telegram.faults.clear()

        assert await client.start()

        await asyncio.sleep(10)
        assert heard == ["one", "two"]

    in_virtual_time(folder, story)


def test_what_a_disconnect_cancelled_is_handled_after_the_next_connect(folder: Path) -> None:
    """And it does not hold the saved state back for ever."""

    async def story(town: Town) -> None:
        client, begun = town.client(), list[str]()

        @client.on(events.NewMessage(incoming=True))
        async def _take_long_at_first(event: Any) -> None:
            begun.append(event.raw_text)
            await asyncio.sleep(3600 if len(begun) == 1 else 0)

        assert await client.start(), client.failure
        town.alice.receives("one", sender=town.bob)
        await town.until(lambda: begun == ["one"])

        await client.client.disconnect()

        await town.until(lambda: begun == ["one", "one"])
        await asyncio.sleep(1)
        assert client.client.delivery.under_way == 0

    in_virtual_time(folder, story)


def test_a_lock_at_the_wrong_moment_does_not_make_it_forget_how_far_it_was(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing found because of a lock is not the same as nothing stored: then Telethon would begin anew."""

    async def story(town: Town) -> None:
        client, heard = await town.listening()
        await client.stop()
        town.alice.receives("while it was down", sender=town.bob)
        await town.telegram.go_down()
        starting = asyncio.create_task(client.start())
        await town.until(lambda: "at connecting failed" in caplog.text)  # so it has opened its session

        with held(town.session, COMMITTING):
            await town.telegram.come_back()
            assert not await starting

        assert client.failure is not None
        assert client.failure.kind is FailureKind.HELD
        assert client.failure.retryable
        assert await client.start()
        await asyncio.sleep(5)
        assert heard == ["while it was down"]

    in_virtual_time(folder, story)
