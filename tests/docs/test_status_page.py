"""The program of docs/embedding.md that publishes without the controller is seen by the monitor."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from core.session_files import sample_fleet
from tests.tool import ROOT, Tool

PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
WITHIN = 30.0
CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Tests that run in a shell's background inherit it ignored."""


def test_the_status_of_the_page_is_seen_until_its_clean_end(tmp_path: Path) -> None:
    """Beside its sessions/, with the state folder of the monitor; Ctrl-C ends it."""
    section = PAGE.partition("## Status of bots without the controller\n")[2]
    program = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "sessions").mkdir(mode=0o700)
    sample_fleet.write_healthy(str(tmp_path / "sessions" / "alice"))
    tool = Tool(tmp_path / "state")
    status = tmp_path / "state" / "status"
    with subprocess.Popen(
        [sys.executable, "-c", CTRL_C + program],
        cwd=tmp_path,
        env={**tool.env(), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as bots:
        until = time.monotonic() + WITHIN
        while not list(status.glob("*.json")):
            assert time.monotonic() < until
            assert bots.poll() is None
            time.sleep(0.01)
        report = tool.monitor("report", tmp_path / "sessions").stdout
        why = tool.monitor("why", tmp_path / "sessions" / "alice").stdout
        bots.send_signal(signal.SIGINT)
        _shown, said = bots.communicate(timeout=60)

    assert "\nbots        1 bot in 1 process on 1 host: 1 alive\n" in report
    assert f"pid {bots.pid} " in report
    assert "\n  bot       alive since " in why
    assert said.strip().endswith("KeyboardInterrupt")
    assert list(status.iterdir()) == []
