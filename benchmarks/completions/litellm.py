"""LiteLLM as a peer: in an environment of its own, because it pins another version of the SDK than ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.fleets import ROOT
from benchmarks.measure import PEERS, run
from tests.openai_server import OpenAIProcess

REQUIREMENT = "litellm[proxy]==1.106.2"
"""With [proxy], because without it the first hit of its cache fails: it needs fastapi, then orjson."""
_FOLDER = ROOT / "build" / "litellm"
_PATIENCE = 900


def hit_seconds(bench: Bench) -> float | None:
    """The median of a hit of its local cache; None where it is not installed and pip cannot get it."""
    python = _python()
    if python is None:
        return None
    with OpenAIProcess() as server:
        done = run([str(python), str(PEERS / "litellm_hit.py"), server.base_url], state=bench.state)
        calls = server.counts()["requests"]
    if calls != 1:
        raise RuntimeError(f"LiteLLM made {calls} requests instead of one: these were no hits")
    return float(done.output.splitlines()[-1])


def _python() -> Path | None:
    """The Python of its environment, made when there is none of this version yet."""
    python = _FOLDER / "bin" / "python"
    made = _FOLDER / f"made-of-{REQUIREMENT}"
    if made.exists():
        return python
    print(f"making {_FOLDER.relative_to(ROOT)} with {REQUIREMENT} ...", file=sys.stderr)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-qq", "install", REQUIREMENT]
    for command in ([sys.executable, "-m", "venv", "--clear", str(_FOLDER)], pip):
        try:
            subprocess.run(command, check=True, timeout=_PATIENCE)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"LiteLLM is not installed: {error}", file=sys.stderr)
            return None
    made.touch()
    return python
