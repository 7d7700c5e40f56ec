"""Publishing: in time, whole, and never to the harm of the bots."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import resource
import stat
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError
from core.state import BotFigures, StateFolder, publish_status, read_statuses
from core.state.loop_lag import TICK, LoopLag
from core.state.status_files import StatusFiles
from core.state.status_outlet import Outlet
from core.state.status_reading import Condition
from gpt.figures import count_in
from tests.state.builders import GONE, HERE, NOW, bot, process, put_file
from tests.state.waiting import documents, names_of_bots, until
from tests.valkey import Valkey
from utils.clock import utc_now

TURN = timedelta(milliseconds=20)
AUDITED: list[str] | None = None
PER_DOCUMENT = ("open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "os.chmod", "os.truncate")


def one() -> Sequence[BotFigures]:
    return [bot()]


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.asyncio
async def test_the_first_document_is_there_at_once_and_gone_after_a_clean_end(state: StateFolder) -> None:
    """Private, in a private folder, with nothing half written beside it."""
    async with publish_status(one, state=state):
        await until(lambda: len(documents(state)) == 1)
        (path,) = Path(state.status).iterdir()
        modes = mode(path), mode(state.status), mode(state.path)
        (told,) = documents(state)

    assert modes == (0o600, 0o700, 0o700)
    assert path.name == f"{told['process']}.json"
    assert (told["host"], told["identity"]["pid"], told["valid_for_seconds"]) == (HERE, os.getpid(), 15)
    assert [one["name"] for one in told["bots"]] == ["shop_01"]
    assert list(Path(state.status).iterdir()) == []


@pytest.mark.asyncio
async def test_each_turn_tells_how_it_is_then(state: StateFolder) -> None:
    """The moment is the clock's, the file is replaced and never seen half written."""
    bots = [bot("first")]

    async with publish_status(lambda: bots, state=state, every=TURN, clock=lambda: NOW):
        await until(lambda: names_of_bots(state) == [["first"]])
        bots[:] = [bot("second"), bot("third")]
        await until(lambda: names_of_bots(state) == [["second", "third"]])
        (told,) = documents(state)

    assert told["at"] == NOW.isoformat()


@pytest.mark.asyncio
async def test_a_cancelled_program_ends_cleanly_too(state: StateFolder) -> None:
    """As asyncio.run does on Ctrl-C."""

    async def program() -> None:
        async with publish_status(one, state=state):
            await asyncio.sleep(3600)

    running = asyncio.create_task(program())
    await until(lambda: len(documents(state)) == 1)
    running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)

    assert isinstance(ended, asyncio.CancelledError)
    assert documents(state) == []


@pytest.mark.asyncio
async def test_two_fleets_of_one_process_have_a_document_each(state: StateFolder) -> None:
    """And the end of one leaves the other's in place."""
    async with publish_status(lambda: [bot("a")], state=state):
        async with publish_status(lambda: [bot("b")], state=state):
            await until(lambda: sorted(names_of_bots(state)) == [["a"], ["b"]])
        await until(lambda: names_of_bots(state) == [["a"]])


@pytest.mark.asyncio
async def test_bots_that_cannot_be_asked_are_a_fact_of_the_document(
    state: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """Publishing goes on; the log says so when it begins and when it is over, and no more."""
    caplog.set_level(logging.INFO, logger="gavatcore.status")
    broken = True

    def ask() -> Sequence[BotFigures]:
        if broken:
            raise KeyError("+49151000000")
        return one()

    async with publish_status(ask, state=state, every=TURN, rooms={"gpt": lambda: {"hits": 3}}):
        await until(lambda: any("2 in a row" in told.get("problem", "") for told in documents(state)))
        (during,) = documents(state)
        broken = False
        await until(lambda: names_of_bots(state) == [["shop_01"]])
        (after,) = documents(state)

    assert (during["bots"], during["rooms"]) == ([], {"gpt": {"hits": 3}})
    assert "+49151000000" not in str(during)
    assert "problem" not in after
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "bots could not be asked for their status; tried again"),
        ("INFO", "bots can be asked for their status again"),
    ]


