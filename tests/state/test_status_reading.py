"""Reading: who is heard of, who is stuck, who was killed; and what lies there that is no status."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.state import StateFolder, read_statuses
from core.state.status_files import LARGEST, StatusFiles
from core.state.status_reading import Condition, SeenStatus, StatusView, judge_silence
from tests.state.builders import ELSEWHERE, GONE, NOW, bot, process, put_file
from tests.state.publishing import publisher
from utils.clock import utc_now
from utils.processes import Life, ProcessIdentity, life_of, own_identity, started_at

AGES = st.timedeltas(timedelta(days=-400), timedelta(days=400))
WITHIN = 20.0


def only(view: StatusView) -> SeenStatus:
    (seen,) = view.processes
    return seen


def seen_in_time(state: StateFolder, condition: Condition) -> SeenStatus:
    """The one process, once it is seen so."""
    until = time.monotonic() + WITHIN
    while (seen := only(read_statuses(state, "", utc_now()))).condition is not condition:
        assert time.monotonic() < until, seen
        time.sleep(0.01)
    return seen


def test_a_killed_process_has_ended_without_a_word(state: StateFolder, tmp_path: Path) -> None:
    """Whether its parent has asked how, or not yet; its document stays."""
    with publisher(state, tmp_path / "one.session") as running:
        before = seen_in_time(state, Condition.FRESH)
        os.kill(running.pid, signal.SIGKILL)
        as_zombie = seen_in_time(state, Condition.ENDED)
        running.wait()
        after = seen_in_time(state, Condition.ENDED)

    assert before.status.identity.pid == as_zombie.status.identity.pid == after.status.identity.pid == running.pid
    assert [one.name for one in after.status.bots] == ["one"]
    assert before.here
    assert after.here


def test_a_process_that_lives_and_says_nothing_is_stuck(state: StateFolder, tmp_path: Path) -> None:
    """Its event loop is in somebody's time.sleep()."""
    with publisher(state, tmp_path / "one.session", "stuck"):
        seen = seen_in_time(state, Condition.STUCK)

    assert seen.age > seen.status.valid_for == timedelta(seconds=0.15)


@pytest.mark.parametrize(
    ("fields", "condition", "here"),
    [
        ({}, Condition.FRESH, True),
        ({"at": NOW - timedelta(seconds=15)}, Condition.FRESH, True),
        ({"at": NOW - timedelta(seconds=16)}, Condition.STUCK, True),
        ({"at": NOW + timedelta(days=300)}, Condition.STUCK, True),
        ({"identity": GONE}, Condition.ENDED, True),
        ({"identity": own_identity()._replace(ticks=1)}, Condition.ENDED, True),
        (
            {"identity": own_identity()._replace(pid_namespace="pid:[7]"), "at": NOW - timedelta(hours=1)},
            Condition.SILENT,
            True,
        ),
        ({"identity": ELSEWHERE, "at": NOW - timedelta(hours=1)}, Condition.ENDED, True),
        ({"identity": ELSEWHERE}, Condition.FRESH, True),
        ({"identity": ELSEWHERE, "host": "eu-2"}, Condition.FRESH, False),
        ({"identity": ELSEWHERE, "host": "eu-2", "at": NOW - timedelta(hours=1)}, Condition.SILENT, False),
    ],
)  # fmt: skip
def test_silence_is_judged_with_the_process(
    state: StateFolder, fields: dict[str, Any], condition: Condition, here: bool
) -> None:
    """By its start and boot, not by its PID alone; of another host nothing is claimed, and no future is believed."""
    put_file(state, process(bot(), **fields))

    seen = only(read_statuses(state, "", NOW))

    assert (seen.condition, seen.here) == (condition, here)


@given(age=AGES, valid_for=st.timedeltas(timedelta(0), timedelta(days=1)), rebooted=st.booleans())
def test_only_what_is_known_is_said(age: timedelta, valid_for: timedelta, rebooted: bool) -> None:
    """Fresh is never said of what is old or gone, stuck only of what lives, ended only of what is gone."""
    said = {
        life: judge_silence(age=age, valid_for=valid_for, life=life, rebooted=rebooted and life is Life.UNKNOWN)
        for life in Life
    }
    fresh = -valid_for <= age <= valid_for

    assert said[Life.ENDED] is Condition.ENDED
    assert said[Life.ALIVE] is (Condition.FRESH if fresh else Condition.STUCK)
    assert (said[Life.UNKNOWN] is Condition.FRESH) == fresh
    assert (said[Life.UNKNOWN] is Condition.ENDED) == (rebooted and not fresh)


