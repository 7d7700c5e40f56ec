"""Crash states on order: which victim, killed at which call, in which folder."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.crash.judge import Judgement, judge
from tests.crash.remedies import Remedy, make_look_old
from tests.crash.victims import Mode, Profile, Victim, transactions
from tests.killing import Job, Manner, WarmParent

SEED = 20251121


@dataclass(frozen=True, slots=True)
class Point:
    """A victim, the call that kills it, and how."""

    victim: Victim
    kill_at: int
    manner: Manner = Manner.KILL

    @property
    def profile(self) -> str:
        """The row of the table that it counts in."""
        return "half-write" if self.manner is Manner.HALVE else str(self.victim.profile)


@dataclass(frozen=True, slots=True)
class State:
    """A family of files that a killed writer left, and what it had acknowledged."""

    name: str
    point: Point
    acknowledged: int

    def judge(self, folder: Path) -> Judgement:
        """Judge this family as it is in that folder."""
        return judge(folder / self.name, self.point.victim, self.acknowledged)


class Laboratory:
    """The warmed parent, a scratch folder on tmpfs, and the settled files that victims start from."""

    def __init__(self, parent: WarmParent, scratch: Path, *, full: bool) -> None:
        self.parent = parent
        self.scratch = scratch
        self.full = full
        self._bases: dict[Victim, Path] = {}
        self._numbers = iter(range(1_000_000))

    def folder(self, purpose: str) -> Path:
        """A new empty folder."""
        path = self.scratch / f"{purpose}-{next(self._numbers):05}"
        path.mkdir()
        return path

    def settle(self, path: Path, victim: Victim) -> None:
        """Put the file there that the victim finds at its start; none for a first login."""
        if not victim.settled:
            return
        if victim not in self._bases:
            base = self.folder("base") / "base.session"
            self.parent.run(Job(target="tests.crash.victims:write", args=(base, victim, 0, victim.settled)))
            self._bases[victim] = base
        shutil.copyfile(self._bases[victim], path)
        path.chmod(0o600)

    def writer(self, path: Path, victim: Victim, *, kill_at: int = 0, manner: Manner = Manner.KILL) -> Job:
        """The job of the victim's busy transactions."""
        span = (victim.settled, len(transactions(victim)))
        return Job(
            target="tests.crash.victims:write",
            args=(path, victim, *span),
            watched=path.parent,
            kill_at=kill_at,
            manner=manner,
        )

    def points(self, victim: Victim, *, manner: Manner = Manner.KILL) -> list[Point]:
        """Every call at which this victim can be killed."""
        path = self.folder("count") / "count.session"
        self.settle(path, victim)
        calls = self.parent.run(self.writer(path, victim)).calls
        return [Point(victim, number, manner) for number in range(1, calls + 1)]

    def crash(self, folder: Path, points: Iterable[Point]) -> list[State]:
        """Kill a writer at each point, all in one folder."""
        return [self.crash_one(folder, f"bot-{number:05}.session", point) for number, point in enumerate(points)]

    def crash_one(self, folder: Path, name: str, point: Point) -> State:
        """Kill a writer at one point; its family is left in the folder under this name."""
        self.settle(folder / name, point.victim)
        job = self.writer(folder / name, point.victim, kill_at=point.kill_at, manner=point.manner)
        outcome = self.parent.run(job)
        assert outcome.killed, f"{point} ended by itself"
        return State(name, point, max((point.victim.settled, *outcome.acknowledged)))

    def heal(self, remedy: Remedy, folder: Path) -> int:
        """Apply a remedy to a folder in a child, and give its exit code; the tool's state is beside the folder."""
        job = Job(target=remedy, args=(folder, state_of(folder)), output=folder.with_name(folder.name + ".log"))
        code = self.parent.run(job).value
        assert isinstance(code, int)
        return code

    def copies(self, folder: Path, purpose: str) -> Path:
        """The folder's families in another folder, under the same names, looking ten minutes old."""
        target = self.folder(purpose)
        shutil.copytree(folder, target, dirs_exist_ok=True)
        make_look_old(target)
        return target


def state_of(folder: Path) -> Path:
    """The tool's state folder for a folder of sessions."""
    return folder.with_name(folder.name + ".state")


def all_points(laboratory: Laboratory) -> list[list[Point]]:
    """Every crash state that the laboratory can make, by profile and mode, in a fixed order."""
    cells = [laboratory.points(Victim(mode=mode, profile=profile)) for profile in Profile for mode in Mode]
    spilled = (Victim(mode=mode, profile=Profile.SPILL) for mode in (Mode.DELETE, Mode.WAL))
    return cells + [laboratory.points(victim, manner=Manner.HALVE) for victim in spilled]


def sample(cells: list[list[Point]], count: int) -> list[Point]:
    """A seeded sample, about as many points from each cell."""
    random, each = Random(SEED), -(-count // len(cells))
    return [cell[number] for cell in cells for number in sorted(random.sample(range(len(cell)), min(each, len(cell))))]
