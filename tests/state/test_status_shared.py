"""Status in Redis: hosts whose clocks differ, and whatever else may have been put there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.state import ProcessStatus, StateFolder, read_statuses
from core.state.status_document import encode_status, to_text
from core.state.status_files import LARGEST
from core.state.status_reading import Condition, Source
from core.state.status_shared import SharedStatuses, open_shared
from tests.state.builders import ELSEWHERE, NOW, bot, process, put_file
from tests.valkey import Valkey

DAY_MS = 86_400_000
FAR = process(bot(), process="eu-2.811.1", host="eu-2", identity=ELSEWHERE)


@pytest.fixture
def shared(valkey: Valkey) -> SharedStatuses:
    return open_shared(valkey.url)


def put(shared: SharedStatuses, status: ProcessStatus) -> None:
    shared.write(status.process, to_text(encode_status(status)))
    shared.close()


def age_by(valkey: Valkey, status: ProcessStatus, milliseconds: int) -> None:
    valkey.ask("ZINCRBY", "gavat:statuses", -milliseconds, status.process)


def test_another_host_is_seen(valkey: Valkey, shared: SharedStatuses, state: StateFolder) -> None:
    """With its bots, and never as one of here."""
    put(shared, FAR)

    (seen,) = read_statuses(state, valkey.url, NOW).processes

    assert seen.status == FAR
    assert (seen.condition, seen.here, seen.sources) == (Condition.FRESH, False, (Source.REDIS,))


@pytest.mark.parametrize("wrong_by", [timedelta(days=-300), timedelta(hours=3)])
def test_the_clock_of_its_host_may_be_wrong(
    valkey: Valkey, shared: SharedStatuses, state: StateFolder, wrong_by: timedelta
) -> None:
    """Redis tells how old a document is."""
    fields = {"host": "eu-2", "identity": ELSEWHERE, "at": NOW + wrong_by}
    status = process(bot(), **fields)
    put(shared, status)

    fresh = read_statuses(state, valkey.url, NOW).processes[0]
    age_by(valkey, status, 60_000)
    silent = read_statuses(state, valkey.url, NOW).processes[0]

    assert (fresh.condition, silent.condition) == (Condition.FRESH, Condition.SILENT)
    assert timedelta(0) <= fresh.age < timedelta(seconds=15)
    assert timedelta(minutes=1) <= silent.age < timedelta(minutes=1, seconds=15)


@pytest.mark.parametrize(
    ("file_age", "condition", "age"),
    [
        (timedelta(seconds=3), Condition.FRESH, timedelta(seconds=3)),
        (timedelta(hours=1), Condition.FRESH, timedelta(0)),
    ],
)
def test_a_process_counts_once(
    valkey: Valkey,
    shared: SharedStatuses,
    state: StateFolder,
    file_age: timedelta,
    condition: Condition,
    age: timedelta,
) -> None:
    """By its file, or by Redis where the disk takes no file any more."""
    put_file(state, process(bot(), at=NOW - file_age))
    put(shared, process(bot(), at=NOW))

    (seen,) = read_statuses(state, valkey.url, NOW).processes

    assert set(seen.sources) == {Source.FILE, Source.REDIS}
    assert seen.condition is condition
    assert age <= seen.age < age + timedelta(seconds=2)


def test_a_machine_of_the_same_name_is_not_this_one(valkey: Valkey, shared: SharedStatuses, state: StateFolder) -> None:
    """Hosts are cloned; the kernel's name for its boot tells them apart."""
    put(shared, twin := process(bot(), identity=ELSEWHERE))

    fresh = read_statuses(state, valkey.url, NOW).processes[0]
    age_by(valkey, twin, 60_000)
    silent = read_statuses(state, valkey.url, NOW).processes[0]

    assert [(one.condition, one.here) for one in (fresh, silent)] == [
        (Condition.FRESH, False),
        (Condition.SILENT, False),
    ]


