"""What starting costs: --help answers from a bare Python and loads nothing it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import ROOT, SCRIPTS

TOO_DEAR = {
    *("telethon", "openai", "redis", "rich", "textual", "starlette", "apprise"),
    *("aiosqlite", "psutil", "asyncio", "dataclasses"),
}


def _help(script: str) -> subprocess.CompletedProcess[str]:
    # -I -S: no environment, no user folder, no site-packages, so nothing installed can help or hide.
    return subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(ROOT / script), "--help"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_works_on_a_bare_python(script: str) -> None:
    """The tools must answer on the machine where the environment is what broke."""
    asked = _help(script)

    assert (asked.returncode, asked.stdout[:6]) == (0, "usage:"), asked.stderr[-2000:]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_loads_no_dear_module(script: str) -> None:
    """A command typed a hundred times a day starts in the time of argparse."""
    trace = [line for line in _help(script).stderr.splitlines() if line.startswith("import time:")]
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in trace}

    assert "core" in loaded
    assert loaded & TOO_DEAR == set()


def test_a_disk_without_room_gets_no_bytecode(tmp_path: Path) -> None:
    """A .pyc that is cut short by a full disk would keep the tool from ever starting again."""
    for name in ("core/__init__.py", "core/errors.py", "utils/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); real = os.statvfs\n"
        "class Full: f_bavail, f_frsize = 100, 4096\n"
        "os.statvfs = lambda path: Full if sys.argv[2] == 'full' else real(path)\n"
        "import core.errors"
    )

    for state, compiled in (("full", False), ("roomy", True)):
        subprocess.run([sys.executable, "-I", "-S", "-c", script, str(tmp_path), state], check=True)
        assert bool(list((tmp_path / "core").rglob("errors*.pyc"))) is compiled