@pytest.mark.asyncio
async def test_a_room_that_says_nonsense_hides_no_bot(state: StateFolder) -> None:
    """It is left out, and named."""
    rooms: dict[str, Any] = {"gpt": lambda: {"hits": {1, 2}}, "store": lambda: {"rows": 7}}

    async with publish_status(one, state=state, rooms=rooms):
        await until(lambda: len(documents(state)) == 1)
        (told,) = documents(state)

    assert (names_of_bots(state), told["rooms"]) == ([], {"store": {"rows": 7}})
    assert [one["name"] for one in told["bots"]] == ["shop_01"]
    assert told["problem"] == "room gpt could not be asked, 1 in a row"


class Helper:
    """One that asks a model, as far as its figures go."""

    def stats(self) -> Mapping[str, Any]:
        return {"hits": 3}


@pytest.mark.asyncio
async def test_what_is_asked_of_models_is_told_by_itself(state: StateFolder) -> None:
    """As long as there is a helper in the process, and by whatever program."""
    async with publish_status(one, state=state, every=TURN):
        await until(lambda: len(documents(state)) == 1)
        before = documents(state)[0]["rooms"]
        helper = Helper()
        count_in(helper)
        await until(lambda: "gpt" in documents(state)[0]["rooms"])
        during = documents(state)[0]["rooms"]["gpt"]
        del helper
        await until(lambda: "gpt" not in documents(state)[0]["rooms"])

    assert before == {}
    assert (during["helpers"], during["hits"], during["calls"]) == (1, 3, 0)


@pytest.mark.asyncio
async def test_a_program_may_tell_of_its_models_itself(state: StateFolder) -> None:
    """Its own room of that name stands in place of ours, also where it has nothing to say."""
    helper = Helper()
    count_in(helper)
    rooms: dict[str, Any] = {"gpt": lambda: {"hits": 7}}

    for said in ({"gpt": {"hits": 7}}, {}):
        async with publish_status(one, state=state, rooms=rooms):
            await until(lambda: len(documents(state)) == 1)
            (told,) = documents(state)
        assert (told["rooms"], told.get("problem")) == (said, None)
        rooms["gpt"] = lambda: None


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Files may grow so far and no further: as on a full disk, write() fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.asyncio
async def test_a_full_disk_is_said_once_and_leaves_the_last_document(
    state: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """With room again the next turn writes."""
    caplog.set_level(logging.INFO, logger="gavatcore.status")
    bots = one()
    async with publish_status(lambda: bots, state=state, every=TURN):
        await until(lambda: len(documents(state)) == 1)
        with files_up_to(200_000):
            bots = [bot(f"shop_{number}") for number in range(4_000)]
            await until(lambda: len(caplog.records) == 1)
            await asyncio.sleep(5 * TURN.total_seconds())
            left = names_of_bots(state)
        await until(lambda: len(names_of_bots(state)[0]) == 4_000)
        await until(lambda: len(caplog.records) == 2)

    assert left == [["shop_01"]]
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", f"{state.status} takes no status: File too large; tried again"),
        ("INFO", f"{state.status} takes status again"),
    ]


def test_a_write_that_fails_leaves_the_last_document_alone(state: StateFolder) -> None:
    """Whole, with nothing half written beside it that would fill the disk further."""
    files = StatusFiles(state)
    files.write("p", "{}")

    with files_up_to(200_000), pytest.raises(OSError, match="too large"):
        files.write("p", "x" * 300_000)

    assert [(one.name, one.read_text(encoding="ascii")) for one in Path(state.status).iterdir()] == [("p.json", "{}")]


@pytest.mark.asyncio
async def test_a_folder_that_is_none_stops_nothing(state: StateFolder, caplog: pytest.LogCaptureFixture) -> None:
    """A file lies where the folder belongs; when it is out of the way, the folder is made."""
    caplog.set_level(logging.INFO, logger="gavatcore.status")
    Path(state.path).mkdir(mode=0o700)
    Path(state.status).touch()

    async with publish_status(one, state=state, every=TURN):
        await until(lambda: len(caplog.records) == 1)
        Path(state.status).unlink()
        await until(lambda: len(documents(state)) == 1)

    assert caplog.records[0].getMessage() == f"{state.status} takes no status: Not a directory; tried again"


