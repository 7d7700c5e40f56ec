"""`python -m core run` as a process beside a Telegram on loopback, a gavat.toml, and a service manager's socket."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.telegram import Account, Chat, Telegram, TelegramThread
from tests.tool import CORE, Tool

HANDLERS = """\
import gc
import time

from telethon import events


async def answer(event):
    await event.reply(f"you said {event.raw_text}")


async def answer_otherwise(event):
    await event.reply(f"otherwise {event.raw_text}")


async def listen(event):
    await event.reply(f"heard {event.raw_text}")


@events.register(events.NewMessage(incoming=True, pattern="/count"))
async def count(event):
    await event.reply(f"gc {gc.isenabled()}")


async def block(event):
    time.sleep(float(event.raw_text))


async def fail(event):
    print("to nobody")
    raise RuntimeError("a mistake")


class Shop:
    pass
"""
AT_ONCE = '[fleet]\nstagger_min = "0s"\nstagger_max = "0s"\nat_once = 50\n'
NO_BACKUPS = '[client]\nbackup_every = "0s"\n'


class Place:
    """A working directory with sessions/, handlers and gavat.toml, and a Telegram that knows the sessions."""

    def __init__(self, server: TelegramThread, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.sessions = folder / "sessions"
        self.sessions.mkdir(mode=0o700)
        self.config = folder / "gavat.toml"
        self.configure()
        (folder / "mybot").mkdir()
        (folder / "mybot" / "handlers.py").write_text(HANDLERS)
        self.bob: Account = server.call(lambda telegram: telegram.add_user("bob"))
        self.environ = {"GAVAT_API_ID": "1", "GAVAT_API_HASH": "secret-hash", "GAVAT_CONFIG": str(self.config)}

    def configure(self, *lines: str, fleet: str = 'on_private = ["mybot.handlers:answer"]') -> None:
        """Write gavat.toml: no pause between starts, no backups, these lines at the end."""
        self.config.write_text("\n".join([NO_BACKUPS, AT_ONCE + fleet, *lines]) + "\n")

    def add(self, name: str) -> Account:
        """An account with a session."""
        account = self.server.call(lambda telegram: telegram.add_user(name))
        self.server.call(lambda _telegram: account.session_file(self.sessions / name)).chmod(0o600)
        return account

    def add_group(self, *members: Account) -> Chat:
        return self.server.call(lambda telegram: telegram.add_supergroup("Ops", members=[*members, self.bob]))

    def env(self, **more: str) -> dict[str, str]:
        return Tool(self.folder / "state", {**self.environ, **more}).env()

    def call(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [sys.executable, CORE, "run", *map(str, words)]
        return subprocess.run(
            command, cwd=self.folder, env=self.env(**more), capture_output=True, text=True, check=False, timeout=60
        )

    @contextmanager
    def running(self, *words: str, **more: str) -> Iterator[Running]:
        """A fleet that runs, and is killed at the end of the block when it has not stopped."""
        with subprocess.Popen(
            [sys.executable, CORE, "run", *words],
            cwd=self.folder,
            env=self.env(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Running(self, process)
            finally:
                process.kill()

    def listens(self, bot: Account) -> None:
        """Wait for its first start: with the second question it knows from where on updates are its own."""
        self.server.call(lambda telegram: telegram.seen("updates.getState", account=bot, count=2, within=60))

    def says(self, bot: Account, text: str) -> str:
        """What the bot answers when bob writes so to it."""
        self.server.call(lambda _telegram: bot.receives(text, sender=self.bob))
        return self._answers(text, 1, bot, self.bob)[0]

    def says_in(self, group: Chat, text: str, answers: int = 1) -> list[str]:
        """What is said in a group after bob has written so."""
        self.server.call(lambda _telegram: group.receives(text, sender=self.bob))
        return self._answers(text, answers, group, None)

    def _answers(self, text: str, count: int, peer: Account | Chat, other: Account | None) -> list[str]:
        def after(telegram: Telegram) -> list[str]:
            texts = [str(one.text) for one in telegram.messages(peer, other)]
            return texts[texts.index(text) + 1 :]

        self.server.call(lambda telegram: telegram.until(lambda: len(after(telegram)) >= count, within=60))
        return self.server.call(after)


class Running:
    """A fleet's process."""

    def __init__(self, place: Place, process: subprocess.Popen[str]) -> None:
        self.place = place
        self.process = process
        self.said: list[str] = []

    def says(self, pattern: str, times: int = 1) -> str:
        """Read its log up to so many lines that match, and give the last of them."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if re.search(pattern, line):
                times -= 1
                if not times:
                    return line
        raise AssertionError(f"it ended without {pattern!r}: {''.join(self.said)}")

    def started(self, *bots: Account) -> None:
        for bot in bots:
            self.place.listens(bot)

    def reload(self) -> str:
        """SIGHUP, and what it says of it."""
        self.process.send_signal(signal.SIGHUP)
        return self.says(" reloaded: ")

    def reload_refused(self) -> str:
        """SIGHUP that is answered with an error."""
        self.process.send_signal(signal.SIGHUP)
        return self.says("not reloaded")

    def ends(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit code, stdout, the whole log, after a signal."""
        self.process.send_signal(number)
        shown, said = self.process.communicate(timeout=60)
        return self.process.returncode, shown, "".join(self.said) + said


class Manager:
    """The side of NOTIFY_SOCKET that a service manager has."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(30)
        self.told: list[str] = []

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    def hears(self, wanted: str) -> str:
        """Read up to the message that begins so, and give it."""
        while True:
            message = self._socket.recv(4096).decode()
            self.told.append(message)
            if message.startswith(wanted):
                return message

    def falls_silent(self, seconds: float) -> bool:
        """Whether there comes a time of so many seconds in which nothing is told."""
        self._socket.settimeout(seconds)
        try:
            for _ in range(1000):
                self.told.append(self._socket.recv(4096).decode())
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(30)
        return False
