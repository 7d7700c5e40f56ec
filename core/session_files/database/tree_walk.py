"""The b-tree of a table, walked past damage: what cannot be read is noted with the row ids it may have held."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from core.session_files.database.file_format import HEADER_SIZE
from core.session_files.database.kept_rows import KeptPage, Rows
from core.session_files.database.leaf_pages import Leaf, read_leaf, sound_cells
from core.session_files.database.pages import (
    INTERIOR_INDEX,
    INTERIOR_TABLE,
    LEAF_INDEX,
    LEAF_TABLE,
    PageUnreadable,
    SchemaTable,
    cell_offsets,
    decode_record,
    read_varint,
    schema_row,
    signed,
    size_on_leaf,
)
from core.session_files.database.remains import Remains
from core.session_files.database.telethon_rows import Table

_DEEPEST_TREE = 20
_LEAST, _GREATEST = -(1 << 63) - 1, (1 << 63) - 1


class Branch(NamedTuple):
    """A page of a tree and the row ids that it and what is under it may hold: above `low`, up to `high`."""

    number: int
    low: int = _LEAST
    high: int = _GREATEST
    depth: int = 0
    parent: int = 0
    """The page that names it."""


class Schema(NamedTuple):
    """What is left of `sqlite_schema`."""

    tables: tuple[SchemaTable, ...]
    damaged: set[int]
    """Pages of it that cannot be read in full."""


class Gaps:
    """The row ids that a table may have held on pages that cannot be read."""

    def __init__(self, branches: Iterable[Branch]) -> None:
        merged = sorted({(branch.low, branch.high) for branch in branches})
        self._lows = [low for low, _high in merged]
        self._highs: list[int] = []
        for _low, high in merged:  # ranges may lie in one another: each reaches as far as the farthest before it
            self._highs.append(max(high, self._highs[-1] if self._highs else _LEAST))

    def __bool__(self) -> bool:
        return bool(self._lows)

    def __contains__(self, rowid: int) -> bool:
        before = bisect_left(self._lows, rowid)
        return before > 0 and rowid <= self._highs[before - 1]

    def cover(self, first: int, last: int) -> bool:
        """Whether every row id from `first` to `last` is in one of them."""
        before = bisect_left(self._lows, first)
        return before > 0 and last <= self._highs[before - 1]


class TreeRows(NamedTuple):
    """The rows of one table that its tree still leads to."""

    rows: Rows
    gaps: Gaps
    used: set[int]
    """Its leaf pages that are sound."""
    damaged: set[int]


EVERYWHERE = Gaps([Branch(0)])


def walk(remains: Remains, root: int, lost: list[Branch]) -> Iterator[tuple[Branch, bytes, int]]:
    """Each leaf page under `root`, left to right, and where on it the b-tree page begins; the unreadable go to `lost`.

    A page that its parent names wrongly may be met instead of the right one; who reads the leaf must ask whether its
    rows are those of the branch.
    """
    stack = [Branch(root)]
    seen: set[int] = set()
    while stack:
        branch = stack.pop()
        page = remains.page(branch.number)
        start = HEADER_SIZE if branch.number == 1 else 0
        if page is None or branch.number in seen or branch.depth > _DEEPEST_TREE:
            lost.append(branch)
            continue
        seen.add(branch.number)
        if page[start] == LEAF_TABLE:
            yield branch, page, start
        elif page[start] == INTERIOR_TABLE and (children := _children(branch, page, start, remains.usable)):
            stack += reversed(children)
        else:
            lost.append(branch)


def _children(branch: Branch, page: bytes, start: int, usable: int) -> list[Branch]:
    """Nothing when the page contradicts itself or its parent."""
    children: list[Branch] = []
    low, depth = branch.low, branch.depth + 1
    try:
        for cell in cell_offsets(branch.number, page, start, usable):
            key, _end = read_varint(page, cell + 4)
            high = signed(key)
            if not low < high <= branch.high:
                return []
            children.append(Branch(int.from_bytes(page[cell : cell + 4], "big"), low, high, depth, branch.number))
            low = high
    except (PageUnreadable, IndexError):
        return []
    if not children and branch.number != 1:  # page 1 alone may be too small for the only child's rows
        return []
    last = int.from_bytes(page[start + 8 : start + 12], "big")
    return [*children, Branch(last, low, branch.high, depth, branch.number)]


def read_tree(remains: Remains, root: int, table: Table) -> TreeRows:
    """The rows of a Telethon table whose tree begins at page `root`."""
    rows = Rows()
    used: set[int] = set()
    lost: list[Branch] = []
    for branch, page, start in walk(remains, root, lost):
        leaf = None if start else read_leaf(page, remains.usable, remains.page)
        if leaf is not None and _belongs(leaf, branch, table):
            used.add(branch.number)
            rows.pages += [KeptPage.of(leaf, remains.view(branch.number), remains.usable)] if leaf.rows else []
        elif leaf is not None and leaf.table is table:
            lost.append(Branch(branch.number))  # it or its parent is wrong: the ranges of this tree mean nothing now
        else:
            lost.append(branch)
            found = [] if start else sound_cells(page, remains.usable, remains.page)
            rows.single += [
                cell.row for cell in found if cell.table is table and branch.low < cell.rowid <= branch.high
            ]
    return TreeRows(rows, Gaps(lost), used, _damaged(remains, lost))


def _belongs(leaf: Leaf, branch: Branch, table: Table) -> bool:
    if leaf.table is None:
        return True
    return leaf.table is table and branch.low < leaf.rowids[0] and leaf.rowids[-1] <= branch.high


def read_schema(remains: Remains) -> Schema:
    """The rows of `sqlite_schema` that can still be read."""
    tables: list[SchemaTable] = []
    lost: list[Branch] = []
    for branch, page, start in walk(remains, 1, lost):
        try:
            cells = cell_offsets(branch.number, page, start, remains.usable)
        except PageUnreadable:
            lost.append(branch)
            continue
        found = [_schema_row(page, cell, remains) for cell in cells]
        tables += filter(None, found)
        if None in found:
            lost.append(branch)
    return Schema(tuple(tables), _damaged(remains, lost))


def _damaged(remains: Remains, lost: Iterable[Branch]) -> set[int]:
    """The pages that are to blame: where a number can be no page's, that which names it."""
    return {branch.number if 1 <= branch.number <= remains.last_page else branch.parent for branch in lost} - {0}


