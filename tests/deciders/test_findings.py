"""The list of findings and the code that finds them say the same."""

from __future__ import annotations

import re

import pytest

from core.findings import FINDINGS, Finding, find_finding
from tests.house.repository import ROOT, source_modules

LIST = "core/findings/"
A_CODE = re.compile(r"""["'](GV\d{3})["']""")


def codes_in(*modules: str) -> set[str]:
    """Every finding code that these modules name in quotes."""
    return {code for name in modules for code in A_CODE.findall((ROOT / name).read_text(encoding="utf-8"))}


def test_every_code_that_is_used_is_in_the_list() -> None:
    """`explain` knows what a report says."""
    used = codes_in(*[name for name in source_modules() if not name.startswith(LIST)])

    assert used
    assert used - FINDINGS.keys() == set()


def test_every_finding_in_the_list_is_found_by_something() -> None:
    """What can no longer be found is taken out of the list, or its absence was a mistake."""
    used = codes_in(*[name for name in source_modules() if not name.startswith(LIST)])

    assert FINDINGS.keys() - used == set()


def test_codes_are_unique_and_in_order() -> None:
    """A code is never given twice; the list reads upwards."""
    lists = [name for name in source_modules() if name.startswith(LIST)]
    written = [code for name in lists for code in A_CODE.findall((ROOT / name).read_text(encoding="utf-8"))]

    assert sorted(written) == sorted(set(written)) == list(FINDINGS)


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_each_finding_is_told_in_sentences(finding: Finding) -> None:
    """Meaning, danger and remedy end with a full stop; the title is a name, not a sentence."""
    for text in (finding.meaning, finding.danger, finding.remedy):
        assert text.endswith("."), text
        assert text[0].isupper(), text
        assert "  " not in text, text
    assert not finding.title.endswith(".")
    assert finding.title


@pytest.mark.parametrize("written", ["GV102", "gv102", " Gv102\n"])
def test_a_code_is_found_however_it_is_written(written: str) -> None:
    """Copied from a line or typed by hand."""
    assert find_finding(written) is FINDINGS["GV102"]


@pytest.mark.parametrize("written", ["", "102", "GV999", "GV102x"])
def test_what_is_no_code_finds_nothing(written: str) -> None:
    """No guessing."""
    assert find_finding(written) is None


def test_commands_in_remedies_exist() -> None:
    """A remedy that names one of the scripts names a command of it."""
    from core.commands.programs import PROGRAMS

    for finding in FINDINGS.values():
        for script, word in re.findall(r"(\w+\.py|python -m core) ([a-z]+)\b", finding.remedy):
            assert word in {one.script: one.commands for one in PROGRAMS}[script], finding.code
