"""The rows of one table as they come together, a source at a time, the most trusted first."""

from __future__ import annotations

from enum import Enum
from functools import cached_property

from core.session_files.database.leaf_pages import Leaf
from core.session_files.database.telethon_rows import Entity, Key, Login, Row, Table, UpdateState, key_of
from core.session_files.database.tree_walk import Gaps, TreeRows


class Source(Enum):
    """Where a row was found, most trusted first."""

    TREE = "tree"
    ORPHAN = "page outside every tree"
    SIDECAR = "page image in a sidecar"
    RAW = "cell without a page"


class Finds:
    """What its tree gives of a table, and what else fills its gaps."""

    def __init__(self, tree: TreeRows, gaps: Gaps) -> None:
        self.rows, self.gaps = tree.rows, gaps
        self.counts = {Source.TREE: len(tree.rows), Source.ORPHAN: 0, Source.SIDECAR: 0, Source.RAW: 0}
        self._taken: dict[Key, Row] = {}
        self._keyless: dict[Key, tuple[Source, Row]] = {}

    @cached_property
    def _settled(self) -> set[Key]:
        # Made when first asked for: mostly nothing is found beside the tree, and this is a large set.
        return {key_of(row) for row in self.rows}

    def take_leaf(self, leaf: Leaf, source: Source) -> None:
        """The rows of a page that fall into the gaps; a whole page of entities at once."""
        rowids = leaf.rowids
        in_a_gap = leaf.table is Table.ENTITIES and self.gaps.cover(rowids[0], rowids[-1])
        if in_a_gap and self._taken.keys().isdisjoint(rowids) and self._settled.isdisjoint(rowids):
            self._taken.update(zip(rowids, leaf.rows, strict=True))
            return
        for rowid, row in zip(rowids, leaf.rows, strict=True):
            self.take(rowid, row, source)

    def take(self, rowid: int, row: Row, source: Source) -> None:
        """The row, where it fills a gap; of two from one kind of source the one with the later date."""
        key = key_of(row)
        if rowid not in self.gaps or key in self._settled:
            return
        if isinstance(row, Login) and not row.auth_key:
            self._keyless.setdefault(key, (source, row))
            return
        other = self._taken.get(key)
        if other is None or _date(row) > _date(other):
            self._taken[key] = row

    def settle(self, source: Source) -> None:
        """All that was taken since the last time is from `source`; no less trusted row may take its place."""
        if not self._taken:
            return
        self.counts[source] += len(self._taken)
        self.rows += self._taken.values()
        self._settled.update(self._taken)  # `|=` with the keys of a dictionary would copy the whole set
        self._taken = {}

    def settle_keyless(self) -> None:
        """Logins without a key stand last: a first connection leaves them, and a real one is worth more."""
        for key, (source, row) in self._keyless.items():
            if key not in self._settled:
                self.rows.append(row)
                self.counts[source] += 1


def _date(row: Row) -> int | float:
    return row.date or 0 if isinstance(row, Entity | UpdateState) else 0
