"""docs/client.md tells the truth: its tables are the code's, its program runs a bot."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from core.gavat_client import ClientSettings, FailureKind, HealthState
from tests.telegram import TelegramThread
from tests.tool import ROOT, Tool

PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    """The words of a table's first column, several in one cell included."""
    table = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def test_every_failure_and_every_state_is_in_its_table() -> None:
    """In the order of the code, each with what to do."""
    assert first_column("Starting") == [kind.value for kind in FailureKind]
    assert sorted(first_column("How it is")) == sorted(state.value for state in HealthState)


def test_every_setting_is_in_its_table() -> None:
    """In the order of the code."""
    assert first_column("Settings") == list(ClientSettings._fields)


def test_the_program_of_the_page_answers_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Beside its sessions/, with the two variables of the page."""
    program = PAGE.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "sessions").mkdir(mode=0o700)
    with TelegramThread() as server:
        alice = server.call(lambda telegram: telegram.add_user("alice"))
        bob = server.call(lambda telegram: telegram.add_user("bob"))
        server.call(lambda _telegram: alice.session_file(tmp_path / "sessions" / "alice")).chmod(0o600)
        environ = Tool(tmp_path / "state", {"GAVAT_API_ID": "1", "GAVAT_API_HASH": "hash"}).env()
        bot = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        with bot:
            # The second one: by then it knows from where on updates are its own
            server.call(lambda telegram: telegram.seen("updates.getState", account=alice, count=2, within=60))
            server.call(lambda _telegram: alice.receives("hello", sender=bob))
            server.call(lambda telegram: telegram.until(lambda: len(telegram.messages(alice, bob)) == 2, within=60))
            bot.send_signal(signal.SIGTERM)
            _shown, said = bot.communicate(timeout=60)
        texts = server.call(lambda telegram: [message.text for message in telegram.messages(alice, bob)])

    assert texts == ["hello", "you said hello"]
    assert (bot.returncode, said) == (0, "")