def test_what_lies_under_its_names_is_neither_followed_nor_waited_for(state: StateFolder, tmp_path: Path) -> None:
    """A link where the new document belongs, a FIFO where the last one was."""
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="ascii")
    files = StatusFiles(state)
    files.write("p", "{}")
    path = Path(state.status, "p.json")
    path.unlink()
    os.mkfifo(path)
    path.with_suffix(".json.new").symlink_to(victim)

    files.write("p", "[]")

    assert path.read_text(encoding="ascii") == "[]"
    assert [one.name for one in path.parent.iterdir()] == ["p.json"]
    assert victim.read_text(encoding="ascii") == "mine"


class BlockedStore:
    """A store that takes a document only when it is let."""

    place = "a slow place"

    def __init__(self) -> None:
        self.let = threading.Event()
        self.written: list[str] = []

    def write(self, _process: str, text: str) -> None:
        assert self.let.wait(20)
        self.written.append(text)

    def remove(self, process: str) -> None:
        self.written.append(f"{process} removed")


def test_turns_are_skipped_while_a_write_is_at_work() -> None:
    """Nothing piles up, nobody waits, and nothing is written after the document was taken away."""
    store = BlockedStore()
    outlet = Outlet(store, "p")

    for number in range(100):
        outlet.hand(str(number))
    removed = outlet.close()
    store.let.set()
    removed.result(20)

    assert store.written == ["0", "p removed"]


@pytest.mark.asyncio
async def test_a_redis_that_hangs_holds_up_neither_loop_nor_file(state: StateFolder, valkey: Valkey) -> None:
    """Its thread waits for its timeout; turns and the file go on as ever."""
    bots = [bot("first")]
    with valkey.frozen():
        async with publish_status(lambda: bots, state=state, redis_url=valkey.plain_url, every=TURN):
            await until(lambda: names_of_bots(state) == [["first"]])
            began = time.monotonic()
            for number in range(3):
                bots[:] = [bot(str(number))]
                await until(lambda number=number: names_of_bots(state) == [[str(number)]])  # type: ignore[misc]
            took = time.monotonic() - began
        gone = documents(state)

    assert took < 5
    assert gone == []


