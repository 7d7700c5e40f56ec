"""Processes that publish, as tests start and end them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.state import StateFolder
from tests.tool import ROOT, Tool


@contextmanager
def publisher(
    state: StateFolder, session: str | Path, *words: str, every: float = 0.05, url: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """A process whose one bot runs on `session`; it has published when this gives it, and it is killed at the end."""
    Path(state.status).mkdir(mode=0o700, parents=True, exist_ok=True)
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.state.publisher_process", state.path, str(every), str(session), *words],
        cwd=ROOT,
        env=Tool(Path(state.path), {"PUBLISH_TO": url}).env(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "published\n"
        try:
            yield started
        finally:
            started.kill()
