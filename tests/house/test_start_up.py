"""What starting costs: --help answers from a bare Python and loads nothing it does not need."""

import subprocess
import sys

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
