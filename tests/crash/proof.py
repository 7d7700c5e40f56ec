"""Tables of what was measured: shown at the end of the test run, and in full scale kept in docs/proof.md."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.killing import REPOSITORY

FULL = os.environ.get("GAVAT_TEST_SCALE") == "full"
PROOF = REPOSITORY / "docs" / "proof.md"
_TITLE = "# Proof\n\nMeasured by `make proof`; each section is rewritten by the test that measures it.\n"


def render_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, padded so that it reads in a terminal too."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def write_proof(section: str, text: str, *, path: Path = PROOF) -> None:
    """Put the section into the page, replacing what it said before; other sections stay as they are."""
    page = path.read_text() if path.exists() else _TITLE
    block = f"## {section}\n\n{text.strip()}\n"
    known = re.compile(rf"^## {re.escape(section)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    page = known.sub(lambda _: block + "\n", page) if known.search(page) else f"{page.rstrip()}\n\n{block}"
    path.parent.mkdir(exist_ok=True)
    path.write_text(page.rstrip() + "\n")
