"""docs/completions.md tells the truth: its tables are the code's, its program asks."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from gpt import errors
from gpt.errors import GptError
from gpt.model import Source
from gpt.question import Options
from gpt.settings import GptSettings
from tests.killing import plain_environment
from tests.openai_server import OpenAIServer
from tests.tool import ROOT

PAGE = (ROOT / "docs" / "completions.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    """The words of a table's first column."""
    table = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


def test_every_option_and_every_setting_is_in_its_table() -> None:
    """In the order of the code."""
    assert first_column("What a question may say") == list(Options.__annotations__)
    assert first_column("Settings") == [field.name for field in fields(GptSettings)]


def test_every_kind_of_error_is_in_its_table() -> None:
    tree = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GptError)]

    assert sorted(first_column("What goes wrong")) == sorted({one.kind for one in tree} - {GptError.kind})


def test_every_source_is_named() -> None:
    assert all(f"`{source}`" in PAGE for source in Source)


def test_the_program_of_the_page_asks_and_ends(tmp_path: Path) -> None:
    """With the two variables of the page."""
    program = PAGE.partition("```python\n")[2].partition("```")[0]
    with OpenAIServer() as server:
        server.answer(text="At nine.")
        variables = {"OPENAI_API_KEY": "sk-page", "OPENAI_BASE_URL": server.base_url, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**plain_environment(), **variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert (run.returncode, run.stdout, run.stderr) == (0, "At nine. (model)\n", "")
