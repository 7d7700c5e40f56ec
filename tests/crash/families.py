"""A fleet folder with one family of each kind that a crash, or a person, leaves behind."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from tests.crash.judge import Judgement, judge
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.remedies import sidecars_of
from tests.crash.victims import Mode, Profile, Victim

JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
HEALTHY = Victim(mode=Mode.DELETE, profile=Profile.DEFAULT)


@dataclass(frozen=True, slots=True)
class Writer:
    """A family of which the judge knows every commit."""

    name: str
    victim: Victim
    acknowledged: int

    def judge(self, folder: Path) -> Judgement:
        """Judge it in this folder."""
        return judge(folder / self.name, self.victim, self.acknowledged)


@dataclass(frozen=True, slots=True)
class Fleet:
    """A folder of families: writers to be judged, and files of which no byte may be lost."""

    folder: Path
    writers: tuple[Writer, ...]
    untouchable: tuple[str, ...]

    def copy(self, target: Path) -> Path:
        """The same families in another folder."""
        shutil.copytree(self.folder, target, dirs_exist_ok=True)
        return target


def build_fleet(laboratory: Laboratory) -> Fleet:
    """Eleven families: hot, cold and spilled journals, logs, first logins, healthy, damaged and orphaned."""
    folder = laboratory.folder("fleet")
    kill = partial(_killed, laboratory, folder)
    writers = [
        kill("hot.session", Mode.DELETE, Profile.DEFAULT, _has_hot_journal),
        kill("cold.session", Mode.DELETE, Profile.DEFAULT, _has_cold_journal),
        kill("spilled.session", Mode.DELETE, Profile.SPILL, _has_hot_journal),
        kill("persist.session", Mode.PERSIST, Profile.SPILL, _has_hot_journal),
        kill("wal.session", Mode.WAL, Profile.DEFAULT, _has_wal),
        kill("first-login.session", Mode.WAL, Profile.FRESH, _has_wal),
        kill("half-created.session", Mode.DELETE, Profile.FRESH, _has_cold_journal, early=True),
    ]
    for name, permissions in (("healthy.session", 0o600), ("open-to-all.session", 0o644)):
        laboratory.settle(folder / name, HEALTHY)
        (folder / name).chmod(permissions)
        writers.append(Writer(name, HEALTHY, HEALTHY.settled))
    _damage(laboratory, folder / "damaged.session")
    for suffix in ("-journal", "-wal"):
        sidecar = (folder / f"{'spilled' if suffix == '-journal' else 'wal'}.session{suffix}").read_bytes()
        (folder / f"orphan.session{suffix}").write_bytes(sidecar)
    return Fleet(folder, tuple(writers), ("damaged.session", "orphan.session-journal", "orphan.session-wal"))


def _killed(
    laboratory: Laboratory,
    folder: Path,
    name: str,
    mode: Mode,
    profile: Profile,
    is_wanted: Callable[[Path], bool],
    *,
    early: bool = False,
) -> Writer:
    """Kill the writer at call after call, from two thirds of its life on, until its files look as wanted."""
    victim = Victim(mode=mode, profile=profile)
    points = laboratory.points(victim)
    for point in points[3 if early else len(points) * 2 // 3 :]:
        state = laboratory.crash_one(folder, name, point)
        if is_wanted(folder / name):
            return Writer(name, victim, state.acknowledged)
        for path in (folder / name, *sidecars_of(folder / name)):
            path.unlink(missing_ok=True)
    raise AssertionError(f"{victim} never looked as wanted for {name}")


def _journal_starts_with(path: Path, start: bytes) -> bool:
    journal = path.with_name(path.name + "-journal")
    return journal.exists() and journal.stat().st_size > 512 and journal.read_bytes().startswith(start)


def _has_hot_journal(path: Path) -> bool:
    return _journal_starts_with(path, JOURNAL_MAGIC)


def _has_cold_journal(path: Path) -> bool:
    return _journal_starts_with(path, bytes(8))


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 8192


def _damage(laboratory: Laboratory, path: Path) -> None:
    """Garbage over the second half of the file, as a bad copy or disk leaves it."""
    laboratory.settle(path, HEALTHY)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + Random(SEED).randbytes(len(whole) - len(whole) // 2))


def lost_from(fleet: Fleet, folder: Path, state: Path, scratch: Path) -> list[str]:
    """The families that can be had neither in place nor from a copy in the state folder, by letting SQLite recover.

    Judged on copies made in scratch, so that what is judged stays as it was.
    """
    here = scratch / "here"
    shutil.copytree(folder, here)
    found = [f"{name}: bytes gone" for name in fleet.untouchable if not _bytes_survive(fleet, name, folder, state)]
    for writer in fleet.writers:
        in_place = writer.judge(here)
        if in_place.damaged and all(kept.damaged for kept in _kept_copies(writer, state, scratch)):
            found.append(f"{writer.name}: {in_place}")
    return found


def _bytes_survive(fleet: Fleet, name: str, folder: Path, state: Path) -> bool:
    wanted = (fleet.folder / name).read_bytes()
    return any(path.is_file() and path.read_bytes() == wanted for path in (*folder.rglob(name), *state.rglob(name)))


def _kept_copies(writer: Writer, state: Path, scratch: Path) -> list[Judgement]:
    judged = []
    for number, kept in enumerate(sorted(state.rglob(writer.name))):
        target = scratch / f"{writer.name}-{number}"
        target.mkdir()
        for path in (kept, *sidecars_of(kept)):
            shutil.copyfile(path, target / path.name)
        judged.append(writer.judge(target))
    return judged
