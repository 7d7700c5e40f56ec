"""The documents tell the truth: their commands run, their tables are the code's, their examples work."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from core.commands import exit_codes, finding_pages
from core.commands.programs import PROGRAMS
from core.commands.wiring import ROOMS
from core.completions import GPT_ROOM, CompletionSettings, gpt_settings
from core.monitoring.doctor import Level
from core.session_files import sample_fleet
from core.session_files.model import Verdict
from core.session_files.startable import SessionState
from core.session_files.verdicts import MOVED, PRUNED, QUARANTINED, WORST_FIRST
from core.settings import Tables, load_settings
from gpt.settings import GptSettings
from tests.tool import ROOT, Tool

README = (ROOT / "README.md").read_text(encoding="utf-8")
OLDER = (ROOT / "docs" / "older_systems.md").read_text(encoding="utf-8")
EMBEDDING = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
NOW_COLUMN = [
    line.split(" | ")[1].strip("` ") for line in OLDER.splitlines() if line.startswith("| `") or " | `" in line
]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A working directory with sessions/ in it."""
    (tmp_path / "sessions").mkdir(mode=0o700)
    sample_fleet.write_healthy(str(tmp_path / "sessions" / "alice"))
    sample_fleet.crash_in_large_transaction(str(tmp_path / "sessions" / "bob"))
    return tmp_path


@pytest.mark.parametrize("now", sorted(set(NOW_COLUMN)))
def test_every_line_of_old_to_new_works(fleet: Path, now: str) -> None:
    """Commands end well in a folder with sessions/, imports import."""
    if now.startswith("from "):
        command = [sys.executable, "-c", now]
        environ = {**Tool(fleet / "state").env(), "PYTHONPATH": str(ROOT)}
    else:
        program, script, *arguments = shlex.split(now)
        assert program == "python"
        command = [sys.executable, str(ROOT / script), *arguments]
        environ = Tool(fleet / "state").env()

    done = subprocess.run(command, cwd=fleet, env=environ, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_is_in_the_readme() -> None:
    """What the programs know, the table of commands shows, and nothing else."""
    shown = set(re.findall(r"^\| `(\w+\.py|python -m core) \[?(\w+(?: [a-z-]+)?)\]?", README, re.MULTILINE))

    assert shown == {(one.script, name) for one in PROGRAMS for name in one.commands}


def test_every_setting_is_in_the_readme_with_its_place() -> None:
    """Variable, table and key of each room's settings."""
    shown = set(re.findall(r"^\| `(GAVAT_\w+)` \| `\[(\w+)\] (\w+)`", README, re.MULTILINE))

    assert shown == {
        (one.variable, room.section, name)
        for room in ROOMS
        for name, one in room.declarations.items()
        if room.tables is Tables.ONE
    }


def test_the_sample_configuration_holds_every_setting(tmp_path: Path) -> None:
    """It can be pasted: each key is known, and each value differs from the default."""
    (tmp_path / "gavat.toml").write_text(README.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")

    filled = load_settings(ROOMS, flags={}, environ={}, config_file=str(tmp_path / "gavat.toml"))

    for room, settings in zip(ROOMS, filled, strict=True):
        given = settings if room.tables is Tables.ONE else settings["alice"]
        assert all(one != default for one, default in zip(given, room.settings(), strict=True))


def test_the_defaults_of_completions_in_the_readme_are_those_of_the_helper() -> None:
    """And the sample has none of them."""
    rows = dict(re.findall(r"^\| `GAVAT_GPT_\w+` \| `\[gpt\] (\w+)` \| ([^|]+) \|", README, re.MULTILINE))
    declared = GPT_ROOM.declarations
    shown = {name: declared[name].parse(default.strip("`")) for name, default in rows.items() if "`" in default}
    sample = tomllib.loads(README.partition("```toml\n")[2].partition("```")[0])["gpt"]

    assert gpt_settings(CompletionSettings(**shown)) == GptSettings()
    assert {default for default in rows.values() if "`" not in default} == {"none", "the preset's"}
    for name, value in sample.items():
        assert declared[name].parse(str(value)) != shown.get(name)


def test_the_parameters_of_the_older_helper_are_the_defaults() -> None:
    """Under their names; the more careful value of production is a preset."""
    older = re.findall(r"^\| `(\w+) = ([\d.]+)`( \(production\))?", OLDER, re.MULTILINE)
    presets = {"": GptSettings(), " (production)": GptSettings(preset="conservative")}

    assert len(older) == 5
    assert all(getattr(presets[where], name) == float(value) for name, value, where in older)


def test_every_state_is_in_the_table_of_embedding() -> None:
    """With what it means for whoever wants to start a bot."""
    table = dict(re.findall(r"^\| `([a-z ]+)` \|.*\| ([^|]+) \|$", EMBEDDING, re.MULTILINE))

    assert table.keys() == set(WORST_FIRST) - {
        Verdict.PRUNE.value,
        PRUNED,
        QUARANTINED,
        MOVED,
    }  # states of other chores
    assert {state for state, start in table.items() if start == "yes"} == {
        state for state in WORST_FIRST if SessionState("x", "x", state, (), "").startable
    }


def test_every_exit_code_is_in_the_readme() -> None:
    """The table lists the codes that the code knows."""
    table = README.partition("### Exit codes")[2].partition("###")[0]

    assert set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == {
        str(value) for name, value in vars(exit_codes).items() if name.isupper()
    }


def test_the_five_lines_of_embedding_work(fleet: Path) -> None:
    """The first example, run in a program beside its sessions/."""
    example = EMBEDDING.partition("```python\n")[2].partition("```")[0]

    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=fleet,
        env={**Tool(fleet / "state").env(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines()[0].split()[:2] == ["alice", "fine"]
    assert done.stdout.splitlines()[1].split()[:2] == ["bob", "mended"]


def test_every_finding_has_its_page() -> None:
    """What `make docs` writes is what lies in docs/findings; and no page of a code that is no more."""
    folder = ROOT / "docs" / "findings"

    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == finding_pages.pages()


def test_pages_of_findings_are_written_anew(tmp_path: Path) -> None:
    """Stale ones go, other files stay; codes and tags of Markdown are escaped outside of code."""
    (tmp_path / "GV999.md").touch()
    (tmp_path / "notes.md").touch()

    finding_pages.write_pages(str(tmp_path))

    assert {path.name for path in tmp_path.iterdir()} == {*finding_pages.pages(), "notes.md"}
    assert "\\*.session\\*" in (tmp_path / "GV222.md").read_text(encoding="utf-8")


def test_the_exit_codes_of_the_doctor_are_in_the_readme() -> None:
    """Each level has one."""
    told = README.partition("### Exit codes of monitor_system.py doctor")[2].partition("###")[0]

    assert re.findall(r"\b(\d) ", told)[:4] == [str(code) for code in sorted(level.exit_code for level in Level)]


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link of README and docs names a file that is there, or that a make target writes."""
    written_by_make = {"docs/proof.md", "docs/benchmarks.md"}
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            path = (document.parent / target).resolve()
            assert path.exists() or str(path.relative_to(ROOT)) in written_by_make, f"{document.name}: {target}"