@pytest.mark.asyncio
async def test_redis_down_and_back_is_said_twice(
    state: StateFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is written all the while."""
    caplog.set_level(logging.INFO, logger="gavatcore.status")
    with Valkey(tmp_path) as server:
        async with publish_status(one, state=state, redis_url=server.url, every=TURN):
            await until(lambda: server.ask("ZCARD", "gavat:statuses") == 1)
            server.kill()
            await until(lambda: len(caplog.records) == 1)
            await asyncio.sleep(5 * TURN.total_seconds())
            assert len(documents(state)) == 1
            server.start()
            await until(lambda: server.ask("ZCARD", "gavat:statuses") == 1)
            await until(lambda: len(caplog.records) == 2)
        left = server.ask("DBSIZE")

    place = f"Redis at 127.0.0.1:{server.port}/0"
    assert [one.levelname for one in caplog.records] == ["WARNING", "INFO"]
    assert caplog.records[0].getMessage().startswith(f"{place} takes no status: ")
    assert caplog.records[1].getMessage() == f"{place} takes status again"
    assert left == 0


@pytest.mark.asyncio
async def test_an_address_that_cannot_be_is_refused_without_repeating_it(state: StateFolder) -> None:
    """What looks like a wrong port may be half a password."""
    with pytest.raises(ConfigError) as refused:
        async with publish_status(one, state=state, redis_url="redis://:pass/word@10.0.0.5:6379/0"):
            pass

    assert "word" not in str(refused.value)
    assert refused.value.hint is not None
    assert not Path(state.path).exists()


def audit(event: str, _arguments: tuple[Any, ...]) -> None:
    if AUDITED is not None and event in PER_DOCUMENT and "gavat-status" in threading.current_thread().name:
        AUDITED.append(event)


@pytest.mark.asyncio
async def test_a_document_costs_two_calls_on_files_and_one_round_trip(state: StateFolder, valkey: Valkey) -> None:
    """However many bots: the descriptor is opened, given to a file object, and the file renamed."""
    global AUDITED  # noqa: PLW0603  an audit hook stays for the life of the process
    sys.addaudithook(audit)

    async with publish_status(
        lambda: [bot(str(n)) for n in range(200)], state=state, redis_url=valkey.url, every=timedelta(seconds=0.1)
    ):
        await until(lambda: len(documents(state)) == 1 and valkey.ask("EXISTS", "gavat:statuses") == 1)
        AUDITED = []
        before = scripts_run(valkey)
        await until(lambda: (AUDITED or []).count("os.rename") >= 3)
        calls, AUDITED = AUDITED, None
        asked = scripts_run(valkey) - before

    documents_written = calls.count("os.rename")
    assert calls.count("open") <= 2 * (documents_written + 1)
    assert set(calls) == {"open", "os.rename"}
    assert asked <= documents_written + 1


def scripts_run(valkey: Valkey) -> int:
    """How many scripts the server has run."""
    return int(re.findall(r"cmdstat_evalsha:calls=(\d+)", valkey.ask("INFO", "commandstats"))[0])


@pytest.mark.asyncio
async def test_a_loop_that_was_busy_says_by_how_much() -> None:
    """The worst of the time since the last document, once."""
    lag = LoopLag(asyncio.get_running_loop())
    await asyncio.sleep(0)
    time.sleep(TICK + 0.1)  # noqa: ASYNC251  # the loop is to be late
    late, then = lag.take(), lag.take()
    lag.stop()

    assert late >= timedelta(seconds=0.09)
    assert then < late


@pytest.mark.asyncio
async def test_the_next_publisher_sweeps_what_killed_ones_left_a_day_ago(state: StateFolder) -> None:
    """Of this host and dead, and nothing else: not the younger, not another host's, not what it cannot read."""
    old, now = NOW - timedelta(days=2), NOW
    swept = put_file(state, process(process="gone", identity=GONE, at=old))
    swept.with_suffix(".json.new").touch()
    rebooted = GONE._replace(boot="an-earlier-boot")
    before_reboot = put_file(state, process(process="rebooted", identity=rebooted, at=old))
    put_file(state, process(process="young", identity=GONE, at=now - timedelta(hours=23)))
    put_file(state, process(process="elsewhere", identity=rebooted, host="eu-2", at=old))
    put_file(state, process(process="lives", at=old))
    (swept.parent / "other.json").write_text("{}", encoding="ascii")
    (swept.parent / "notes.txt").touch()

    async with publish_status(one, state=state, clock=lambda: now):
        await until(lambda: len(documents(state)) == 5)
        names = {path.name for path in swept.parent.iterdir() if str(os.getpid()) not in path.name}

    assert names == {"young.json", "elsewhere.json", "lives.json", "other.json", "notes.txt"}
    assert not before_reboot.exists()


@pytest.mark.asyncio
async def test_of_a_process_that_dies_again_and_again_the_newest_deaths_are_kept(state: StateFolder) -> None:
    for minute in range(30):
        put_file(state, process(process=f"dead{minute:02}", identity=GONE, at=NOW - timedelta(minutes=minute + 1)))

    async with publish_status(one, state=state, clock=lambda: NOW):
        pass

    kept = {path.name for path in Path(state.status).iterdir()}
    assert kept == {f"dead{minute:02}.json" for minute in range(20)}


@pytest.mark.asyncio
async def test_what_is_published_is_read(state: StateFolder, valkey: Valkey) -> None:
    """By file and by Redis, as one process that is heard of."""
    figures = [bot(reconnects=3, flood_time=timedelta(seconds=312)), bot("shop_02", state="deaf", until=NOW)]

    async with publish_status(lambda: figures, state=state, redis_url=valkey.url):
        await until(lambda: len(documents(state)) == 1 and valkey.ask("EXISTS", "gavat:statuses") == 1)
        view = read_statuses(state, valkey.url, utc_now())

    (seen,) = view.processes
    assert seen.status.bots == tuple(figures)
    assert (seen.condition, seen.here, [source.value for source in seen.sources]) == (
        Condition.FRESH,
        True,
        ["file", "redis"],
    )
    assert (view.unread, view.shared_problem) == ((), "")
