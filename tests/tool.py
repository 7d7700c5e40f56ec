"""Running the programs as users do: as processes, with a state folder of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CLEANUP = str(ROOT / "cleanup_sessions.py")
MONITOR = str(ROOT / "monitor_system.py")
CORE = str(ROOT / "core")
BARE = (sys.executable, "-I", "-S")


@dataclass(frozen=True)
class Tool:
    """Both scripts with one state folder, run by a bare interpreter."""

    state: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def cleanup(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(*BARE, CLEANUP, *arguments)

    def monitor(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(*BARE, MONITOR, *arguments)

    def core(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run(*BARE, CORE, *arguments)

    def files(self, *arguments: str | Path) -> dict[str, Any]:
        """The JSON document of `cleanup_sessions.py files`."""
        done = self.cleanup("files", "--json", *arguments)
        assert done.stdout, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            env=self.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GAVAT_")}
        return {**kept, "LC_ALL": "C.UTF-8", "GAVAT_STATE": str(self.state), **self.environ}


def states(document: dict[str, Any]) -> dict[str, str]:
    """Name → state of every session of a document."""
    return {one["name"]: one["state"] for folder in document["folders"] for one in folder["sessions"]}


def codes(document: dict[str, Any]) -> dict[str, list[str]]:
    """Name → finding codes of every session of a document."""
    return {
        one["name"]: [note["code"] for note in one["findings"]]
        for folder in document["folders"]
        for one in folder["sessions"]
    }
