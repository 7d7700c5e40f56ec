"""What is no answer of Telegram's: Telethon's own trouble, the network's, SQLite's, several errors at once."""

import asyncio
import errno
import socket
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import telethon
from telethon import errors
from telethon.sessions import SQLiteSession
from telethon.tl.functions.updates import GetStateRequest

from tests.house.repository import ROOT
from tests.telegram_errors.answers import answer
from utils.telegram_errors import ErrorKind, ErrorScope, classify, error_name
from utils.telegram_errors.local import BY_WORDS


def _transport(code: int) -> errors.InvalidBufferError:
    return errors.InvalidBufferError(struct.pack("<i", -code))


@pytest.mark.parametrize(
    ("error", "kind", "scope"),
    [
        (ConnectionResetError(), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (ConnectionError("Cannot send requests while disconnected"), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (OSError(errno.EHOSTUNREACH, "No route"), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (TimeoutError(), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (asyncio.IncompleteReadError(b"", 4), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (asyncio.CancelledError(), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.UNKNOWN),
        (ValueError("Request was unsuccessful 6 time(s)"), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.UNKNOWN),
        (ConnectionRefusedError(), ErrorKind.TRANSIENT, ErrorScope.NETWORK),
        (socket.gaierror(-2, "unknown"), ErrorKind.TRANSIENT, ErrorScope.NETWORK),
        (errors.AuthKeyNotFound(), ErrorKind.TRANSIENT, ErrorScope.SESSION),
        (_transport(404), ErrorKind.TRANSIENT, ErrorScope.SESSION),
        (_transport(429), ErrorKind.COOL_DOWN, ErrorScope.NETWORK),
        (_transport(444), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (errors.InvalidBufferError(b"?"), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (errors.SecurityError(), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (errors.InvalidChecksumError(1, 2), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (errors.BadMessageError(None, 20), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.NETWORK),
        (errors.TypeNotFoundError(1, b""), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.UNKNOWN),
        (errors.ReadCancelledError(), ErrorKind.UNKNOWN_OUTCOME, ErrorScope.UNKNOWN),
        (errors.CdnFileTamperedError(), ErrorKind.TRANSIENT, ErrorScope.REQUEST),
        (errors.AlreadyInConversationError(), ErrorKind.REQUEST, ErrorScope.CHAT),
        (ValueError('Cannot find any entity corresponding to "x"'), ErrorKind.PER_CHAT, ErrorScope.CHAT),
        (FileNotFoundError(errno.ENOENT, "x.jpg"), ErrorKind.REQUEST, ErrorScope.FILE),
        (PermissionError(errno.EACCES, "x"), ErrorKind.CONFIGURATION, ErrorScope.UNKNOWN),
        (OSError(errno.ENOSPC, "full"), ErrorKind.NEEDS_PERSON, ErrorScope.FILE),
        (OSError(errno.EMFILE, "files"), ErrorKind.CONFIGURATION, ErrorScope.UNKNOWN),
        (ValueError("anything"), ErrorKind.UNRECOGNISED, ErrorScope.UNKNOWN),
        (KeyboardInterrupt(), ErrorKind.UNRECOGNISED, ErrorScope.UNKNOWN),
    ],
    ids=repr,
)
def test_an_error_that_telegram_did_not_answer(error: BaseException, kind: ErrorKind, scope: ErrorScope) -> None:
    """None of them proves that the request was not executed."""
    facts = classify(error)

    assert (facts.kind, facts.scope, facts.refused) == (kind, scope, False)
    assert facts.name == error_name(error) == type(error).__name__


def test_telethons_time_out_is_not_pythons() -> None:
    """`from telethon.errors import *` hides the builtin of the same name."""
    assert (error_name(errors.TimeoutError(request=None)), error_name(TimeoutError())) == ("TIMEOUT", "TimeoutError")


def test_the_words_of_errors_without_a_class_are_still_telethons() -> None:
    """Telethon raises bare ValueErrors; a version that words them otherwise fails here."""
    source = (Path(telethon.__file__).parent / "client" / "users.py").read_text("utf-8")
    one_line = "".join(line.strip() for line in source.splitlines())

    assert [words for words in BY_WORDS if f"raise ValueError('{words}" not in one_line] == []


def _locked(folder: Path) -> None:
    with closing(SQLiteSession(str(folder / "bot"))) as session, closing(_session_file(folder)) as holder:
        session._conn.execute("PRAGMA busy_timeout = 0")
        holder.execute("BEGIN EXCLUSIVE")
        session.set_dc(2, "127.0.0.1", 443)


def _read_only(folder: Path) -> None:
    with closing(_session_file(folder)) as writer:
        writer.executescript("CREATE TABLE t (a)")
    with closing(sqlite3.connect(f"file:{folder}/bot.session?mode=ro", uri=True)) as reader:
        reader.execute("INSERT INTO t VALUES (1)")


def _cannot_open(folder: Path) -> None:
    SQLiteSession(str(folder / "missing" / "bot"))


def _not_a_database(folder: Path) -> None:
    (folder / "bot.session").write_bytes(b"no database at all\n" * 99)
    with closing(_session_file(folder)) as reader:
        reader.execute("SELECT * FROM version")


def _malformed(folder: Path) -> None:
    with closing(_session_file(folder)) as writer:
        writer.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    image = bytearray((folder / "bot.session").read_bytes())
    image[4096:] = b"\xff" * 4096  # the table's page; the schema on page 1 stays
    (folder / "bot.session").write_bytes(image)
    with closing(_session_file(folder)) as reader:
        reader.execute("SELECT * FROM t").fetchall()


def _full(folder: Path) -> None:
    with closing(_session_file(folder)) as writer:
        writer.executescript("PRAGMA max_page_count = 2; CREATE TABLE t (a)")
        writer.execute("INSERT INTO t VALUES (zeroblob(100000))")


def _journal_taken_away(folder: Path) -> None:
    with closing(_session_file(folder)) as writer:
        writer.executescript("CREATE TABLE t (a)")
        writer.execute("INSERT INTO t VALUES (1)")
        (folder / "bot.session-journal").unlink()
        writer.commit()


def _session_file(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "bot.session")


SQLITE = [
    (_locked, ErrorKind.TRANSIENT, "locked"),
    (_read_only, ErrorKind.CONFIGURATION, "readonly"),
    (_cannot_open, ErrorKind.CONFIGURATION, "unable to open"),
    (_journal_taken_away, ErrorKind.NEEDS_PERSON, "disk I/O error"),
    (_full, ErrorKind.NEEDS_PERSON, "full"),
    (_malformed, ErrorKind.NEEDS_PERSON, "malformed"),
    (_not_a_database, ErrorKind.NEEDS_PERSON, "not a database"),
]


@pytest.mark.parametrize(("damage", "kind", "words"), SQLITE)
def test_sqlites_errors_speak_of_the_file(
    damage: Callable[[Path], None], kind: ErrorKind, words: str, tmp_path: Path
) -> None:
    """Real ones, by their result code; and by their words alone when the code was lost on the way."""
    with pytest.raises(sqlite3.Error, match=words) as raised:
        damage(tmp_path)

    for error in (raised.value, type(raised.value)(str(raised.value))):
        facts = classify(error)
        assert (facts.kind, facts.scope, facts.name) == (kind, ErrorScope.FILE, type(error).__name__)


def test_a_locked_file_does_not_mean_that_nothing_was_sent() -> None:
    """Telethon writes entities after the answer came, so the message may stand in the chat."""
    facts = classify(sqlite3.OperationalError("database is locked"))

    assert (facts.retryable, facts.refused) == (True, False)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("no such table: sessions"), sqlite3.ProgrammingError("x")])
def test_other_errors_of_sqlite_are_for_the_operator(error: sqlite3.Error) -> None:
    assert classify(error).kind is ErrorKind.UNRECOGNISED


def _several(*found: BaseException | None) -> errors.MultiError:
    return errors.MultiError(list(found), [None] * len(found), [GetStateRequest()] * len(found))


def test_of_several_errors_the_gravest_counts() -> None:
    """In a batch, one dead login outweighs any number of closed chats, wherever it stands."""
    closed, dead, wait = answer(406, "TOPIC_CLOSED"), answer(401, "SESSION_REVOKED"), answer(420, "FLOOD_WAIT_5")

    assert classify(_several(closed, None, dead, wait)).name == "SESSION_REVOKED"
    assert classify(_several(wait, closed)).name == "FLOOD_WAIT"
    assert (
        classify(_several(wait, answer(420, "FLOOD_WAIT_90"))).retry_after
        == classify(answer(420, "FLOOD_WAIT_90")).retry_after
    )
    assert classify(ExceptionGroup("tasks", [closed, ExceptionGroup("more", [dead])])).name == "SESSION_REVOKED"


def test_a_batch_was_refused_only_if_each_request_was() -> None:
    """One that went well, or nobody knows how, and the batch may have done something."""
    closed, full = answer(406, "TOPIC_CLOSED"), answer(400, "CHANNELS_TOO_MUCH")

    assert classify(_several(closed, full)).refused
    assert not classify(_several(closed, None, full)).refused
    assert not classify(_several(closed, answer(500, "INTERNAL"))).refused


def test_a_batch_without_an_error_is_for_the_operator() -> None:
    assert classify(_several(None, None)).kind is ErrorKind.UNRECOGNISED


def test_kinds_are_ranked_by_what_they_stop() -> None:
    ranked = sorted(ErrorKind, key=lambda kind: kind.gravity, reverse=True)

    assert (ranked[0], ranked[1], ranked[-1]) == (ErrorKind.PERMANENT, ErrorKind.NEEDS_PERSON, ErrorKind.TRANSIENT)


def test_telethon_is_never_imported() -> None:
    """Looking, planning and reporting explain errors too, on machines without Telethon."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from utils.telegram_errors import *\n"
        "assert classify_name('FLOOD_WAIT_5').retry_after.seconds == 5\n"
        "assert classify(ConnectionResetError()).name == error_name(ConnectionResetError()) == 'ConnectionResetError'\n"
        "assert not {'telethon', 'asyncio'} & set(sys.modules), 'imported'"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(ROOT)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
