"""Bots that start, write, crash and stop in a folder on which the tool is at work; and bots that hold their file."""

import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.crash.judge import Judgement, judge
from tests.crash.laboratory import SEED, Laboratory, state_of
from tests.crash.proof import render_table
from tests.crash.remedies import Remedy, make_look_old, sidecars_of
from tests.crash.victims import STANDING, Mode, Profile, Stage, Victim, transactions
from tests.killing import ChildFailedError, Job, Manner, Running

AT_ONCE = 3
STARTS = 1000
GAPS = 20
ORDINARY = {0, 3}
Publish = Callable[[str, str], None]


@dataclass
class Bot:
    """One session file through many starts; `safe` commits were acknowledged."""

    path: Path
    victim: Victim
    safe: int

    @property
    def exhausted(self) -> bool:
        """Whether it has no transaction left to write."""
        return self.safe >= len(transactions(self.victim))

    def judge(self) -> Judgement:
        """Judge its file."""
        return judge(self.path, self.victim, self.safe)


class Town:
    """A folder of bots, the tool looping over it, and what went wrong."""

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        self.random = Random(SEED)
        self.folder = laboratory.folder("town")
        self.stop = self.folder.with_suffix(".stop")
        self.names = (self.folder / f"bot-{number:04}.session" for number in count())
        self.bots: list[Bot] = []
        self.retired: list[Bot] = []
        self.starts: Counter[str] = Counter()
        self.refused: list[str] = []

    def new_bot(self) -> Bot:
        """A bot of any kind that has not started yet."""
        profile = self.random.choice([Profile.DEFAULT, Profile.DEFAULT, Profile.SPILL, Profile.FRESH])
        victim = Victim(mode=self.random.choice(list(Mode)), profile=profile)
        path = next(self.names)
        self.laboratory.settle(path, victim)
        return Bot(path, victim, victim.settled)

    def loop_the_tool(self) -> Running:
        """Start the tool, again and again, until the stop file appears."""
        arguments = (self.folder, state_of(self.folder), self.stop)
        target, log = "tests.crash.remedies:tool_again_and_again", self.folder.with_suffix(".log")
        return self.laboratory.parent.start(Job(target=target, args=arguments, output=log))

    def start(self, bot: Bot) -> Running:
        """One life of two transactions; two lives in five end by a kill, except first logins."""
        last = min(bot.safe + 2, len(transactions(bot.victim)))
        is_killed = bot.safe > 0 and self.random.random() < 0.4
        self.starts["killed" if is_killed else "whole"] += 1
        pause_seconds = self.random.random() * 0.02
        return self.laboratory.parent.start(
            Job(
                target="tests.crash.victims:live",
                args=(bot.path, bot.victim, bot.safe, last, pause_seconds),
                watched=self.folder,
                kill_at=self.random.randint(1, 40) if is_killed else 0,
            )
        )

    def finish(self, bot: Bot, life: Running) -> None:
        """Wait for a life's end; retire a bot that has written all it had."""
        try:
            bot.safe = max((bot.safe, *life.wait().acknowledged))
        except ChildFailedError as error:
            self.refused.append(f"seed {SEED}: {bot}: {error}")
        if bot.exhausted:
            self.bots.remove(bot)
            self.retired.append(bot)

    def damaged(self) -> list[str]:
        """Every bot's file that is not as its bot left it."""
        judged = [(bot, bot.judge()) for bot in [*self.bots, *self.retired]]
        return [f"seed {SEED}: {bot} {found}" for bot, found in judged if found.damaged]


@pytest.mark.timeout(1800)
def test_bots_starting_while_the_tool_works_are_neither_refused_nor_damaged(
    laboratory: Laboratory, publish: Publish
) -> None:
    """1,000 starts, some ended by a kill, in a folder that the tool sweeps without pause."""
    town, starts = Town(laboratory), 5 * STARTS if laboratory.full else STARTS
    tools = town.loop_the_tool()

    while sum(town.starts.values()) < starts:
        town.bots += [town.new_bot() for _ in range(8 - len(town.bots))]
        lives = [(bot, town.start(bot)) for bot in town.random.sample(town.bots, AT_ONCE)]
        for bot, life in lives:
            town.finish(bot, life)
    town.stop.touch()
    codes: Counter[int] = tools.wait().value
    laboratory.heal(Remedy.TOOL, town.folder)

    damaged = town.damaged()
    head = ["starts", "of them to be killed", "runs of the tool", "refused starts", "damaged files", "files"]
    files = len(town.bots) + len(town.retired)
    row = [starts, town.starts["killed"], codes.total(), len(town.refused), len(damaged), files]
    publish("Bots starting while the tool works", render_table(head, [row]))
    assert town.refused == []
    assert damaged == []
    assert codes.keys() <= ORDINARY
    assert [path for bot in [*town.bots, *town.retired] for path in sidecars_of(bot.path)] == []


