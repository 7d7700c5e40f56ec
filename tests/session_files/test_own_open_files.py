"""One look through the descriptors of this process may serve many starts, and never hides a file (never 2)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.session_files.looking import holders
from core.session_files.looking.holders import Identity, forget_own_open_files, own_open_files
from core.session_files.looking.inspect import inspect_leased
from core.session_files.model import Evidence, Usage
from tests.telegram.sessions import write_session_file


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_session_file(tmp_path / "bot", bytes(256), port=1, users=[], chats=[])


@pytest.fixture(autouse=True)
def _none_shared_between_tests() -> Iterator[None]:
    forget_own_open_files()
    yield
    forget_own_open_files()


def identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino


def test_starts_of_one_moment_share_a_look() -> None:
    moment = time.monotonic()

    assert own_open_files(since=moment) is own_open_files(since=moment)


def test_a_file_that_was_opened_before_the_moment_is_found(session: Path) -> None:
    own_open_files()
    with session.open("rb"):
        assert identity(session) in own_open_files(since=time.monotonic())
        assert identity(session) in own_open_files()
    assert identity(session) not in own_open_files()


def test_a_look_is_not_shared_for_long(monkeypatch: pytest.MonkeyPatch, session: Path) -> None:
    moment = time.monotonic()
    own_open_files(since=moment)
    monkeypatch.setattr(holders, "_SHARED_FOR", 0.0)

    with session.open("rb"):
        assert identity(session) in own_open_files(since=moment)


def test_after_a_close_a_look_is_not_shared(session: Path) -> None:
    moment = time.monotonic()
    own_open_files(since=moment)

    with session.open("rb"):
        forget_own_open_files()
        assert identity(session) in own_open_files(since=moment)


def test_a_file_open_in_this_process_is_not_read(session: Path) -> None:
    with session.open("rb"):
        seen = inspect_leased(str(session), since=time.monotonic())

    assert (seen.occupancy.usage, seen.occupancy.evidence) == (Usage.IN_USE, Evidence.OWN_PROCESS)
    assert seen.contents is None


def test_a_file_closed_since_the_look_is_free(session: Path) -> None:
    moment = time.monotonic()
    with session.open("rb"):
        assert identity(session) in own_open_files(since=moment)

    assert inspect_leased(str(session), since=moment).occupancy.usage is Usage.FREE
