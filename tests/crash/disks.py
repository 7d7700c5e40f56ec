"""What a disk may hold after the power went: built from a record of every call that changed a file.

What was not synced may be lost wholly, partly (sectors of 512 bytes) and out of order. Two disks:

ORDERED  like ext4 data=ordered: creations, removals, renames and truncations reach the disk in order, all of them when
         something is synced of which more than data has to be written; data reaches it at the sync of its own file,
         before that in any order.
WEAK     every change that was not synced is there or not, whatever its neighbours; a name is durable after the fsync
         of its folder, or of the file if it was created under it.

fdatasync leaves out the time of the last write; syncfs puts all that came before it on either disk.
Not modelled: disks that lie about fsync, and decay of bytes that nobody wrote.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from random import Random

from tests.crash.power_loss import ROOT, Entry, Event, History, Sync, SyncAll, Write

SECTOR = 512


class Disk(StrEnum):
    """Which promises the disk keeps."""

    ORDERED = "ordered"
    WEAK = "weak"


class Written(StrEnum):
    """Which time of its last write a file bears; by that a session is known again."""

    BEFORE = "as before the record"
    LAST = "as the whole record left it"
    OTHER = "another one"


@dataclass(frozen=True, slots=True)
class Found:
    """What stands under a name after the power went; a folder has no contents."""

    node: int
    contents: bytes | None
    written: Written


def disk_after(history: History, crash_at: int, disk: Disk, random: Random) -> dict[str, Found]:
    """What the disk may hold, by paths below the root, when the power goes before event `crash_at`."""
    past = history.events[:crash_at]
    keeps = _kept_ordered(history, past, random) if disk is Disk.ORDERED else _kept_weak(past, random)
    names, contents = dict(history.names), {node: bytearray(data or b"") for node, data in history.contents.items()}
    torn = random.random() < 0.5
    for number, event in enumerate(past):
        if isinstance(event, Entry) and keeps[number]:
            _rebind(names, event)
        elif isinstance(event, Write):
            _write(contents[event.node], event, keeps[number], random if torn else None)
    return {
        path: Found(node, None if folder else bytes(contents[node]), _written(history, node, crash_at, disk, random))
        for path, node, folder in _reachable(history, names)
    }


def files_after(history: History, crash_at: int, disk: Disk, random: Random) -> dict[str, bytes]:
    """The contents of the files alone."""
    found = disk_after(history, crash_at, disk, random)
    return {path: one.contents for path, one in found.items() if one.contents is not None}


# For each event: True it is on the disk, False it is not, None it may be there in part.
Kept = Mapping[int, bool | None]


def _syncs(past: list[Event], *, times: bool = False) -> dict[int, int]:
    """The last sync of each node; with `times`, the last one that was of its times too."""
    syncs: dict[int, int] = {}
    for number, event in enumerate(past):
        if isinstance(event, SyncAll):
            nodes = {one.node for one in past[:number] if isinstance(one, Entry | Write)}
            folders = {end[0] for one in past[:number] if isinstance(one, Entry) for end in (one.to, one.gone) if end}
            syncs.update(dict.fromkeys(nodes | folders, number))
        elif isinstance(event, Sync) and (event.times or not times):
            syncs[event.node] = number
    return syncs


def _journalled(history: History, past: list[Event]) -> int:
    """The last event at which the file system's journal reached the disk: a sync of more than data."""
    sizes = {node: len(data or b"") for node, data in history.contents.items()}
    grown: set[int] = set()  # created, renamed, cut or longer since then: even fdatasync has to write that
    touched: set[int] = set()
    last = -1
    for number, event in enumerate(past):
        match event:
            case Entry():
                grown |= {event.node, *(end[0] for end in (event.to, event.gone) if end)}
            case Write():
                end = event.offset + len(event.data or b"")
                if event.data is None or end > sizes[event.node]:
                    grown.add(event.node)
                    sizes[event.node] = end
                touched.add(event.node)
            case Sync() if event.node in grown or (event.times and event.node in touched):
                last, grown, touched = number, set(), set()
            case SyncAll():
                last, grown, touched = number, set(), set()
    return last


def _written(history: History, node: int, crash_at: int, disk: Disk, random: Random) -> Written:
    writes = [number for number, one in enumerate(history.events) if isinstance(one, Write) and one.node == node]
    if not any(number < crash_at for number in writes):
        return Written.BEFORE
    if writes[-1] >= crash_at:
        return random.choice([Written.BEFORE, Written.OTHER])
    past = history.events[:crash_at]
    synced = _journalled(history, past) if disk is Disk.ORDERED else _syncs(past, times=True).get(node, -1)
    return Written.LAST if writes[-1] < synced else random.choice(list(Written))


def _kept_ordered(history: History, past: list[Event], random: Random) -> Kept:
    syncs, journalled = _syncs(past), _journalled(history, past)
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


def _reachable(history: History, names: Mapping[tuple[int, str], int]) -> Iterator[tuple[str, int, bool]]:
    """Path and node of all that is reached from the root by names that are on the disk, and whether it is a folder."""
    pending = [(ROOT, "")]
    while pending:
        folder, prefix = pending.pop()
        for (parent, name), node in names.items():
            if parent != folder:
                continue
            is_folder = history.contents[node] is None
            yield prefix + name, node, is_folder
            if is_folder:
                pending.append((node, f"{prefix}{name}/"))
