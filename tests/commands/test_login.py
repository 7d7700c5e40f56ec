"""`python -m core login` as a process, against a Telegram on loopback."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from telethon.sessions import SQLiteSession

from core.gavat_client import GavatClient
from tests.documents.schemas import SCHEMAS, closed, errors
from tests.telegram import Account, Fault, TelegramThread
from tests.tool import ROOT, Tool
from utils.leases import LeaseState, OsLock, probe_os_lock

LOGIN = (sys.executable, str(ROOT / "tests" / "commands" / "core_with_key.py"), "login")
NOBODY = 65534


class Place:
    """A sessions folder, a Telegram, and calls of `login` there."""

    def __init__(self, server: TelegramThread, folder: Path) -> None:
        self.server = server
        self.folder = folder / "sessions"
        self.folder.mkdir(mode=0o700)
        self.tool = Tool(
            folder / "state",
            {
                "GAVAT_SESSIONS": str(self.folder),
                "GAVAT_API_ID": "1",
                "GAVAT_API_HASH": "hash",
                "TELEGRAM_KEY": server.call(lambda telegram: telegram.public_key),
            },
        )
        self.alice: Account = server.call(lambda telegram: telegram.add_user("alice"))

    @property
    def session(self) -> Path:
        return self.folder / "alice.session"

    @property
    def names(self) -> list[str]:
        """What lies in the folder, lock files aside."""
        return sorted(path.name for path in self.folder.iterdir() if path.suffix != ".lock")

    @property
    def phone(self) -> str:
        return f"+{self.alice.phone}"

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """A login that waits for its lines."""
        given = words if "--server" in words else (*words, "--server", f"2:127.0.0.1:{self.server.port}")
        pipe = subprocess.PIPE
        options = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True, **options}
        return subprocess.Popen([*LOGIN, *given], env=self.tool.env(), **options)

    def login(self, *lines: str, words: tuple[str, ...] = ("alice",)) -> subprocess.CompletedProcess[str]:
        """A login that is given these lines."""
        with self.start(*words) as process:
            shown, said = process.communicate("".join(f"{line}\n" for line in lines), timeout=60)
        assert "Traceback" not in said
        return subprocess.CompletedProcess(words, process.returncode, shown, said)

    def at_code(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """A login that has sent its phone, and is to be told the code."""
        process = self.start(*(words or ("alice",)), **options)
        assert process.stdin is not None
        process.stdin.write(f"{self.phone}\n")
        process.stdin.flush()
        self.server.call(lambda telegram: telegram.seen("auth.sendCode"))
        return process

    def fault(self, fault: Fault) -> None:
        self.server.call(lambda telegram: telegram.faults.add(fault))

    def key_exchanges(self) -> int:
        return len(self.server.call(lambda telegram: telegram.requests("reqPqMulti")))

    def with_file(self) -> bytes:
        """Alice is logged in already; gives the bytes of her session file."""
        self.server.call(lambda _telegram: self.alice.session_file(self.session)).chmod(0o600)
        return self.session.read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with TelegramThread() as server:
        yield Place(server, tmp_path)


def key_in(path: Path) -> bytes:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT auth_key FROM sessions").fetchall()
    return bytes(rows[0][0]) if rows else b""


def remembered_id(path: Path) -> int:
    """Who the session knows itself to be."""
    with closing(sqlite3.connect(path)) as database:
        (found,) = database.execute("SELECT hash FROM entities WHERE id = 0").fetchone()
    return int(found)


def is_free(path: Path) -> bool:
    return probe_os_lock(f"{path}.lock").state is LeaseState.FREE


def test_a_code_and_a_password_log_in(place: Place) -> None:
    place.alice.password = "correct horse"

    done = place.login(place.phone, "1-2-3-4-5", "correct horse")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"Logged in as alice (id {place.alice.id})." in done.stdout
    assert re.search(rf"^Next: .*/core run {place.session}$", done.stdout, re.MULTILINE)
    assert f"GavatClient('{place.session}'" in done.stdout
    assert place.session.stat().st_mode & 0o777 == 0o600
    assert key_in(place.session) in {key.secret for key in place.alice.keys}
    assert remembered_id(place.session) == place.alice.id
    assert place.names == ["alice.session"]
    assert is_free(place.session)


def test_a_file_is_private_from_its_first_byte(place: Place) -> None:
    """Also under a umask that would let everybody read it."""
    with place.at_code(umask=0) as process:
        mode = place.session.stat().st_mode & 0o777
        process.kill()

    assert mode == 0o600


def test_nothing_secret_is_shown_or_kept(place: Place) -> None:
    place.alice.password = "correct horse"

    done = place.login(place.phone, "00000", "12345", "wrong horse", "correct horse", words=("alice", "--json"))

    kept = b"".join(path.read_bytes() for path in place.folder.parent.rglob("*") if path.is_file())
    assert done.returncode == 0
    for secret in (place.alice.phone or "", "12345", "horse"):
        assert secret not in done.stdout + done.stderr
        assert secret.encode() not in kept


def test_a_token_logs_a_bot_in(place: Place) -> None:
    bot = place.server.call(lambda telegram: telegram.add_bot("echo_bot"))

    done = place.login("1:wrong", str(bot.bot_token))

    assert (done.returncode, done.stderr) == (0, "Telegram knows no bot with this token; 2 more tries.\n")
    assert f"Logged in as echo_bot (bot {bot.id})." in done.stdout


def test_a_login_takes_no_messages(place: Place) -> None:
    """It has no handlers, and what it took would count as handled."""
    place.server.call(lambda telegram: telegram.new_key_session(place.session)).chmod(0o600)
    with place.at_code() as process:
        wanting = place.server.call(lambda telegram: [one.wants_updates for one in telegram.connections])
        process.communicate("12345\n", timeout=60)

    assert wanting == [False]


def test_a_bot_starts_on_it(place: Place) -> None:
    place.login(place.phone, "12345")
    client = GavatClient(place.session, 1, "hash", state=place.tool.state)

    async def start_and_stop() -> bool:
        try:
            return await client.start()
        finally:
            await client.stop()

    assert asyncio.run(start_and_stop()), client.failure


def test_the_document_is_what_its_schema_says(place: Place) -> None:
    made = place.login(place.phone, "12345", words=("alice", "--json"))
    again = place.login(place.phone, "12345", words=("alice", "--again", "--json"))

    for done in (made, again):
        assert errors(closed(SCHEMAS["gavat.login"]), json.loads(done.stdout)) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["+"] * 3, "Telegram takes this for no phone number"),
        (["0:1"] * 3, "Telegram knows no bot with this token"),
        (["PHONE", "1", "2", "3"], "the code was wrong"),
        (["PHONE", "", "", ""], "no code was given"),
        (["PHONE", "12345", "a", "b", "c"], "the password of the two-step verification was wrong"),
        (["PHONE", "12345", "", "", ""], "no password was given"),
    ],
)
def test_the_third_wrong_answer_ends_it(place: Place, lines: list[str], said: str) -> None:
    """Two are answered with the question again; then nothing is left behind."""
    place.alice.password = "correct horse"

    done = place.login(*(line.replace("PHONE", place.phone) for line in lines))

    first, second, last = done.stderr.splitlines()
    assert done.returncode == 1
    assert "2 more tries" in first
    assert "one more try" in second
    assert last.startswith(said)
    assert " · " in last
    assert place.names == []
    assert is_free(place.session)


def test_an_expired_code_is_replaced_by_a_new_one(place: Place) -> None:
    with place.at_code() as process:
        place.server.call(lambda telegram: telegram.expire_codes())
        shown, said = process.communicate("12345\n12345\n", timeout=60)

    assert (process.returncode, said) == (0, "The code has expired, a new one is on its way; 2 more tries.\n")
    assert "Logged in as alice" in shown
    assert len(place.server.call(lambda telegram: telegram.requests("auth.sendCode"))) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.error("FLOOD_WAIT_5400", method="auth.sendCode"), "Telegram asks to wait 1 h 30 min before the next"),
        (Fault.error("PHONE_NUMBER_BANNED", method="auth.sendCode"), "Telegram has banned this phone number · "),
        (Fault.error("PHONE_NUMBER_UNOCCUPIED", method="auth.signIn"), "nobody is registered with this phone number"),
        (Fault.error("API_ID_INVALID", method="auth.sendCode"), "The api_id/api_hash combination is invalid · "),
        (Fault.transport(-404, method="auth.sendCode"), "SESSION: Telegram does not know this key, perhaps"),
        (Fault.error("PHONE_PASSWORD_FLOOD", method="auth.signIn"), "You have tried logging in too many times"),
    ],
)
def test_what_telegram_refuses_is_one_line_with_the_next_step(place: Place, fault: Fault, said: str) -> None:
    place.fault(fault)

    done = place.login(place.phone, "12345")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(said.replace("SESSION", str(place.session)))
    assert " · " in done.stderr
    assert place.names == []


def test_accounts_are_not_made_here(place: Place) -> None:
    done = place.login("+999001112233", "12345")

    assert done.returncode == 1
    assert "accounts are not made here" in done.stderr


def test_a_server_that_does_not_answer_ends_the_login(place: Place) -> None:
    hasty = {**place.tool.environ, "GAVAT_CONNECT_WITHIN": "0.5s"}
    place.tool = Tool(place.tool.state, hasty)

    done = place.login(place.phone, words=("alice", "--server", "2:127.0.0.1:1"))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Telegram does not answer · ")
    assert place.names == []


def test_lines_that_end_too_early_are_a_usage_error(place: Place) -> None:
    done = place.login(place.phone)

    assert done.returncode == 2
    assert done.stderr.startswith("nothing more can be read where the code was to come · ")
    assert place.names == []


@pytest.mark.parametrize(
    ("changes", "words", "said"),
    [
        (
            {"GAVAT_API_ID": ""},
            ("alice",),
            "GAVAT_API_ID is not set · set it, or [client] in gavat.toml: my.telegram.org",
        ),
        ({"GAVAT_API_HASH": ""}, ("alice",), "GAVAT_API_HASH is not set"),
        ({"GAVAT_API_ID": "one"}, ("alice",), "variable GAVAT_API_ID: that is no whole number; it is not repeated"),
        ({}, ("",), "the name of a session is missing"),
        ({}, ("none/alice",), "there is no such folder"),
        ({}, ("alice", "--server", "2:localhost"), "argument --server: not DC:ADDRESS:PORT · such as"),
    ],
)
def test_a_wrong_call_makes_nothing(place: Place, changes: dict[str, str], words: tuple[str, ...], said: str) -> None:
    place.tool = Tool(place.tool.state, {**place.tool.environ, **changes})

    done = place.login(words=words)

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert list(place.folder.iterdir()) == []


def test_the_sessions_folder_is_made_private(place: Place) -> None:
    place.folder.rmdir()

    assert place.login(place.phone, "12345").returncode == 0
    assert place.folder.stat().st_mode & 0o777 == 0o700


def test_a_path_is_taken_as_it_is(place: Place) -> None:
    place.folder.joinpath("other").mkdir()

    done = place.login(place.phone, "12345", words=(str(place.folder / "other" / "alice"),))

    assert done.returncode == 0
    assert (place.folder / "other" / "alice.session").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_root_makes_nothing_in_the_folder_of_another_user(place: Place) -> None:
    os.chown(place.folder, NOBODY, NOBODY)

    done = place.login(place.phone)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "sudo -u nobody " in done.stderr
    assert list(place.folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_root_goes_on_with_no_session_of_another_user(place: Place) -> None:
    place.server.call(lambda telegram: telegram.blank_session(place.session))
    os.chown(place.session, NOBODY, NOBODY)
    before = place.session.read_bytes()

    done = place.login(place.phone, "12345")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "belongs to another user: nothing was changed · run as that user: sudo -u nobody " in done.stderr
    assert place.session.read_bytes() == before
    assert place.names == ["alice.session"]


def test_without_telethon_it_says_where_there_is_one(tmp_path: Path) -> None:
    done = Tool(tmp_path / "state").core("login", "alice")

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("logging in needs Telethon, which is not installed · ")
    assert f"{ROOT}/.venv/bin/python" in done.stderr or f"`make run` in {ROOT} " in done.stderr


# A session that is there already


def test_a_session_that_is_logged_in_stays_as_it_is(place: Place) -> None:
    before = place.with_file()

    done = place.login()

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{place.session} is logged in already, as alice (id {place.alice.id}); nothing was changed." in done.stdout
    assert done.stdout.rstrip().endswith("login alice --again")
    assert place.session.read_bytes() == before
    assert place.names == ["alice.session"]


def test_a_login_anew_keeps_the_old_session(place: Place) -> None:
    """A byte copy and the quarantine hold it, and undo brings it back."""
    before = place.with_file()

    done = place.login(place.phone, "12345", words=("alice", "--again"))

    assert (done.returncode, done.stderr) == (0, "")
    (aside,) = place.folder.glob("quarantine/*/alice.session")
    (copy,) = place.tool.state.glob("copies/*/*/alice.session")
    assert aside.read_bytes() == copy.read_bytes() == before
    assert key_in(place.session) != key_in(aside)
    assert key_in(place.session) == place.alice.keys[-1].secret
    undone = place.tool.cleanup("undo", aside.parent.name)
    assert (undone.returncode, undone.stderr) == (0, "")
    assert place.session.read_bytes() == before


def test_a_login_anew_that_is_given_up_changes_nothing(place: Place) -> None:
    before = place.with_file()

    with place.at_code("alice", "--again") as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert process.returncode == 130
    assert place.session.read_bytes() == before
    assert place.names == ["alice.session"]


def test_a_killed_login_anew_is_begun_again(place: Place) -> None:
    """What it left beside, with whatever SQLite left beside that, is not mistaken for anything."""
    place.with_file()
    with place.at_code("alice", "--again") as process:
        process.kill()
    (left,) = place.folder.glob(".gavat-new-*.session")
    left.with_name(left.name + "-journal").write_bytes(os.urandom(600))

    done = place.login(place.phone, "12345", words=("alice", "--again"))

    assert done.returncode == 0, done.stderr
    assert place.names == ["alice.session", "quarantine"]


def test_a_new_login_whose_place_was_taken_is_kept_beside(place: Place) -> None:
    place.with_file()

    with place.at_code("alice", "--again") as process:
        with closing(sqlite3.connect(place.session)) as database:
            database.executescript("INSERT INTO entities VALUES (7, 7, NULL, NULL, 'a bot wrote', 0)")
        _shown, said = process.communicate("12345\n", timeout=60)

    kept = place.folder / "alice-new.session"
    assert process.returncode == 1
    assert str(kept) in said
    assert key_in(kept) == place.alice.keys[-1].secret
    assert key_in(place.session) == place.alice.key
    assert place.names == ["alice-new.session", "alice.session"]


def test_a_revoked_session_is_told_and_replaced_on_request(place: Place) -> None:
    before = place.with_file()
    place.server.call(lambda _telegram: place.alice.revoke())

    refused = place.login(place.phone, "12345")
    unchanged = place.session.read_bytes()
    done = place.login(place.phone, "12345", words=("alice", "--again"))

    assert (refused.returncode, unchanged) == (1, before)
    assert refused.stderr.startswith(f"{place.session}: its login was ended · log in anew")
    assert "--again" in refused.stderr
    assert done.returncode == 0


def test_a_session_without_a_login_is_gone_on_with(place: Place) -> None:
    place.server.call(lambda telegram: telegram.blank_session(place.session))
    inode = place.session.stat().st_ino

    done = place.login(place.phone, "12345")

    assert (done.returncode, done.stderr) == (0, "")
    assert place.session.stat().st_ino == inode
    assert place.session.stat().st_mode & 0o777 == 0o600
    assert key_in(place.session) == place.alice.keys[-1].secret


def test_an_empty_file_is_gone_on_with(place: Place) -> None:
    """A login that is killed in its first moment leaves one."""
    place.session.touch(mode=0o600)

    assert place.login(place.phone, "12345").returncode == 0
    assert key_in(place.session) == place.alice.keys[-1].secret


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def cut(path: Path) -> None:
    SQLiteSession(str(path)).close()
    os.truncate(path, 8192)


def pyrogram(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE sessions (dc_id INTEGER, api_id INTEGER, test_mode INTEGER, auth_key BLOB, date INTEGER,"
            " user_id INTEGER, is_bot INTEGER); CREATE TABLE peers (id INTEGER PRIMARY KEY);"
            " CREATE TABLE version (number INTEGER PRIMARY KEY);"
        )


def orphan(path: Path) -> None:
    path.with_name(path.name + "-journal").write_bytes(os.urandom(600))


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "finding", "command"),
    [
        (garbage, "GV121", "files salvage"),
        (cut, "GV120", "files salvage"),
        (pyrogram, "GV126", "convert it"),
        (orphan, "GV106", "cleanup_sessions.py FOLDER"),
        (folder, "GV140", "explain GV140"),
    ],
)
def test_what_is_no_session_is_refused_with_its_remedy(
    place: Place, spoil: Callable[[Path], None], finding: str, command: str
) -> None:
    spoil(place.session)
    for path in place.folder.iterdir():
        os.utime(path, (1, 1))
    before = {path.name: path.is_file() and path.read_bytes() for path in place.folder.iterdir()}

    done = place.login(place.phone)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"{place.session}: {finding} ")
    assert command in done.stderr
    assert {
        name: place.folder.joinpath(name).is_file() and place.folder.joinpath(name).read_bytes() for name in before
    } == before
    assert place.names == sorted(before)
    assert not place.server.call(lambda telegram: telegram.requests())


def test_a_damaged_session_may_be_replaced(place: Place) -> None:
    """By who asks for it: the bytes are kept twice."""
    garbage(place.session)
    os.utime(place.session, (1, 1))
    before = place.session.read_bytes()

    done = place.login(place.phone, "12345", words=("alice", "--again"))

    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in place.folder.glob("quarantine/*/alice.session")] == [before]


def test_a_crashed_session_is_mended_before_it_is_asked_about(place: Place) -> None:
    place.with_file()
    with closing(sqlite3.connect(place.session)) as database:
        database.execute("PRAGMA journal_mode=WAL")

    done = place.login()

    assert done.returncode == 0
    assert "is logged in already, as alice" in done.stdout
    assert list(place.tool.state.glob("copies/*/*/alice.session"))


# Leases


@pytest.mark.parametrize("again", [(), ("--again",)])
def test_a_session_that_a_bot_runs_on_is_left_to_it(place: Place, again: tuple[str, ...]) -> None:
    before = place.with_file()
    with OsLock.acquire(f"{place.session}.lock"):
        done = place.login(words=("alice", *again))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"in use by pid {os.getpid()}" in done.stderr
    assert place.session.read_bytes() == before


@pytest.mark.parametrize("again", [(), ("--again",)])
def test_a_session_that_a_bare_client_has_open_is_left_to_it(place: Place, again: tuple[str, ...]) -> None:
    place.with_file()
    session = SQLiteSession(str(place.session))
    try:
        done = place.login(words=("alice", *again))
    finally:
        session.close()

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"pid {os.getpid()}" in done.stderr


def test_a_refusal_is_a_document_too(place: Place) -> None:
    """Of the kinds that its schema lists."""
    place.with_file()
    with OsLock.acquire(f"{place.session}.lock"):
        held = place.login(words=("alice", "--json"))
    refused = place.login("0:1", "0:1", "0:1", words=("bob", "--json"))

    documents = [json.loads(done.stdout) for done in (held, refused)]
    assert [errors(closed(SCHEMAS["gavat.error"]), document) for document in documents] == [[], []]
    assert [document["error"]["kind"] for document in documents] == ["SessionFileBusy", "GavatError"]


def test_the_lease_is_held_while_a_person_thinks(place: Place) -> None:
    with place.at_code() as process:
        held = probe_os_lock(f"{place.session}.lock")
        second = place.login(place.phone)
        process.communicate("12345\n", timeout=60)

    assert held.owner is not None
    assert held.owner.pid == process.pid
    assert f"in use by pid {process.pid}" in second.stderr
    assert process.returncode == 0
    assert is_free(place.session)


# Giving up and being killed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_gives_up_finds_what_was_there_before(place: Place, number: signal.Signals) -> None:
    with place.at_code() as process:
        process.send_signal(number)
        _shown, said = process.communicate(timeout=60)

    assert (process.returncode, said.count("\n")) == (130, 1)
    assert "interrupted" in said
    assert place.names == []
    assert is_free(place.session)


def test_a_killed_login_is_finished_by_the_next(place: Place) -> None:
    """On the key that the first one has made."""
    with place.at_code() as process:
        process.kill()
    key = key_in(place.session)

    done = place.login(place.phone, "12345")

    assert (done.returncode, done.stderr) == (0, "")
    assert key_in(place.session) == key == place.alice.keys[-1].secret
    assert place.key_exchanges() == 1


def test_a_login_whose_answer_is_still_awaited_is_kept(place: Place) -> None:
    """Telegram has logged the key in; giving up then must not throw it away."""
    place.fault(Fault.hang(method="updates.getState"))

    with place.at_code() as process:
        assert process.stdin is not None
        process.stdin.write("12345\n")
        process.stdin.flush()
        place.server.call(lambda telegram: telegram.seen("updates.getState"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    place.server.call(lambda telegram: telegram.faults.clear())

    assert process.returncode == 130
    assert "is logged in already, as alice" in place.login().stdout


# On a terminal


class Terminal:
    """The terminal of a login, read as it is written to."""

    def __init__(self, place: Place) -> None:
        self.ours, theirs = pty.openpty()
        self.process = place.start("alice", stdin=theirs, stdout=theirs, stderr=theirs, text=None)
        self.theirs = theirs
        self.shown = ""
        self._answered = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def answer(self, prompt: str, text: str) -> None:
        """Wait for the prompt to be the last that is shown, then type a line."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.shown[self._answered :].endswith(prompt), timeout=60), self.shown
            self._answered = len(self.shown)
        os.write(self.ours, f"{text}\n".encode())

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.theirs)[3] & termios.ECHO)

    def ended(self) -> tuple[int, str]:
        """Exit code and all that was shown."""
        code = self.process.wait(timeout=60)
        os.close(self.theirs)
        with self._changed:
            assert self._changed.wait_for(lambda: self.shown.endswith("\x04"), timeout=60)
        return code, self.shown.replace("\r\n", "\n").removesuffix("\x04")

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self.ours, 65536).decode()
            except OSError:  # nobody has the other side open any more
                piece = "\x04"
            with self._changed:
                self.shown += piece
                self._changed.notify()
            if piece == "\x04":
                os.close(self.ours)
                return


