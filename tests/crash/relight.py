"""Putting on a real folder what a disk holds after the power went.

A session is known again by its inode and the time of its last write, so the files that the recorded run left are used
again: each gets the name, the bytes and the time that it has on that disk.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.crash.disks import Found, Written
from tests.crash.power_loss import History

_OTHER_NS = 1_000_000_000


def relight(root: Path, left: Mapping[int, str], history: History, found: Mapping[str, Found]) -> None:
    """Make the folder what was found on the disk; `left` says under which path the run left which node."""
    attic = root.with_name(root.name + ".attic")
    attic.mkdir()
    placed = {node: (root / path).rename(attic / str(node)) for node, path in left.items()}
    times = {node: path.stat().st_mtime_ns for node, path in placed.items()}
    for path in root.iterdir():
        shutil.rmtree(path)
    for name, one in sorted(found.items()):  # a folder comes before what is in it
        path = root / name
        if one.contents is None:
            path.mkdir(mode=0o700)
            continue
        _place(path, placed, one)
        _set_time(path, one.written, history.times.get(one.node), times.get(one.node))
    shutil.rmtree(attic)


def _place(path: Path, placed: dict[int, Path], one: Found) -> None:
    assert one.contents is not None
    before = placed.get(one.node)
    if before is None:
        path.touch(mode=0o600)
    elif before.parent.name.endswith(".attic"):
        before.rename(path)
    else:
        os.link(before, path)
    placed[one.node] = path
    with path.open("r+b") as file:
        file.truncate()
        file.write(one.contents)


def _set_time(path: Path, written: Written, before: int | None, last: int | None) -> None:
    known = {Written.BEFORE: before, Written.LAST: last}.get(written)
    at = known if known is not None else path.stat().st_mtime_ns - _OTHER_NS
    os.utime(path, ns=(at, at))
