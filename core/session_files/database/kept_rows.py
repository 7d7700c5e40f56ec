"""The rows of a table as a salvage keeps them: where its sound pages lie, read again whenever the rows are asked for.

As Python objects the rows of a session take six to ten times the memory that they take in the file.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import NamedTuple, Self

from core.session_files.database.leaf_pages import Leaf, read_leaf
from core.session_files.database.telethon_rows import Row, Table


class KeptPage(NamedTuple):
    """A sound leaf page."""

    table: Table | None
    """None for a page without rows."""
    rowids: array[int]
    """Rising."""
    page: bytes | memoryview
    usable: int
    continued: dict[int, bytes]
    """The overflow pages of its rows."""

    @classmethod
    def of(cls, leaf: Leaf, page: bytes | memoryview, usable: int) -> Self:
        """The page that the leaf was read from."""
        # A plain dictionary: that of the leaf knows whom to ask, who may hold this page: a circle nobody would free.
        return cls(leaf.table, array("q", leaf.rowids), page, usable, dict(leaf.continued))

    def __repr__(self) -> str:
        """Numbers only: what a session holds is secret."""
        return f"KeptPage({len(self.rowids)} rows)"

    def rows(self) -> list[Row]:
        """Its rows, read again."""
        leaf = read_leaf(bytes(self.page), self.usable, self.continued.get)
        return leaf.rows if leaf is not None else []


class Rows(Collection[Row]):
    """Rows of one table: those of pages as the pages were added, then single ones."""

    def __init__(self) -> None:
        self.pages: list[KeptPage] = []
        self.single: list[Row] = []

    def __len__(self) -> int:
        return sum(len(page.rowids) for page in self.pages) + len(self.single)

    def __iter__(self) -> Iterator[Row]:
        return chain(chain.from_iterable(page.rows() for page in self.pages), self.single)

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)

    def __repr__(self) -> str:
        """Numbers only: what a session holds is secret."""
        return f"Rows({len(self)})"


class PageIndex:
    """Pages by the row ids that they hold; the range from first to last of one never meets that of another."""

    def __init__(self, pages: Iterable[KeptPage]) -> None:
        """`pages`: of one tree, each with a row at least."""
        self._pages = sorted(pages, key=_first)
        self._firsts = [_first(page) for page in self._pages]

    def add(self, page: KeptPage) -> bool:
        """Add a page unless it meets another one; whether it was added."""
        at = bisect_right(self._firsts, page.rowids[-1])
        if at and self._pages[at - 1].rowids[-1] >= page.rowids[0]:
            return False
        self._firsts.insert(at, page.rowids[0])
        self._pages.insert(at, page)
        return True

    def remove(self, page: KeptPage) -> None:
        """Remove a page that is in the index."""
        at = bisect_left(self._firsts, page.rowids[0])
        del self._firsts[at], self._pages[at]

    def holder_of(self, rowid: int) -> KeptPage | None:
        """The page with the row of that id."""
        at = bisect_right(self._firsts, rowid)
        if not at:
            return None
        page = self._pages[at - 1]
        place = bisect_left(page.rowids, rowid)
        return page if place < len(page.rowids) and page.rowids[place] == rowid else None


def _first(page: KeptPage) -> int:
    return page.rowids[0]
