"""A bench: one folder that holds all that a run of the tool touches."""

from dataclasses import dataclass
from pathlib import Path

from tests.crash.families import Fleet
from tests.crash.laboratory import Laboratory
from tests.crash.remedies import Remedy, sidecars_of
from tests.killing import Job, Manner, Outcome, Running


@dataclass(frozen=True)
class Bench:
    """The fleet and the tool's state below one root, in which every changing call counts."""

    laboratory: Laboratory
    root: Path

    @property
    def folder(self) -> Path:
        """The sessions."""
        return self.root / "fleet"

    @property
    def state(self) -> Path:
        """The tool's own files."""
        return self.root / "state"

    def run(self, *, kill_at: int = 0) -> Outcome:
        """One run of the tool, or some of it."""
        return self.start(kill_at=kill_at).wait()

    def undo(self, *, kill_at: int = 0) -> Outcome:
        """Take the tool's first run back, or some of it."""
        return self.start(undo=True, kill_at=kill_at).wait()

    def start(
        self, *, undo: bool = False, kill_at: int = 0, manner: Manner = Manner.KILL, record_to: Path | None = None
    ) -> Running:
        """Start a run, or the undo of the first one."""
        return self.laboratory.parent.start(
            Job(
                target="tests.crash.remedies:undo" if undo else Remedy.TOOL,
                args=(self.state, self.first_run()) if undo else (self.folder, self.state),
                watched=self.root,
                kill_at=kill_at,
                manner=manner,
                record_to=record_to,
                output=self.root.with_name(self.root.name + ".log"),
            )
        )

    def first_run(self) -> str:
        """The oldest run that left copies."""
        return min(copy.name for copy in self.state.glob("copies/*/[0-9]*"))

    def bytes(self) -> dict[str, bytes]:
        """All that is in the folder, but for the tool's own lock files."""
        files = [path for path in self.folder.iterdir() if path.is_file() and path.suffix != ".lock"]
        return {path.name: path.read_bytes() for path in files}


def set_up(laboratory: Laboratory, fleet: Fleet) -> Bench:
    """A bench with its own copy of the fleet."""
    bench = Bench(laboratory, laboratory.folder("bench"))
    fleet.copy(bench.folder)
    return bench


def unmended(fleet: Fleet, bench: Bench) -> list[str]:
    """The writers' families that a finished run should have mended and did not."""
    left = {writer: sidecars_of(bench.folder / writer.name) for writer in fleet.writers}
    judged = {writer: writer.judge(bench.folder) for writer in fleet.writers}
    return [f"{writer.name}: {found}" for writer, found in judged.items() if found.damaged or left[writer]]


def differing(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Names of files that were added, removed or changed."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
