"""What git says the repository holds; shared by the tests that keep the house in order."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("cleanup_sessions.py", "monitor_system.py", "core/__main__.py")


@cache
def repository_files() -> tuple[str, ...]:
    """Paths, relative to the root, of every file that is tracked or would be added by ``git add``."""
    # "safe.directory": a checkout made by another user (a container, a mounted folder) is still ours to read.
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file()))


def source_modules() -> tuple[str, ...]:
    """The Python files that users run: the rooms and the two scripts."""
    rooms = ("core/", "gpt/", "utils/")
    modules = [name for name in repository_files() if name.endswith(".py")]
    return tuple(name for name in modules if name in SCRIPTS or name.startswith(rooms))
