"""What happened to the files below one folder: a record of every call that changed one, as events on nodes.

A process that is killed leaves its writes in the page cache; a machine that stops loses what was not synced. What a
disk may hold then is built from this by `tests/crash/disks.py`.
"""

import ast
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ENTRY = struct.Struct("<cHHqI")
ROOT = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call; `kind` is the letter that tests/crash/shim.c gave it."""

    kind: str
    path: str
    other: str
    offset: int
    data: bytes


def read_record(path: Path) -> Iterator[Call]:
    """The calls of a record, in the order in which they were made."""
    raw, at = path.read_bytes(), 0
    while at < len(raw):
        kind, path_bytes, other_bytes, offset, data_bytes = _ENTRY.unpack_from(raw, at)
        at += _ENTRY.size
        name, other = raw[at : at + path_bytes], raw[at + path_bytes : at + path_bytes + other_bytes]
        at += path_bytes + other_bytes
        yield Call(kind.decode(), name.decode(), other.decode(), offset, raw[at : at + data_bytes])
        at += data_bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of names: this node appears under `to`, and no longer under `gone`."""

    node: int
    to: tuple[int, str] | None
    gone: tuple[int, str] | None
    creates: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes put into a node; None cuts or extends it to the offset."""

    node: int
    offset: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Sync:
    """An fsync of a file or folder; an fdatasync is not of its times."""

    node: int
    times: bool = True


@dataclass(frozen=True, slots=True)
class SyncAll:
    """A syncfs."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The writer was told that so many commits are safe."""

    commits: int


Event = Entry | Write | Sync | SyncAll | Acknowledged


@dataclass(slots=True)
class History:
    """A recorded run as events on nodes, and what was safely on the disk before it."""

    events: list[Event] = field(default_factory=list)
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    contents: dict[int, bytes | None] = field(default_factory=lambda: {ROOT: None})
    times: dict[int, int] = field(default_factory=dict)
    """Of the files before it: the time of their last write, in nanoseconds."""

    def acknowledged(self, crash_at: int) -> int:
        """The most commits that were acknowledged before this event."""
        return max((event.commits for event in self.events[:crash_at] if isinstance(event, Acknowledged)), default=0)


class Recorder:
    """Follows the calls through a live tree of names, so that every event speaks of nodes."""

    def __init__(self, before: Path) -> None:
        self.history = History()
        self._live: dict[tuple[int, str], int] = {}  # at the end of the record
        for path in sorted(before.rglob("*")):
            key = self._key(str(path.relative_to(before)))
            self.history.names[key] = node = self._add(key, path.read_bytes() if path.is_file() else None)
            self.history.times[node] = path.stat().st_mtime_ns

    def follow(self, root: Path, calls: Iterator[Call]) -> History:
        """Add the events of these calls, which were made below the root."""
        for call in calls:
            if call.kind == "A":
                commits = ast.literal_eval(call.path)
                self.history.events.append(Acknowledged(commits))
            elif (event := self._event(call, str(root))) is not None:
                self.history.events.append(event)
        return self.history

    def left(self) -> dict[int, str]:
        """A path of each file that is there at the end."""
        return {node: self._path(key) for key, node in self._live.items() if self.history.contents[node] is not None}

    def _event(self, call: Call, root: str) -> Event | None:
        path = call.path.removeprefix(root).lstrip("/")
        match call.kind:
            case "C" | "M":
                key = self._key(path)
                return Entry(self._add(key, None if call.kind == "M" else b""), key, None, creates=True)
            case "U" | "D":
                key = self._key(path)
                return Entry(self._live.pop(key), None, key)
            case "R" | "L":
                return self._rename(path, call.other.removeprefix(root).lstrip("/"), keeps=call.kind == "L")
            case "W":
                return Write(self._node(path), call.offset, call.data)
            case "T":
                return Write(self._node(path), call.offset, None)
            case "S" | "s":
                return Sync(self._node(path), times=call.kind == "S")
            case "F":
                return SyncAll()
        return None

    def _rename(self, old: str, new: str, *, keeps: bool) -> Entry:
        source, target = self._key(old), self._key(new)
        node = self._live[source]
        if not keeps:
            del self._live[source]
        self._live[target] = node
        return Entry(node, target, None if keeps else source, creates=keeps)

    def _add(self, key: tuple[int, str], contents: bytes | None) -> int:
        node = len(self.history.contents)
        self.history.contents[node] = contents
        self._live[key] = node
        return node

    def _node(self, path: str) -> int:
        return self._live[self._key(path)] if path else ROOT

    def _path(self, key: tuple[int, str]) -> str:
        parent = next((above for above, node in self._live.items() if node == key[0]), None)
        return key[1] if parent is None else f"{self._path(parent)}/{key[1]}"

    def _key(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._node(folder), name
