"""What a disk may hold after the power went: built from a record of every call that changed a file.

A process that is killed leaves its writes in the page cache; a machine that stops loses what was not fsynced, wholly,
partly (sectors of 512 bytes) and out of order. Two disks:

ORDERED  like ext4 data=ordered: creations, removals, renames and truncations reach the disk in order, all of them at
         any fsync; data reaches it at the fsync of its own file, before that in any order.
WEAK     every change that was not fsynced is there or not, whatever its neighbours; a name is durable after the fsync
         of its folder, or of the file if it was created under it.

Not modelled: disks that lie about fsync, and decay of bytes that nobody wrote.
"""

import ast
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from random import Random

SECTOR = 512
_ENTRY = struct.Struct("<cHHqI")
ROOT = 0


class Disk(StrEnum):
    """Which promises the disk keeps."""

    ORDERED = "ordered"
    WEAK = "weak"


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
    """An fsync of a file or folder."""

    node: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The writer was told that so many commits are safe."""

    commits: int


Event = Entry | Write | Sync | Acknowledged


@dataclass(slots=True)
class History:
    """A recorded run as events on nodes, and what was safely on the disk before it."""

    events: list[Event] = field(default_factory=list)
    names: dict[tuple[int, str], int] = field(default_factory=dict)
    contents: dict[int, bytes | None] = field(default_factory=lambda: {ROOT: None})

    def acknowledged(self, crash_at: int) -> int:
        """The most commits that were acknowledged before this event."""
        return max((event.commits for event in self.events[:crash_at] if isinstance(event, Acknowledged)), default=0)


class Recorder:
    """Follows the calls through a live tree of names, so that every event speaks of nodes."""

    def __init__(self, before: Path) -> None:
        self.history = History()
        self._live: dict[tuple[int, str], int] = {}
        for path in sorted(before.rglob("*")):
            key = self._key(str(path.relative_to(before)))
            self.history.names[key] = self._add(key, path.read_bytes() if path.is_file() else None)

    def follow(self, root: Path, calls: Iterator[Call]) -> History:
        """Add the events of these calls, which were made below the root."""
        for call in calls:
            if call.kind == "A":
                commits = ast.literal_eval(call.path)
                self.history.events.append(Acknowledged(commits))
            elif (event := self._event(call, str(root))) is not None:
                self.history.events.append(event)
        return self.history

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
            case "S":
                return Sync(self._node(path))
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

    def _key(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._node(folder), name


def disk_after(history: History, crash_at: int, disk: Disk, random: Random) -> dict[str, bytes]:
    """The files that the disk may hold when the power goes before event `crash_at`."""
    past = history.events[:crash_at]
    keeps = _kept_ordered(past, random) if disk is Disk.ORDERED else _kept_weak(past, random)
    names, contents = dict(history.names), {node: bytearray(data or b"") for node, data in history.contents.items()}
    torn = random.random() < 0.5
    for number, event in enumerate(past):
        if isinstance(event, Entry) and keeps[number]:
            _rebind(names, event)
        elif isinstance(event, Write):
            _write(contents[event.node], event, keeps[number], random if torn else None)
    return dict(_files(history, names, contents))


# For each event: True it is on the disk, False it is not, None it may be there in part.
Kept = Mapping[int, bool | None]


def _syncs(past: list[Event]) -> dict[int, int]:
    """The last fsync of each node."""
    return {event.node: number for number, event in enumerate(past) if isinstance(event, Sync)}


def _kept_ordered(past: list[Event], random: Random) -> Kept:
    syncs = _syncs(past)
    journalled = max(syncs.values(), default=-1)
    cut = random.randint(journalled + 1, len(past))
    likely = random.choice([0.0, 0.5, 1.0])
    kept: dict[int, bool | None] = {}
    uncut: set[int] = set()  # nodes whose truncation did not reach the disk: nor did what was written after it
    for number, event in enumerate(past):
        if isinstance(event, Entry) or (isinstance(event, Write) and event.data is None):
            kept[number] = number < cut
            if isinstance(event, Write) and number >= cut:
                uncut.add(event.node)
        elif isinstance(event, Write):
            synced = number < syncs.get(event.node, -1)
            kept[number] = synced or (_chance(random, likely) if event.node not in uncut else False)
    return kept


def _kept_weak(past: list[Event], random: Random) -> Kept:
    syncs = _syncs(past)
    likely = random.choice([0.0, 0.3, 0.7, 1.0])
    kept: dict[int, bool | None] = {}
    for number, event in enumerate(past):
        if isinstance(event, Write):
            kept[number] = number < syncs.get(event.node, -1) or _chance(random, likely)
        elif isinstance(event, Entry):
            folder = (event.to or event.gone or (ROOT, ""))[0]
            durable = number < syncs.get(folder, -1) or (event.creates and number < syncs.get(event.node, -1))
            kept[number] = durable or random.random() < likely
    return kept


def _chance(random: Random, likely: float) -> bool | None:
    """There, not there, or (a third of the uncertain) in part."""
    if likely in {0.0, 1.0}:
        return likely == 1.0
    return None if random.random() < 1 / 3 else random.random() < likely


def _rebind(names: dict[tuple[int, str], int], event: Entry) -> None:
    if event.gone is not None and names.get(event.gone) == event.node:
        del names[event.gone]
    if event.to is not None:
        names[event.to] = event.node


def _write(contents: bytearray, event: Write, kept: bool | None, tear: Random | None) -> None:
    if event.data is None:
        if kept:
            contents[event.offset :] = bytes(max(0, event.offset - len(contents)))
        return
    if kept:
        _put(contents, event.offset, event.data)
    elif kept is None and tear is not None:
        first = SECTOR - event.offset % SECTOR
        edges = [0, *range(first, len(event.data), SECTOR), len(event.data)]
        for start, end in pairwise(edges):
            if tear.random() < 0.5:
                _put(contents, event.offset + start, event.data[start:end])


def _put(contents: bytearray, offset: int, data: bytes) -> None:
    if len(contents) < offset:
        contents.extend(bytes(offset - len(contents)))
    contents[offset : offset + len(data)] = data


def _files(
    history: History, names: Mapping[tuple[int, str], int], contents: Mapping[int, bytearray]
) -> Iterator[tuple[str, bytes]]:
    """Every file that can be reached from the root by names that are on the disk."""
    pending = [(ROOT, "")]
    while pending:
        folder, prefix = pending.pop()
        for (parent, name), node in names.items():
            if parent != folder:
                continue
            if history.contents[node] is None:
                pending.append((node, f"{prefix}{name}/"))
            else:
                yield prefix + name, bytes(contents[node])
