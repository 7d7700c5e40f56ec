"""The server as a process of its own, seen from whoever measures against it: it takes no time of their interpreter."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parent.parent.parent


class OpenAIProcess:
    """`with OpenAIProcess("--latency", 0.02, "--limit", 12, "--window", 1.2) as server:`; see `__main__.py`."""

    def __init__(self, *words: object) -> None:
        self._words = [str(word) for word in words]
        self.base_url = ""

    def __enter__(self) -> Self:
        with tempfile.TemporaryDirectory() as folder:
            port_file = Path(folder) / "port"
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.openai_server", str(port_file), *self._words],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                self._read_line()
                self.base_url = f"http://127.0.0.1:{int(port_file.read_text())}/v1"
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def counts(self) -> dict[str, Any]:
        """What came since it was last asked: `requests`, `rate_limited`, `statuses` (by status), and `replied`.

        The last is a list of prompts, each with the status that it got, in the order of the replies.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("counts\n")
        self._process.stdin.flush()
        counts: dict[str, Any] = json.loads(self._read_line())
        return counts

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with {self._process.wait()}")
        return line

    def _stop(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
