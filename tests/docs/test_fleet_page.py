"""The ten lines of docs/embedding.md run a fleet."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.telegram import Account, Telegram, TelegramThread
from tests.tool import ROOT, Tool

PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
SETTINGS = {"GAVAT_API_ID": "1", "GAVAT_API_HASH": "hash", "GAVAT_STAGGER_MIN": "0", "GAVAT_STAGGER_MAX": "0"}


def add_bots(telegram: Telegram, folder: Path) -> list[Account]:
    """Two bots with a session each."""
    bots = [telegram.add_user(name) for name in ("one", "two")]
    for bot in bots:
        bot.session_file(folder / bot.first_name).chmod(0o600)
    return bots


async def talk(telegram: Telegram, bots: list[Account]) -> None:
    """Bob writes to each bot as soon as it listens, and waits for the answers."""
    bob = telegram.add_user("bob")
    for bot in bots:
        # The second one: by then it knows from where on updates are its own
        await telegram.seen("updates.getState", account=bot, count=2, within=60)
        bot.receives("hello", sender=bob)
    await telegram.until(lambda: all(len(telegram.messages(bot, bob)) == 2 for bot in bots), within=60)


def test_the_fleet_of_the_page_answers_and_ends_on_sigterm(tmp_path: Path) -> None:
    """Beside its sessions/, with the two variables of the page, and no stagger."""
    program = PAGE.partition("## A fleet in your own program\n```python\n")[2].partition("```")[0]
    sessions = tmp_path / "sessions"
    sessions.mkdir(mode=0o700)
    with TelegramThread() as server:
        bots = server.call(lambda telegram: add_bots(telegram, sessions))
        with subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**Tool(tmp_path / "state", SETTINGS).env(), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        ) as fleet:
            server.call(lambda telegram: talk(telegram, bots))
            fleet.send_signal(signal.SIGTERM)
            _shown, said = fleet.communicate(timeout=60)

    assert (fleet.returncode, said) == (0, "")
