"""The laboratory that all crash tests share."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.laboratory import Laboratory
from tests.crash.proof import FULL
from tests.killing import REPOSITORY, WarmParent, build_shim

WARM = ("telethon.sessions", "tests.crash.victims", "tests.crash.remedies")


def _tool_modules() -> tuple[str, ...]:
    """All of the tool, with what it imports only when needed: a forked child then starts in milliseconds."""
    rooms = (REPOSITORY / "core" / room for room in ("commands", "session_files"))
    files = (path for room in rooms for path in sorted(room.rglob("[a-z]*.py")))
    return tuple(".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in files)


@pytest.fixture(scope="session")
def laboratory() -> Iterator[Laboratory]:
    """The warmed parent with the shim preloaded, on tmpfs where there is one."""
    memory = Path("/dev/shm")
    scratch = Path(tempfile.mkdtemp(prefix="gavat-crash-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        shim = build_shim(scratch)
        if shim is None:
            pytest.skip("no C compiler is here, and the shim is written in C")
        with WarmParent(shim=shim, warm=WARM + _tool_modules()) as parent:
            yield Laboratory(parent, scratch, full=FULL)
    finally:
        shutil.rmtree(scratch)
