"""Rescue of a damaged Telethon session: every row that its pages, its log and its journal still hold (pure).

Sources, in order of trust: the trees of the tables as a recovery would leave them; leaf pages that no tree leads to;
page images in the sidecars; cells without a page around them. A table whose tree is whole takes nothing from the
other three, one with a gap only rows of the ids that the gap may have held: so what was deleted stays deleted.
SQLite keeps no checksum of a page: a value that was changed into another valid one is not noticed.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from mmap import mmap
from typing import Any, NamedTuple

from core.session_files.database.finds import Finds, Source
from core.session_files.database.kept_rows import KeptPage, Rows
from core.session_files.database.leaf_pages import Cell, Leaf, OverflowPage, read_leaf
from core.session_files.database.pages import LEAF_TABLE
from core.session_files.database.raw_cells import find_cells, find_logins
from core.session_files.database.remains import Remains
from core.session_files.database.telethon_rows import (
    Entity,
    Login,
    SentFile,
    Table,
    UpdateState,
)
from core.session_files.database.tree_walk import (
    EVERYWHERE,
    Schema,
    TreeRows,
    pages_of_others,
    read_schema,
    read_tree,
)

_NAMES = frozenset(table.value for table in Table)


class TableAccount(NamedTuple):
    """How a table was brought together."""

    whole: bool
    """Its tree could be read to the last page; nothing is missing."""
    rows: dict[Source, int]


class Rescued(NamedTuple):
    """What could be read of a damaged session."""

    version: int | None
    logins: tuple[Login, ...]
    """The first is the one to use: most trusted, and with a key where any has one."""
    entities: Collection[Entity]
    """Read from their pages whenever they are gone through."""
    sent_files: Collection[SentFile]
    update_state: Collection[UpdateState]
    page_size: int
    pages: int
    """Pages of which at least a part was there."""
    damaged_pages: tuple[int, ...]
    """Their numbers, so far as the trees tell; also pages that are named but not there."""
    account: dict[Table, TableAccount]

    @property
    def not_found(self) -> tuple[Table, ...]:
        """The tables of which there is no row though there may have been some."""
        return tuple(table for table, one in self.account.items() if not one.whole and not any(one.rows.values()))

    def __repr__(self) -> str:
        """Numbers only: what a session holds is secret."""
        return (
            f"Rescued(version={self.version}, logins={len(self.logins)}, entities={len(self.entities)}, "
            f"sent_files={len(self.sent_files)}, update_state={len(self.update_state)}, "
            f"pages={self.pages}, damaged={len(self.damaged_pages)})"
        )


def salvage(main: bytes | memoryview | mmap, journal: bytes | None = None, wal: bytes | None = None) -> Rescued:
    """Every row that can still be read of a session's database file, its journal and its log.

    Raises nothing for any bytes; time and memory grow with the size of the files and with nothing else. What it gives
    holds the bytes of the file, or a copy where they are not its own.
    """
    with _without_collector():
        remains = Remains(memoryview(main if isinstance(main, bytes) else bytes(main)), journal or b"", wal or b"")
        schema = read_schema(remains)
        trees = {table: _read_table(remains, schema, table) for table in Table}
        search = _Search(remains, schema, trees)
        search.run()
        return _rescued(remains, schema, trees, search.finds)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A million rows and not one circle among them: looking for circles would take a quarter of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read_table(remains: Remains, schema: Schema, table: Table) -> TreeRows:
    root = next((item.root for item in schema.tables if item.kind == "table" and item.name == table.value), 0)
    # No session is without one of its tables, unless it is very old; then nothing will be found of it.
    return read_tree(remains, root, table) if root else TreeRows(Rows(), EVERYWHERE, set(), set())


class _Search:
    """Fills the gaps of all tables, the most trusted source first."""

    def __init__(self, remains: Remains, schema: Schema, trees: Mapping[Table, TreeRows]) -> None:
        self._remains = remains
        self._usable = remains.usable
        self._used = set[int]().union(*(tree.used for tree in trees.values()))
        self._free, all_free_known = remains.free_pages()
        others = pages_of_others(remains, (item for item in schema.tables if item.name not in _NAMES))
        self._left = [number for number in remains.numbers if number not in self._used and number not in others]
        self._leaves: dict[int, KeptPage | None] = {}
        cut_off = self._tables_cut_off() if all_free_known else set()
        self.finds = {
            table: Finds(table, tree, EVERYWHERE if table in cut_off else tree.gaps) for table, tree in trees.items()
        }

    def _tables_cut_off(self) -> set[Table | None]:
        """Tables with rows on a page that is neither free nor in a tree: theirs has lost it without leaving a gap."""
        leaves = (self._leaf_of(number) for number in self._left if number not in self._free)
        return {leaf.table for leaf in leaves if leaf is not None}

    def _leaf_of(self, number: int) -> KeptPage | None:
        """The page of that number where it is a sound leaf; read once, however often it is asked for."""
        if number not in self._leaves:
            page = self._remains.page(number)
            leaf = self._read_leaf(page, self._overflow) if page else None
            self._leaves[number] = leaf and KeptPage.of(leaf, self._remains.view(number), self._usable)
        return self._leaves[number]

    def _read_leaf(self, page: bytes, overflow: OverflowPage) -> Leaf | None:
        return read_leaf(page, self._usable, overflow) if page[0] == LEAF_TABLE else None

    def run(self) -> None:
        """Everything, in order of trust."""
        if not any(find.gaps for find in self.finds.values()):
            return
        kept = [number for number in self._left if number not in self._free]
        freed = [number for number in self._left if number in self._free]
        unread = [self._take_leaves(numbers) for numbers in (kept, freed)]
        self._take_old_images()
        for numbers in unread:
            self._take_cells(cell for number in numbers for cell in self._cells_of(number))
        self._take_last_logins({number for numbers in unread for number in numbers})
        self.finds[Table.SESSIONS].settle_keyless()

    def _take_leaves(self, numbers: Iterable[int]) -> list[int]:
        """Take the rows of those pages that are sound leaves; the others are handed back."""
        unread = []
        for number in numbers:
            leaf = self._leaf_of(number)
            if leaf is None:
                unread.append(number)
            else:
                self._take_leaf(leaf, Source.ORPHAN)
        self._settle(Source.ORPHAN)
        return unread

    def _take_old_images(self) -> None:
        for old in self._remains.old_images():
            for image in old.images:
                leaf = self._read_leaf(image, old.overflow)
                if leaf is not None:
                    self._take_leaf(KeptPage.of(leaf, image, self._usable), Source.SIDECAR)
            self._settle(Source.SIDECAR)

    def _take_leaf(self, leaf: KeptPage, source: Source) -> None:
        if leaf.table is not None:
            self.finds[leaf.table].take_page(leaf, source)

    def _take_cells(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            self.finds[cell.table].take(cell.rowid, cell.row, Source.RAW)
        self._settle(Source.RAW)

    def _take_last_logins(self, looked_at: set[int]) -> None:
        """Where still no key was found: anywhere at all, also in the unused space of sound pages."""
        logins = self.finds[Table.SESSIONS]
        if logins.gaps and not any(isinstance(row, Login) and row.auth_key for row in logins.rows):
            pages = (self._remains.fragment(number) for number in self._remains.numbers if number not in looked_at)
            images = (image for old in self._remains.old_images() for image in old.images)
            for page in chain(pages, images):
                self._take_cells(find_logins(page, self._usable, self._overflow))

    def _cells_of(self, number: int) -> list[Cell]:
        return find_cells(self._remains.fragment(number), self._usable, self._overflow)

    def _overflow(self, number: int) -> bytes | None:
        """A page that a row outside the trees may continue on."""
        return None if number in self._used or number in self._free else self._remains.page(number)

    def _settle(self, source: Source) -> None:
        for find in self.finds.values():
            find.settle(source)


def _rescued(
    remains: Remains, schema: Schema, trees: Mapping[Table, TreeRows], finds: Mapping[Table, Finds]
) -> Rescued:
    damaged = {*schema.damaged, *remains.cut_pages()}.union(*(tree.damaged for tree in trees.values()))
    rows: dict[Table, Any] = {table: find.rows for table, find in finds.items()}
    return Rescued(
        next((one.version for one in rows[Table.VERSION]), None),
        tuple(rows[Table.SESSIONS]),
        rows[Table.ENTITIES],
        rows[Table.SENT_FILES],
        rows[Table.UPDATE_STATE],
        remains.page_size,
        len(remains.numbers),
        tuple(sorted(damaged)),
        {table: TableAccount(not find.gaps, find.counts) for table, find in finds.items()},
    )
