"""Sessions whose clients live in child processes: what they told, what was sent to them, what their files hold."""

import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.client.fleet_process import Deed, Did
from tests.crash.remedies import sidecars_of
from tests.killing import Job, Running, WarmParent
from tests.telegram import Account, Telegram, TelegramThread

LOCKED = "database is locked"


class Stored(NamedTuple):
    """What a session file holds, or would after recovery."""

    key: bytes
    pts: dict[int, int]


class Fleet:
    """Accounts with a session file and a group each, whose members are they and bob."""

    def __init__(self, server: TelegramThread, parent: WarmParent, folder: Path, *, size: int) -> None:
        self.server = server
        self.folder = folder
        self.sessions = folder / "sessions"
        self.sessions.mkdir()
        self.bob = server.call(lambda telegram: telegram.add_user("bob"))
        self.accounts = {f"bot{number:02}.session": self._add(f"bot{number:02}") for number in range(size)}
        self.deeds: dict[Did, defaultdict[str, list[Any]]] = {did: defaultdict(list) for did in Did}
        self.delivered: defaultdict[str, list[str]] = defaultdict(list)
        self._to_groups: set[str] = set()
        self._parent = parent

    def _add(self, name: str) -> Account:
        def add(telegram: Telegram) -> Account:
            account = telegram.add_user(name)
            telegram.add_supergroup(f"Ops of {name}", members=[self.bob, account])
            account.session_file(self.sessions / name).chmod(0o600)
            return account

        return self.server.call(add)

    def start(self, names: Iterable[str], **job: Any) -> Running:
        """A child process with clients for these sessions."""
        return self.start_job("fleet_process:run_clients", self.sessions, tuple(names), self.bob.id, **job)

    def start_job(self, function: str, *args: Any, **job: Any) -> Running:
        """A child process with that function of this package; its output is kept."""
        log = self.folder / "output.log"
        return self._parent.start(Job(target=f"tests.client.{function}", args=args, output=log, **job))

    def learn(self, acknowledged: Iterable[Deed]) -> None:
        """Take down what a child acknowledged; each deed may be given once only."""
        for deed in acknowledged:
            self.deeds[deed.did][deed.name].append(deed.value)

    def deliver(self, name: str, text: str, *, to_group: bool) -> None:
        """Have bob write to the account or to its group.

        What follows its first start, and in a group the first message that was heard there, has to arrive one day.
        """
        account = self.accounts[name]
        has_heard_group = any(text in self._to_groups for text in self.deeds[Did.HEARD][name])
        is_owed = has_heard_group if to_group else bool(self.deeds[Did.STARTED][name])

        def deliver(telegram: Telegram) -> None:
            target = telegram.world.chats_of(account)[0] if to_group else account
            target.receives(text, sender=self.bob)

        self.server.call(deliver)
        if to_group:
            self._to_groups.add(text)
        if is_owed:
            self.delivered[name].append(text)

    def not_heard(self) -> dict[str, list[str]]:
        """Messages that no handler has finished with yet, by session."""
        heard = {name: set(texts) for name, texts in self.deeds[Did.HEARD].items()}
        owed = {name: set(texts) - heard.get(name, set()) for name, texts in self.delivered.items()}
        return {name: sorted(texts) for name, texts in owed.items() if texts}

    def stored(self, name: str) -> Stored:
        """What the file of a client that does not run holds after recovery, which is done on a copy."""
        path = self.sessions / name
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            for part in (path, *sidecars_of(path)):
                shutil.copy(part, scratch)
            with closing(sqlite3.connect(Path(scratch) / name)) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                ((key,),) = database.execute("SELECT auth_key FROM sessions").fetchall()
                return Stored(key, dict(database.execute("SELECT id, pts FROM update_state").fetchall()))

    def lost(self) -> list[str]:
        """Logins and acknowledged states that the files do not hold."""
        found = []
        for name, account in self.accounts.items():
            stored = self.stored(name)
            if stored.key != account.key:
                found.append(f"{name}: the login")
            for states in self.deeds[Did.SAVED][name]:
                behind = {one: pts for one, pts in states.items() if stored.pts.get(one, 0) < pts}
                if behind:
                    found.append(f"{name}: {stored.pts} is behind the saved {behind}")
        return found

    def sent_but_missing(self) -> list[str]:
        """Messages that a caller got as sent and that the server does not have exactly once."""
        bob = self.bob
        there = self.server.call(lambda telegram: [message.text for message in telegram.messages(bob)])
        times: defaultdict[str, int] = defaultdict(int)
        for text in there:
            times[text] += 1
        return [text for texts in self.deeds[Did.SENT].values() for text in texts if times[text] != 1]

    def burnt(self) -> list[str]:
        """Accounts whose key was seen on two live connections."""
        return [name for name, account in self.accounts.items() if any(login.burnt for login in account.keys)]

    def log_lines(self, saying: str = "") -> list[str]:
        """Lines that the children wrote."""
        return [line for line in (self.folder / "output.log").read_text().splitlines() if saying in line]


class Listening:
    """A child process whose acknowledgements go to the fleet as they come."""

    def __init__(self, fleet: Fleet, running: Running) -> None:
        self.running = running
        self.deeds: list[Deed] = []
        self._fleet = fleet
        self._given = 0

    def listen(self) -> None:
        """Take what is new."""
        new = list(self.running.acknowledged()[len(self.deeds) :])
        self.deeds += new
        self._fleet.learn(new)

    def has(self, did: Did) -> bool:
        """Whether any of its clients has done so."""
        return self.count(did) > 0

    def count(self, did: Did) -> int:
        """How often its clients have done so."""
        return sum(deed.did is did for deed in self.deeds)

    def wait_until(self, did: Did) -> Deed:
        """The next such deed after the one given last; raises AssertionError when the child ends without."""
        while True:
            is_over = self.running.ends_within(0.005)
            self.listen()
            for number in range(self._given, len(self.deeds)):
                self._given = number + 1
                if self.deeds[number].did is did:
                    return self.deeds[number]
            assert not is_over, self.running.wait()

    def end(self) -> int:
        """Listen to its end and give its exit code; raises ChildFailedError when it failed."""
        outcome = self.running.wait()
        self.listen()
        return outcome.exit_code