@pytest.mark.timeout(3600)
def test_a_bot_that_starts_in_any_gap_of_the_tool_is_safe(laboratory: Laboratory, publish: Publish) -> None:
    """The tool is stopped before one of its calls, bots start on the very files, then it goes on with what it knew."""
    town, rows = Town(laboratory), []
    calls = laboratory.parent.run(gap_job(town, crashed_bots(town))).calls

    for meet in (come_and_go, stay_in_a_transaction):
        waited, starts = 0, town.starts.total()
        chosen = range(1, calls + 1) if laboratory.full else sorted(town.random.sample(range(1, calls + 1), GAPS))
        for stop_at in chosen:
            town.bots = crashed_bots(town)
            tools = laboratory.parent.start(gap_job(town, town.bots, stop_at))
            if not tools.stops():  # a run may take a call less than the one that was counted
                assert stop_at > calls * 0.95
                tools.wait()
                continue
            waited += meet(town, tools)
            code = tools.wait().value
            where = f"seed {SEED}, {meet.__name__}, stopped at call {stop_at} of {calls}"
            assert code in ORDINARY, where
            assert town.refused == [], where
            assert town.damaged() == [], where
        rows.append([meet.__name__, len(chosen), town.starts.total() - starts, waited, len(town.refused), 0])

    head = ["bots", "gaps", "bots started", "gaps where a bot had to wait for the tool", "refused", "damaged"]
    publish("Bots starting in a gap of the tool", render_table(head, rows))


def come_and_go(town: Town, tools: Running) -> bool:
    """Bots start, write, and stop or crash while the tool stands still; whether one had to wait for it."""
    lives = [(bot, town.start(bot)) for bot in list(town.bots)]
    waited = not all(life.ends_within(0.2) for _, life in lives)
    tools.send_signal(signal.SIGCONT)
    for bot, life in lives:
        town.finish(bot, life)
    return waited


def stay_in_a_transaction(town: Town, tools: Running) -> bool:
    """Bots start and stand in an open transaction until the tool has ended; whether one had to wait for it."""
    lives = [(bot, town.laboratory.parent.start(hold_job(bot, Stage.IN_TRANSACTION))) for bot in town.bots]
    town.starts["whole"] += len(lives)
    waited = any(life.ends_within(0.02) or STANDING not in life.acknowledged() for _, life in lives)
    tools.send_signal(signal.SIGCONT)
    tools.wait()
    for bot, life in lives:
        life.wait_for(STANDING)
        life.send_signal(signal.SIGUSR1)
        bot.safe = max(commits for commits in life.wait().acknowledged if commits != STANDING)
    return waited


def hold_job(bot: Bot, stage: Stage) -> Job:
    """A healthy writer that stands still at this stage until SIGUSR1, then commits all it has."""
    return Job(target="tests.crash.victims:hold", args=(bot.path, bot.victim, bot.safe, stage))


def crashed_bots(town: Town) -> list[Bot]:
    """Three crashed families in a folder of their own."""
    town.folder = town.laboratory.folder("gap")
    kinds = [(Mode.DELETE, Profile.DEFAULT), (Mode.WAL, Profile.DEFAULT), (Mode.DELETE, Profile.SPILL)]
    bots = []
    for mode, profile in kinds:
        victim = Victim(mode=mode, profile=profile)
        point = town.laboratory.points(victim)[100]
        state = town.laboratory.crash_one(town.folder, f"{mode}-{profile}.session", point)
        bots.append(Bot(town.folder / state.name, victim, state.acknowledged))
    return bots


def gap_job(town: Town, bots: list[Bot], stop_at: int = 0) -> Job:
    """One run of the tool on the bots' folder, stopped before one of its calls there or in its state."""
    root = bots[0].path.parent
    return Job(
        target=Remedy.TOOL,
        args=(root, root / "state"),
        watched=root,
        kill_at=stop_at,
        manner=Manner.STOP,
        output=town.folder.with_suffix(".log"),
    )


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("profile", [Profile.DEFAULT, Profile.SPILL])
@pytest.mark.parametrize("mode", Mode)
def test_a_healthy_writer_is_never_called_free_nor_disturbed(
    laboratory: Laboratory, mode: Mode, profile: Profile, stage: Stage
) -> None:
    """Its files look ten minutes old, yet no byte of them changes, no backup is made, and its commits succeed."""
    victim, folder = Victim(mode=mode, profile=profile), laboratory.folder("held")
    path = folder / "bot.session"
    laboratory.settle(path, victim)
    writer = laboratory.parent.start(hold_job(Bot(path, victim, victim.settled), stage))
    writer.wait_for(STANDING)
    make_look_old(folder)
    before = look_of(folder)

    codes = {laboratory.heal(Remedy.TOOL, folder) for _ in range(3)}

    assert look_of(folder) == before
    assert list(state_of(folder).rglob(f"{path.name}*")) == []
    assert codes == {0}
    writer.send_signal(signal.SIGUSR1)
    writer.wait()
    found = judge(path, victim, len(transactions(victim)))
    assert not found.damaged, found


def look_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its inode and bytes."""
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}