def test_on_a_terminal_the_password_is_not_shown(place: Place) -> None:
    place.alice.password = "correct horse"
    terminal = Terminal(place)

    terminal.answer("token: ", place.phone)
    terminal.answer("Code: ", "00000")
    terminal.answer("Wrong code; 2 more tries.\r\nCode: ", "12345")
    terminal.answer("(not shown): ", "wrong horse")
    terminal.answer("(not shown): ", "correct horse")
    code, shown = terminal.ended()

    assert code == 0
    assert "horse" not in shown
    assert shown.count("Telegram has sent a code in a chat of the account's other Telegram apps.\n") == 1
    assert "Wrong password; 2 more tries.\n" in shown
    assert f"Logged in as alice (id {place.alice.id}).\n" in shown


def test_a_terminal_that_was_silenced_echoes_again(place: Place) -> None:
    """Ctrl-C at the password."""
    place.alice.password = "correct horse"
    terminal = Terminal(place)
    terminal.answer("token: ", place.phone)
    terminal.answer("Code: ", "12345")
    with terminal._changed:
        assert terminal._changed.wait_for(lambda: terminal.shown.endswith("(not shown): "), timeout=60)
    silenced = not terminal.echoes()

    terminal.process.send_signal(signal.SIGINT)
    terminal.process.wait(timeout=60)

    assert silenced
    assert terminal.echoes()
    assert terminal.ended()[0] == 130
    assert place.names == []


