"""The rows of one table as they come together, a source at a time, the most trusted first."""

from __future__ import annotations

from enum import Enum
from functools import cached_property

from core.session_files.database.kept_rows import KeptPage, PageIndex
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

    def __init__(self, table: Table, tree: TreeRows, gaps: Gaps) -> None:
        self.rows, self.gaps = tree.rows, gaps
        self._table = table
        self.counts = {Source.TREE: len(tree.rows), Source.ORPHAN: 0, Source.SIDECAR: 0, Source.RAW: 0}
        self._taken: dict[Key, Row] = {}
        self._taken_pages: dict[int, KeptPage] = {}
        """By their first row id."""
        self._keyless: dict[Key, tuple[Source, Row]] = {}

    @cached_property
    def _index(self) -> PageIndex:
        """The pages whose row ids are the keys of their rows."""
        # Made when first asked for, as the next: mostly nothing is found beside the tree.
        return PageIndex(() if self._table is Table.SENT_FILES else self.rows.pages)

    @cached_property
    def _settled(self) -> set[Key]:
        """The keys of all rows but those on pages of the index."""
        return {key_of(row) for row in (self.rows if self._table is Table.SENT_FILES else self.rows.single)}

    def take_page(self, page: KeptPage, source: Source) -> None:
        """The rows of a page that fall into the gaps; a whole page of entities at once."""
        rowids = page.rowids
        in_a_gap = self._table is Table.ENTITIES and self.gaps.cover(rowids[0], rowids[-1])
        alone = in_a_gap and self._taken.keys().isdisjoint(rowids) and self._settled.isdisjoint(rowids)
        if alone and self._index.add(page):
            self._taken_pages[rowids[0]] = page
            return
        for rowid, row in zip(rowids, page.rows(), strict=True):
            self.take(rowid, row, source)

    def take(self, rowid: int, row: Row, source: Source) -> None:
        """The row, where it fills a gap; of two from one kind of source the one with the later date."""
        key = key_of(row)
        if rowid not in self.gaps or key in self._settled or self._is_on_settled_page(key):
            return
        if isinstance(row, Login) and not row.auth_key:
            self._keyless.setdefault(key, (source, row))
            return
        other = self._taken.get(key)
        if other is None or _date(row) > _date(other):
            self._taken[key] = row

    def _is_on_settled_page(self, key: Key) -> bool:
        """Whether a page of a more trusted source has the row; one of the same source gives its rows up to `_taken`."""
        page = self._index.holder_of(key) if isinstance(key, int) else None
        if page is not None and self._taken_pages.get(page.rowids[0]) is page:
            self._index.remove(page)
            del self._taken_pages[page.rowids[0]]
            self._taken.update(zip(page.rowids, page.rows(), strict=True))
            return False
        return page is not None

    def settle(self, source: Source) -> None:
        """All that was taken since the last time is from `source`; no less trusted row may take its place."""
        if not self._taken and not self._taken_pages:
            return
        self.counts[source] += len(self._taken) + sum(len(page.rowids) for page in self._taken_pages.values())
        self.rows.pages += self._taken_pages.values()
        self.rows.single += self._taken.values()
        self._settled.update(self._taken)  # `|=` with the keys of a dictionary would copy the whole set
        self._taken, self._taken_pages = {}, {}

    def settle_keyless(self) -> None:
        """Logins without a key stand last: a first connection leaves them, and a real one is worth more."""
        for key, (source, row) in self._keyless.items():
            if key not in self._settled:
                self.rows.single.append(row)
                self.counts[source] += 1


def _date(row: Row) -> int | float:
    return row.date or 0 if isinstance(row, Entity | UpdateState) else 0