def test_the_worst_process_stands_first(state: StateFolder) -> None:
    """Stuck, ended, silent, fresh."""
    old = NOW - timedelta(hours=1)
    put_file(state, process(process="a"))
    put_file(state, process(process="b", identity=ELSEWHERE, host="eu-2", at=old))
    put_file(state, process(process="c", identity=GONE))
    put_file(state, process(process="d", at=old))

    view = read_statuses(state, "", NOW)

    assert [seen.status.process for seen in view.processes] == ["d", "c", "b", "a"]


def garbage(path: Path) -> None:
    path.write_bytes(b"\x1b[31m\x00" * 100)


def huge(path: Path) -> None:
    with path.open("wb") as opened:
        opened.truncate(LARGEST + 1)


def loop(path: Path) -> None:
    path.symlink_to(path)


def alias(path: Path) -> None:
    path.symlink_to("good.json")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "it is no regular file"),
        (os.mkdir, "it is no regular file"),
        (loop, "it is no regular file"),
        (alias, "it is no regular file"),
        (huge, "it is larger than 16 MiB"),
        (garbage, "it is no JSON"),
        (Path.touch, "it is no JSON"),
    ],
)
def test_what_is_no_status_is_named_and_hides_nothing(
    state: StateFolder, make: Callable[[Path], object], why: str
) -> None:
    """Neither waited for, nor followed, nor believed."""
    good = put_file(state, process(bot(), process="good"))
    make(good.parent / "bad.json")

    view = read_statuses(state, "", NOW)

    assert only(view).status.bots == (bot(),)
    assert view.unread == ((str(good.parent / "bad.json"), why),)


def test_a_document_under_another_name_is_not_believed(state: StateFolder) -> None:
    """Else a copy would count bots twice."""
    good = put_file(state, process(process="good"))
    (good.parent / "copy.json").write_bytes(good.read_bytes())

    view = read_statuses(state, "", NOW)

    assert only(view).status.process == "good"
    assert [one.why for one in view.unread] == ["it does not belong to its name"]


def test_a_file_that_vanishes_meanwhile_is_no_trouble(state: StateFolder) -> None:
    """Its process ended cleanly between the listing and the reading."""
    put_file(state, process(process="a"))
    gone = put_file(state, process(process="b"))

    reading = StatusFiles(state).read()
    first = next(reading)
    gone.unlink()

    assert (first.process, list(reading)) == ("a", [])


def test_looking_changes_nothing(state: StateFolder) -> None:
    """No state folder is made, no access time is set."""
    assert read_statuses(state, "", NOW) == StatusView()
    assert not Path(state.path).exists()

    path = put_file(state, process())
    os.utime(path, ns=(1, path.stat().st_mtime_ns))
    read_statuses(state, "", NOW)
    assert path.stat().st_atime_ns == 1


def test_a_process_is_known_by_more_than_its_pid() -> None:
    """Of another boot or namespace nothing is known; of a hidden one neither."""
    me = own_identity()

    assert life_of(me) is Life.ALIVE
    assert life_of(me._replace(ticks=me.ticks + 1)) is Life.ENDED
    assert life_of(GONE) is Life.ENDED
    assert life_of(me._replace(boot="another")) is Life.UNKNOWN
    assert life_of(me._replace(pid_namespace="pid:[1]")) is Life.UNKNOWN
    assert life_of(ProcessIdentity(me.pid, me.ticks, "", "")) is Life.UNKNOWN
    assert life_of(me._replace(pid=2**60)) is Life.UNKNOWN


def test_the_start_of_a_process_is_a_moment_of_the_past() -> None:
    """And that of none is none."""
    began = started_at(os.getpid())

    assert began is not None
    assert began <= utc_now().timestamp() + 1
    assert started_at(GONE.pid) is None