@pytest.mark.parametrize("prompt", ["Code: ", "(not shown): "])
def test_a_terminal_that_is_closed_leaves_nothing(place: Place, prompt: str) -> None:
    """As its window is, or the ssh that it came through; a log that stderr goes to shows no traceback."""
    place.alice.password = "correct horse"
    ours, theirs = pty.openpty()
    with place.start("alice", stdin=theirs, start_new_session=True, preexec_fn=_take_terminal) as process:
        os.close(theirs)
        assert process.stderr is not None
        for shown, typed in (("token: ", place.phone), ("Code: ", "12345"), ("(not shown): ", "")):
            seen = ""
            while not seen.endswith(shown):
                seen += os.read(process.stderr.fileno(), 4096).decode()
            if shown == prompt:
                break
            os.write(ours, f"{typed}\n".encode())
        made = place.names
        os.close(ours)
        said = process.stderr.read()

    assert (made, place.names) == (["alice.session"], [])
    assert process.returncode in (130, 2)  # 2: that no more can be read is seen before the signal is
    assert "Traceback" not in said
    assert is_free(place.session)


def _take_terminal() -> None:
    """Be the one that the kernel tells of the terminal's end."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_the_connection_lives_while_a_person_thinks(place: Place) -> None:
    """The event loop lives on while a person thinks: a connection that ended meanwhile is made anew."""
    with place.at_code() as process:
        place.server.call(lambda telegram: telegram.drop_connections())
        place.server.call(lambda telegram: telegram.until(lambda: telegram.live() == 1))
        process.communicate("12345\n", timeout=60)

    assert process.returncode == 0
