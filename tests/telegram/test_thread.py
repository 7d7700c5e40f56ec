"""The server in a thread, for clients in other processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.killing import REPOSITORY, plain_environment
from tests.telegram import TelegramThread

CLIENT = """
import asyncio, sys
from pathlib import Path
from tests.telegram.clients import connected

async def main():
    async with connected(Path(sys.argv[1])) as client:
        await client.send_message("me", "from another process")
        if sys.argv[2] == "stay":
            await asyncio.sleep(600)

asyncio.run(main())
"""


def start_client(path: Path, manner: str) -> "subprocess.Popen[bytes]":
    environment = {**plain_environment(), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, "-c", CLIENT, path, manner], cwd=REPOSITORY, env=environment)


def test_a_client_in_another_process_is_served(sessions: Path) -> None:
    with TelegramThread() as server:
        alice = server.call(lambda telegram: telegram.add_user("alice"))
        path = server.call(lambda _: alice.session_file(sessions / "alice"))

        with start_client(path, "leave") as process:
            assert process.wait(30) == 0
        messages = server.call(lambda telegram: telegram.messages(alice))

    assert [message.text for message in messages] == ["from another process"]


def test_a_client_that_is_killed_is_gone(sessions: Path) -> None:
    with TelegramThread() as server:
        alice = server.call(lambda telegram: telegram.add_user("alice"))
        path = server.call(lambda _: alice.session_file(sessions / "alice"))

        with start_client(path, "stay") as process:
            server.call(lambda telegram: telegram.until(lambda: bool(telegram.messages(alice))))
            assert server.call(lambda telegram: telegram.live(alice)) == 1
            process.kill()
        server.call(lambda telegram: telegram.until(lambda: telegram.live(alice) == 0))


def test_what_fails_in_the_thread_is_raised_here() -> None:
    with TelegramThread() as server:
        with pytest.raises(TimeoutError, match=r"0 of 1 × ping"):
            server.call(lambda telegram: telegram.seen("ping", within=0.01))
        assert server.port > 0
