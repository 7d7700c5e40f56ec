"""Being another user: the tests run as root, whose powers the tool must not lend to whoever owns a folder."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from tests.tool import Tool

NOBODY = 65534


def let_everybody_in(folder: Path) -> None:
    """Let other users reach the folder."""
    while folder != folder.parent and stat.S_IMODE(folder.stat().st_mode) & 0o005 != 0o005:
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o055)
        folder = folder.parent


def as_nobody(tool: Tool, *command: str) -> subprocess.CompletedProcess[str]:
    """A script as a process of the user nobody; its state is the tool's where that is there, else one of its own."""
    environ = tool.env() if tool.state.exists() else {**tool.env(), "GAVAT_STATE": _nobodys_state(tool)}
    return subprocess.run(
        ["/usr/bin/python3", "-I", "-S", *command],
        env=environ,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def _nobodys_state(tool: Tool) -> str:
    state = tool.state.with_name("nobodys-state")
    state.mkdir(exist_ok=True)
    os.chown(state, NOBODY, NOBODY)
    return str(state)
