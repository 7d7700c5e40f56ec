"""Clients that are killed over and over while they start, hear, send, save and stop: nothing may be lost."""

import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

import pytest

from tests.client.fleet import LOCKED, Fleet, Listening
from tests.client.fleet_process import Did
from tests.crash.proof import FULL, render_table

SEED = 20261121
ROUNDS = 200 if FULL else 10
CLIENTS, PROCESSES = 20, 4
LONGEST_LIFE = 1.2
LONGEST_STOP = 0.1
LAST_CALL = 700
WHILE_DOWN = 10
MESSAGE_PAUSE = 0.01
IN_THE_END_SECONDS = 60
NEVER = float("inf")
HEAD = ["rounds", "kills of a client", "saves", "messages owed", "never heard", "heard", "logins or states lost"]
HEAD += ["refused starts", "keys used twice", "`database is locked`"]


class Death(Enum):
    """When a process is killed: at some moment, before some call that changes a file, or shortly after SIGTERM."""

    AT_A_MOMENT = auto()
    AT_A_CALL = auto()
    WHILE_STOPPING = auto()


@dataclass(slots=True, kw_only=True)
class Life:
    """One child process and how it is to end."""

    child: Listening
    death: Death
    dies_at: float
    stops_at: float

    def goes_on(self, now: float) -> bool:
        """Do to it what is due, and listen; False once it is dead."""
        is_over = self.child.running.ends_within(0)
        self.child.listen()
        if now >= self.dies_at:
            self.child.running.send_signal(signal.SIGKILL)
        elif now >= self.stops_at and self.child.has(Did.STARTED):
            self.stops_at = NEVER
            self.child.running.send_signal(signal.SIGTERM)
        return not is_over


def begin(fleet: Fleet, names: tuple[str, ...], random: Random) -> Life:
    """Start the clients of these sessions in one process whose death is decided."""
    death = random.choice(list(Death))
    moment, extra = random.uniform(0, LONGEST_LIFE), random.uniform(0, LONGEST_STOP)
    fatal_call = random.randint(1, LAST_CALL) if death is Death.AT_A_CALL else 0
    child = Listening(fleet, fleet.start(names, watched=fleet.sessions, kill_at=fatal_call))
    began = time.monotonic()
    return Life(
        child=child,
        death=death,
        dies_at=began + (moment if death is Death.AT_A_MOMENT else LONGEST_LIFE + extra),
        stops_at=began + LONGEST_LIFE if death is Death.WHILE_STOPPING else NEVER,
    )


class Story:
    """All rounds on one fleet."""

    def __init__(self, fleet: Fleet, random: Random) -> None:
        self.fleet = fleet
        self.random = random
        self.deaths: Counter[Death] = Counter()
        self.losses: list[str] = []
        self._texts = (f"message {number}" for number in itertools.count())
        self._next_message = 0.0

    def play_round(self) -> None:
        """Start all, kill all, and look at what they left."""
        alive = [begin(self.fleet, names, self.random) for names in self._crews()]
        self.deaths.update(life.death for life in alive for _client in range(CLIENTS // PROCESSES))
        everybody = list(alive)
        while alive:
            alive = [life for life in alive if life.goes_on(time.monotonic())]
            self._deliver_at_pace()
        for life in everybody:
            life.child.end()
        for _message in range(WHILE_DOWN):
            self._deliver()
        self.losses += self.fleet.lost()

    def end_well(self) -> None:
        """Start all once more, hear all that is owed, and stop in peace."""
        children = [Listening(self.fleet, self.fleet.start(names)) for names in self._crews()]
        until = time.monotonic() + IN_THE_END_SECONDS
        while time.monotonic() < until and (self.fleet.not_heard() or not self._all_started(children)):
            for child in children:
                child.running.ends_within(0.01)
                child.listen()
        for child in children:
            child.running.send_signal(signal.SIGTERM)
        codes = [child.end() for child in children]
        self.losses += [f"exit code {code}" for code in codes if code] + self.fleet.lost()

    def _all_started(self, children: list[Listening]) -> bool:
        return sum(child.count(Did.STARTED) for child in children) == CLIENTS

    def _crews(self) -> list[tuple[str, ...]]:
        names = list(self.fleet.accounts)
        self.random.shuffle(names)
        return [tuple(names[number::PROCESSES]) for number in range(PROCESSES)]

    def _deliver_at_pace(self) -> None:
        if time.monotonic() >= self._next_message:
            self._next_message = time.monotonic() + MESSAGE_PAUSE
            self._deliver()
        time.sleep(0.001)

    def _deliver(self) -> None:
        name = self.random.choice(list(self.fleet.accounts))
        self.fleet.deliver(name, next(self._texts), to_group=self.random.random() < 0.5)


@pytest.mark.timeout(3600)
def test_clients_killed_at_any_moment_lose_no_login_no_state_and_no_message(
    fleet: Fleet, publish: Callable[[str, str], None]
) -> None:
    """Every start succeeds by itself, and in the end every message has reached its handler at least once."""
    story = Story(fleet, Random(SEED))

    for _round in range(ROUNDS):
        story.play_round()
    story.end_well()

    refused = [reason for reasons in fleet.deeds[Did.REFUSED].values() for reason in reasons]
    not_heard = fleet.not_heard()
    row = [
        ROUNDS,
        sum(story.deaths.values()),
        sum(map(len, fleet.deeds[Did.SAVED].values())),
        sum(map(len, fleet.delivered.values())),
        sum(map(len, not_heard.values())),
        sum(map(len, fleet.deeds[Did.HEARD].values())),
        len(story.losses),
        len(refused),
        len(fleet.burnt()),
        len(fleet.log_lines(LOCKED)),
    ]
    publish("Killed clients", render_table(HEAD, [row]))
    assert story.losses == []
    assert refused == []
    assert not_heard == {}
    assert fleet.sent_but_missing() == []
    assert fleet.burnt() == []
    assert fleet.log_lines(LOCKED) == []
    assert len(fleet.log_lines("started in")) > 0
    assert all(fleet.deeds[did] for did in (Did.HEARD, Did.SENT, Did.SAVED, Did.STOPPED))
    assert len(story.deaths) == len(Death)
