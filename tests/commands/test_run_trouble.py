"""`python -m core run` with handlers, modules and a gavat.toml that do what they should not."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.running_fleet import HANDLERS, Place
from tests.telegram import TelegramThread

MORE = """

import asyncio
import sys


async def leave(event):
    if event.raw_text == "leave":
        sys.exit(0)
    await event.reply("still here")


async def work_long(event):
    working = asyncio.create_task(asyncio.to_thread(time.sleep, 60))
    await asyncio.sleep(0)
    await event.reply("at work")
    await working
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with TelegramThread() as server:
        place = Place(server, tmp_path)
        (tmp_path / "mybot" / "handlers.py").write_text(HANDLERS + MORE)
        yield place


def test_a_handler_that_calls_sys_exit_ends_nothing(place: Place) -> None:
    """One message must not end all bots, with the exit code of a wish."""
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:leave"]')

    with place.running() as fleet:
        fleet.started(alice)
        place.server.call(lambda _telegram: alice.receives("leave", sender=place.bob))
        fleet.says("a handler failed: leave")
        assert place.says(alice, "hello") == "still here"
        assert fleet.ends()[0] == 0


def test_a_thread_of_a_handler_does_not_keep_a_stopped_fleet(place: Place) -> None:
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:work_long"]')

    with place.running() as fleet:
        fleet.started(alice)
        assert place.says(alice, "hello") == "at work"
        began = time.monotonic()
        code, _shown, said = fleet.ends()

    assert (code, time.monotonic() - began < 30) == (0, True)
    assert "ended while threads of handlers were still at work" in said


def test_a_module_that_never_ends_its_import_does_not_keep_a_fleet(place: Place) -> None:
    alice = place.add("alice")
    (place.folder / "mybot" / "endless.py").write_text("print('begun', flush=True)\nimport time\ntime.sleep(60)\n")

    with place.running("--json") as fleet:
        fleet.started(alice)
        place.configure(fleet='on_private = ["mybot.endless:answer"]')
        fleet.process.send_signal(signal.SIGHUP)
        fleet.says("begun")
        began = time.monotonic()
        code, shown, _said = fleet.ends()

    assert (code, time.monotonic() - began < 30) == (0, True)
    assert '"name": "gavat.run"' in shown


@pytest.mark.parametrize("text", [f"x = {'9' * 5000}", "x = " + "[" * 100_000], ids=["number", "nesting"])
def test_what_the_toml_reader_gives_up_on_changes_nothing(place: Place, text: str) -> None:
    alice = place.add("alice")

    with place.running() as fleet:
        fleet.started(alice)
        place.config.write_text(text)
        assert "the configuration is no TOML" in fleet.reload_refused()
        assert place.says(alice, "hello").endswith("hello")


def test_an_address_of_redis_that_cannot_be_is_told_and_nothing_starts(place: Place) -> None:
    """A password with a slash in it, say; the address is not repeated."""
    place.add("alice")

    done = place.call(GAVAT_REDIS_URL="redis://:pass/word@127.0.0.1:6379/0")

    assert (done.returncode, "pass/" in done.stderr) == (2, False)
    assert "the address of Redis cannot be read" in done.stderr