def test_redis_that_does_not_answer_is_a_fact(state: StateFolder, tmp_path: Path) -> None:
    """What is known without it is shown all the same."""
    put_file(state, process(bot()))
    with Valkey(tmp_path) as server:
        with server.frozen():
            frozen = read_statuses(state, server.plain_url, NOW)
        server.kill()
        down = read_statuses(state, server.url, NOW)

    for view in (frozen, down):
        assert [seen.condition for seen in view.processes] == [Condition.FRESH]
        assert view.shared_problem.startswith(f"Redis at 127.0.0.1:{server.port}/0: ")


@pytest.mark.parametrize("url", ["redis://:pass/word@10.0.0.5:6379/0", "nonsense"])
def test_an_address_that_cannot_be_is_a_fact(state: StateFolder, url: str) -> None:
    """It is not repeated: it may hold a password."""
    assert read_statuses(state, url, NOW).shared_problem == "the address of Redis cannot be read"


def test_what_is_no_status_is_named_and_hides_nothing(
    valkey: Valkey, shared: SharedStatuses, state: StateFolder
) -> None:
    """Whoever reaches Redis may have written it: names and documents in no encoding, of no type, of any size."""
    put(shared, FAR)
    documents: dict[bytes, bytes] = {
        b"text": b"\x1b[2J",
        b"bytes": b'{"schema": "\xff\xfe"}',
        b"copy": to_text(encode_status(FAR)).encode(),
    }
    for name, document in documents.items():
        valkey.ask("SET", b"gavat:status:" + name, document)
    valkey.ask("SETRANGE", "gavat:status:huge", LARGEST, "x")
    valkey.ask("RPUSH", "gavat:status:list", "x")
    for name in (*documents, b"huge", b"list", b"gone", b"\xff\x1b]0;owned\x07", b"../../etc", b"n" * 1000):
        valkey.ask("ZADD", "gavat:statuses", "+inf", name)

    view = read_statuses(state, valkey.url, NOW)

    assert [seen.status.process for seen in view.processes] == ["eu-2.811.1"]
    assert view.shared_problem == ""
    found = {one.place.partition(" in ")[0]: one.why for one in view.unread}
    assert found == {
        "gavat:status:text": "it is no JSON",
        "gavat:status:bytes": "it is no ASCII",
        "gavat:status:copy": "it does not belong to its name",
        "gavat:status:huge": "it is larger than 16 MiB",
        "gavat:status:?": "its name is none of ours",
    }


def test_keys_of_another_type_are_a_fact(valkey: Valkey, shared: SharedStatuses, state: StateFolder) -> None:
    """Of another program, that is."""
    valkey.ask("SET", "gavat:statuses", "mine")
    shared.close()

    assert read_statuses(state, valkey.url, NOW).shared_problem.startswith("Redis at ")


def test_nothing_stays_for_ever(valkey: Valkey, shared: SharedStatuses) -> None:
    """Documents expire after a day, and whoever writes forgets the names of those that did."""
    put(shared, FAR)
    age_by(valkey, FAR, DAY_MS + 1)
    put(shared, process())

    assert valkey.ask("ZRANGE", "gavat:statuses", 0, -1) == ["eu-1.811.1795250000"]
    assert 0 < valkey.ask("PTTL", "gavat:status:eu-2.811.1") <= DAY_MS
    assert 0 < valkey.ask("PTTL", "gavat:statuses") <= DAY_MS


def test_a_clean_end_leaves_nothing(valkey: Valkey, shared: SharedStatuses) -> None:
    """And harms no other."""
    put(shared, process())
    put(shared, FAR)

    shared.remove("eu-1.811.1795250000")

    assert valkey.ask("ZRANGE", "gavat:statuses", 0, -1) == ["eu-2.811.1"]
    assert valkey.ask("EXISTS", "gavat:status:eu-1.811.1795250000") == 0