def _schema_row(page: bytes, cell: int, remains: Remains) -> SchemaTable | None:
    try:
        size, at = read_varint(page, cell)
        _rowid, at = read_varint(page, at)
        if size_on_leaf(size, remains.usable) != size:
            return None
        return schema_row(decode_record(page[at : at + size]))
    except (IndexError, struct.error):
        return None


def pages_of_others(remains: Remains, schema: Iterable[SchemaTable]) -> set[int]:
    """The pages of these tables and indexes, as far as they can be followed."""
    found: set[int] = set()
    for item in schema:
        kinds = (INTERIOR_TABLE, LEAF_TABLE) if item.kind == "table" else (INTERIOR_INDEX, LEAF_INDEX)
        waiting = [item.root]
        while waiting:
            number = waiting.pop()
            page = None if number in found or number == 1 else remains.page(number)
            if page is None or page[0] not in kinds:
                continue
            found.add(number)
            if page[0] == kinds[0]:
                waiting += _child_numbers(number, page, remains.usable)
    return found


def _child_numbers(number: int, page: bytes, usable: int) -> list[int]:
    try:
        cells = cell_offsets(number, page, 0, usable)
    except PageUnreadable:
        return []
    children = [int.from_bytes(page[cell : cell + 4], "big") for cell in cells]
    return [*children, int.from_bytes(page[8:12], "big")]
