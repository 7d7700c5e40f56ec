"""Bots that `python -m core run` runs in processes of their own, and a Telegram that they all talk to."""

import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from core.state import StateFolder, read_statuses
from core.state.status_model import BotFigures
from tests.killing import REPOSITORY, plain_environment
from tests.telegram import Account, Chat, Telegram, TelegramThread
from utils.clock import utc_now

GROUP_SIZE = 50
WAIT_SECONDS = 120
CONFIGURATION = """
[client]
api_id = 1
api_hash = "hash"
probe_every = "1s"
reconnect_cap = "1s"
backup_every = "0s"

[fleet]
at_once = 10
stagger_min = "0s"
stagger_max = "0s"
restart_first = "2s"
restart_cap = "4s"
on_private = ["tests.fleet.talkers:answer"]
on_group = ["tests.fleet.talkers:listen"]
"""


class Heard(NamedTuple):
    """One call of a handler."""

    pid: int
    bot: int
    """Id of the account."""
    text: str


class Village:
    """Accounts with session files, in groups of fifty; bob writes to them."""

    def __init__(self, server: TelegramThread, folder: Path, *, size: int) -> None:
        self.server = server
        self.folder = folder
        self.sessions = folder / "sessions"
        self.sessions.mkdir(mode=0o700)
        self.bob = server.call(lambda telegram: telegram.add_user("bob"))
        self.bots = [self._add(f"bot{number:03}") for number in range(size)]
        self.groups = [self._group(number) for number in range(0, size, GROUP_SIZE)]
        (folder / "gavat.toml").write_text(CONFIGURATION)
        (folder / "heard").touch(mode=0o600)

    def _add(self, name: str) -> Account:
        def add(telegram: Telegram) -> Account:
            account = telegram.add_user(name)
            account.session_file(self.sessions / name).chmod(0o600)
            return account

        return self.server.call(add)

    def _group(self, first: int) -> Chat:
        members = [self.bob, *self.bots[first : first + GROUP_SIZE]]
        return self.server.call(lambda telegram: telegram.add_supergroup(f"Group {first}", members=members))

    def copied_to(self, host: str) -> Path:
        """A folder with a copy of every session, as on another host."""
        return Path(shutil.copytree(self.sessions, self.folder / f"sessions-{host}"))

    @contextmanager
    def running(self, *, host: str = "here", sessions: Path | None = None, **variables: str) -> Iterator["House"]:
        """A process that runs all bots, on a host of that name: one with a state folder of its own."""
        state = self.folder / f"state-{host}"
        environment = {
            **plain_environment(),
            "GAVAT_CONFIG": str(self.folder / "gavat.toml"),
            "GAVAT_STATE": str(state),
            "VILLAGE_HEARD": str(self.folder / "heard"),
            **variables,
        }
        command = [sys.executable, "-m", "tests.fleet.run_on_loopback", "run", str(sessions or self.sessions)]
        with (
            open(self.folder / "output.log", "ab") as log,
            subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log) as process,
        ):
            house = House(process, state)
            try:
                yield house
            finally:
                if process.poll() is None:
                    process.kill()

    def heard(self) -> list[Heard]:
        """Every call of a handler, in all processes, oldest first."""
        lines = (self.folder / "heard").read_text().splitlines()
        return [Heard(int(pid), int(bot), text) for pid, bot, text in (line.split("\t") for line in lines)]

    def heard_twice(self) -> list[Heard]:
        """Messages that one process handled more than once."""
        return [heard for heard, times in Counter(self.heard()).items() if times > 1]

    def write_to(self, bots: list[Account], text: str) -> Callable[[], bool]:
        """Bob writes to each in private; gives whether all have heard it."""

        def write(_telegram: Telegram) -> None:
            for bot in bots:
                bot.receives(text, sender=self.bob)

        self.server.call(write)
        wanted = {bot.id for bot in bots}
        return lambda: wanted <= {heard.bot for heard in self.heard() if heard.text == text}

    def write_to_groups(self, text: str, *, of: list[Account]) -> Callable[[], bool]:
        """Bob writes to each group; gives whether all these bots have heard it."""

        def write(_telegram: Telegram) -> None:
            for group in self.groups:
                group.receives(text, sender=self.bob)

        self.server.call(write)
        wanted = {bot.id for bot in of}
        return lambda: wanted <= {heard.bot for heard in self.heard() if heard.text == text}

    def answered(self, text: str) -> int:
        """How many answers to a text have reached bob."""
        bob, wanted = self.bob, f"you said {text}"
        return self.server.call(lambda telegram: sum(one.text == wanted for one in telegram.messages(bob)))

    def burnt(self) -> list[str]:
        """Accounts whose key was seen on two live connections."""
        return [bot.first_name for bot in self.bots if any(login.burnt for login in bot.keys)]

    def log(self) -> str:
        """What the processes wrote."""
        return (self.folder / "output.log").read_text()


class House:
    """One process that runs bots."""

    def __init__(self, process: subprocess.Popen[bytes], state: Path) -> None:
        self.process = process
        self._state = StateFolder(str(state))

    def bots(self) -> list[BotFigures]:
        """What this process publishes of its bots; none before its first document."""
        assert self.process.poll() is None, "the process has ended"
        view = read_statuses(self._state, "", utc_now())
        return [bot for one in view.processes if one.status.identity.pid == self.process.pid for bot in one.status.bots]

    def states(self) -> Counter[str]:
        """How many bots are in which state."""
        return Counter(bot.state for bot in self.bots())

    def state_of(self, account: Account) -> str | None:
        """The state of one bot; None before it is published."""
        return next((bot.state for bot in self.bots() if bot.name == account.first_name), None)

    def kill(self) -> None:
        """As a power cut of one process: it has no last word."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_SECONDS)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds; two minutes are far more than any of it takes."""
    ends_at = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < ends_at, f"waited in vain: {what}"
        time.sleep(0.05)
