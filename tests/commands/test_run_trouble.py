"""`python -m core run` with handlers, modules and a gavat.toml that do what they should not."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.running_fleet import HANDLERS, Place
from tests.telegram import TelegramThread
from utils.leases import LeaseState, probe_os_lock

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


async def take_all_threads(event):
    working = [asyncio.create_task(asyncio.to_thread(time.sleep, 60)) for _ in range(40)]
    await asyncio.sleep(0)
    await event.reply("at work")
    await asyncio.gather(*working)


async def go_on_whatever_comes(event):
    await event.reply("at work")
    while True:
        try:
            await asyncio.sleep(0.2)
        except BaseException:
            pass
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
    assert "ended while handlers were still at work" in said


def test_a_handler_that_swallows_its_cancellation_does_not_keep_a_stopped_fleet(place: Place) -> None:
    """With the exit code and the document of any other stop, and the leases given back."""
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:go_on_whatever_comes"]')

    with place.running("--json") as fleet:
        fleet.started(alice)
        assert place.says(alice, "hello") == "at work"
        began = time.monotonic()
        code, shown, said = fleet.ends()

    assert (code, time.monotonic() - began < 30) == (0, True)
    assert json.loads(shown)["counts"] == {"running": 1}
    assert "Traceback" not in said
    assert probe_os_lock(str(place.sessions / "alice.session.lock")).state is LeaseState.FREE


def test_threads_of_handlers_keep_no_reload_waiting(place: Place) -> None:
    alice = place.add("alice")
    place.configure(fleet='on_private = ["mybot.handlers:take_all_threads"]')

    with place.running() as fleet:
        fleet.started(alice)
        assert place.says(alice, "hello") == "at work"
        place.add("zed")
        began = time.monotonic()
        assert "1 to start (zed)" in fleet.reload()
        assert time.monotonic() - began < 30
        fleet.ends()


def test_a_fleet_that_nothing_is_left_of_is_told_as_that(place: Place) -> None:
    """No bot of it was given up."""
    alice = place.add("alice")

    with place.running() as fleet:
        fleet.started(alice)
        (place.sessions / "alice.session").rename(place.folder / "alice.session")
        fleet.reload()
        line = fleet.says("no bot is left to run")
        (place.folder / "alice.session").rename(place.sessions / "alice.session")
        fleet.reload()
        fleet.says("alice: started")
        place.configure("[bots.alice]\nrun = false")
        fleet.reload()
        fleet.says("no bot is left to run")
        code, _shown, said = fleet.ends()

    assert (code, "WARNING" in line, "ERROR" in said) == (0, True, False)


def test_a_session_named_on_the_command_line_that_goes_away_is_stopped(place: Place) -> None:
    """And the reloads after it are those of any fleet; where all are gone, too."""
    alice, carol = place.add("alice"), place.add("carol")

    with place.running("alice", "sessions/carol") as fleet:
        fleet.started(alice, carol)
        (place.sessions / "alice.session").rename(place.folder / "away.session")
        said = [fleet.reload(), fleet.reload()]
        (place.sessions / "carol.session").rename(place.folder / "gone.session")
        said.append(fleet.reload())
        (place.folder / "away.session").rename(place.sessions / "alice.session")
        said.append(fleet.reload())
        fleet.says("alice: started")
        fleet.ends()

    told = [line.rpartition("reloaded: ")[2].strip() for line in said]
    assert told == ["1 stopped (alice)", "nothing has changed", "1 stopped (carol)", "1 to start (alice)"]


WAITS = """
import time
print("importing", flush=True)
time.sleep(2)
async def answer(event): ...
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_before_the_bots_start_are_signals_like_later_ones(place: Place, number: signal.Signals) -> None:
    """Not the end of the process by the signal's default."""
    place.add("alice")
    (place.folder / "mybot" / "waits.py").write_text(WAITS)
    place.configure(fleet='on_private = ["mybot.waits:answer"]')

    with place.running("--json") as fleet:  # what modules print goes to stderr
        fleet.says("importing")
        fleet.process.send_signal(number)
        if number == signal.SIGHUP:
            fleet.says("reloaded: nothing has changed")
        code, _shown, said = fleet.ends() if number == signal.SIGHUP else (fleet.process.wait(60), "", "")

    assert (code, "Traceback" in said) == (0, False)


def test_a_standby_bot_that_never_ran_was_not_restarted(place: Place) -> None:
    """Tries that another process' lease refused are none."""
    alice = place.add("alice")
    place.config.write_text(place.config.read_text().replace("[fleet]", '[fleet]\nrestart_first = "0.05s"'))

    with place.running() as first:
        first.started(alice)
        with place.running("-v", "--json") as second:
            second.says("alice: starts again in", times=4)
            _code, shown, _said = second.ends()
        first.ends()

    assert json.loads(shown)["bots"][0]["restarts"] == 0


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
