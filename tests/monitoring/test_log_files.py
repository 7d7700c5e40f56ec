"""Log files: sizes, and the three known troubles in their last bytes, whatever those bytes are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.monitoring import log_files
from core.monitoring.log_files import LogFileView, look_at_logs
from core.session_files import sample_fleet

LOCKED = "2026-11-21 08:41:26,429 ERROR sqlite3.OperationalError: database is locked\n"
QUIET = "2026-11-21 08:41:26,429 INFO port 429, 429 users, id 14290, error 4290\n"
TRACEBACK = "Traceback (most recent call last):\n"
RATE_LIMITED = (
    'INFO:httpx:HTTP Request: POST https://api.example.com/v1/chat/completions "HTTP/1.1 429 Too Many Requests"',
    "openai.RateLimitError: Error code: 429 - {'error': {'code': 'rate_limit_exceeded'}}",
    "status=429",
    "status_code: 429",
    '"code": 429}',
    "HTTP/2 429",
)


def look(*folders: Path) -> tuple[LogFileView, ...]:
    return look_at_logs([str(folder) for folder in folders], sessions=()).files


def test_the_three_troubles_are_counted_by_line(tmp_path: Path) -> None:
    """A line counts once for each; the milliseconds of a time are no status."""
    text = LOCKED * 2 + QUIET + RATE_LIMITED[1] + "\n" + TRACEBACK + "database is locked database is locked"
    (tmp_path / "bot.log").write_text(text, encoding="utf-8")

    (seen,) = look(tmp_path)

    assert (seen.locked, seen.rate_limited, seen.tracebacks) == (3, 1, 1)
    assert seen.bytes == seen.read_bytes == len(text)


@pytest.mark.parametrize("line", RATE_LIMITED)
def test_every_way_to_write_a_rate_limit_counts(tmp_path: Path, line: str) -> None:
    """As httpx, the OpenAI SDK and hand-written logs have it."""
    (tmp_path / "bot.log").write_text(line, encoding="utf-8")

    assert [one.rate_limited for one in look(tmp_path)] == [1]


PIECES = (
    *("status", "Code", "ERROR", "_", "code", " ", "  ", "=", ": ", '"', "429", "4290", "x", "\n", "\t", "\0", ","),
    *("http/1.1", "HTTP/2", "/", " too many requests", " Too Many Requests", "RateLimitError", "rate_limit_exceeded"),
    "ratelimiterror",
)
TOLD_SO = re.compile(
    rb"RateLimitError|rate_limit_exceeded"
    rb"|(?i:(?:\b(?:status|code|error)(?:[ _]?code)?[^\w\n]{1,3}|http/[\d.]+\"?[ \t]+)429\b|\b429 too many requests)"
)


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_a_line_counts_when_it_tells_of_a_429_and_only_then(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    """As each line read by itself with the plain pattern would have it."""
    text = "".join(pieces)
    folder = tmp_path_factory.mktemp("logs")
    (folder / "bot.log").write_text(text, encoding="utf-8")

    (seen,) = look(folder)

    assert seen.rate_limited == sum(TOLD_SO.search(line) is not None for line in text.encode().split(b"\n"))


@pytest.mark.parametrize("hostile", [" 429", "429\n", "error_code 4290 ", "http/1.1  429x ", "x429 too many requests "])
def test_a_file_stuffed_with_429_tells_of_no_rate_limit(tmp_path: Path, hostile: str) -> None:
    """Eight megabytes of it, which took nine seconds when each was looked at by itself."""
    (tmp_path / "bot.log").write_text(hostile * (log_files.READ_OF_EACH // len(hostile)), encoding="utf-8")

    (seen,) = look(tmp_path)

    assert (seen.read_bytes > log_files.READ_OF_EACH * 0.9, seen.rate_limited) == (True, 0)


def test_only_the_end_of_a_large_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is told in full; what stands before the end is old."""
    monkeypatch.setattr(log_files, "READ_OF_EACH", 1000)
    (tmp_path / "bot.log").write_text(LOCKED + "x" * 2000 + "\n" + TRACEBACK, encoding="utf-8")

    (seen,) = look(tmp_path)

    assert (seen.read_bytes, seen.locked, seen.tracebacks) == (1000, 0, 1)
    assert seen.bytes > 2000


def test_a_sparse_file_of_a_terabyte_costs_no_more_than_any(tmp_path: Path) -> None:
    """Its end is read, no more."""
    path = tmp_path / "bot.log"
    path.touch()
    os.truncate(path, 10**12)

    (seen,) = look(tmp_path)

    assert (seen.bytes, seen.read_bytes) == (10**12, log_files.READ_OF_EACH)


def test_a_thousand_files_are_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first; the others are named as not read."""
    monkeypatch.setattr(log_files, "READ_OF_ALL", 2 * len(LOCKED))
    for age, name in enumerate(("new", "newer", "old")):
        (tmp_path / f"{name}.log").write_text(LOCKED, encoding="utf-8")
        os.utime(tmp_path / f"{name}.log", (1000 - age, 1000 - age))

    seen = look_at_logs([str(tmp_path)], sessions=())

    assert [(one.path.rpartition("/")[2], one.locked) for one in seen.files] == [
        ("new.log", 1),
        ("newer.log", 1),
        ("old.log", 0),
    ]
    assert seen.unread == 1


def test_hostile_bytes_are_counted_and_never_decoded(tmp_path: Path) -> None:
    """One line of megabytes, zeros, no UTF-8, escapes; a name that drives the terminal."""
    name = os.fsdecode(b"\x1b[31m\xff\n.log")
    (tmp_path / name).write_bytes(b"\0\xff\x1b[2J" * 500_000 + b"database is locked" + b"((((" * 500_000)

    (seen,) = look(tmp_path)

    assert (seen.path, seen.locked) == (f"{tmp_path}/{name}", 1)


def test_what_is_no_log_file_is_not_opened(tmp_path: Path) -> None:
    """A FIFO would hang, a link may lead anywhere, a folder is none."""
    os.mkfifo(tmp_path / "fifo.log")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "secret").write_text(LOCKED, encoding="utf-8")
    (tmp_path / "link.log").symlink_to("secret")
    (tmp_path / "bot.txt").write_text(LOCKED, encoding="utf-8")

    assert look(tmp_path, tmp_path / "missing") == ()


def test_a_session_under_the_name_of_a_log_is_not_read(tmp_path: Path) -> None:
    """Opening one raw is the prober's alone."""
    sample_fleet.write_healthy(str(tmp_path / "a"))
    os.link(tmp_path / "a.session", tmp_path / "a.log")
    stat = (tmp_path / "a.session").stat()

    assert look_at_logs([str(tmp_path)], sessions=[(stat.st_dev, stat.st_ino)]).files == ()


def test_a_file_in_two_folders_that_are_one_counts_once(tmp_path: Path) -> None:
    """`logs/` may be a link to the current folder."""
    (tmp_path / "bot.log").write_text(LOCKED, encoding="utf-8")
    (tmp_path / "logs").symlink_to(".")

    assert len(look(tmp_path, tmp_path / "logs")) == 1


def test_looking_leaves_no_trace(tmp_path: Path) -> None:
    """Neither bytes nor times change."""
    path = tmp_path / "bot.log"
    path.write_text(LOCKED, encoding="utf-8")
    os.utime(path, (1, 2))

    look(tmp_path)

    seen = path.stat()
    assert (seen.st_atime, seen.st_mtime) == (1, 2)
