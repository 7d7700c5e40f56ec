"""What is told to a service manager, and what happens when it cannot be."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from utils.sd_notify import ServiceManager


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.setblocking(False)
        yield ear


def told(ear: socket.socket) -> list[str]:
    heard = []
    while True:
        try:
            heard.append(ear.recv(4096).decode())
        except BlockingIOError:
            return heard


def test_each_word_is_one_datagram(ear: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": ear.getsockname()})
    manager.ready()
    manager.alive()
    manager.reloading()
    manager.stopping()

    ready, alive, reloading, stopping = told(ear)
    assert (ready, alive, stopping) == ("READY=1", "WATCHDOG=1", "STOPPING=1")
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")


def test_a_status_is_told_when_it_differs_and_forges_no_other_word(ear: socket.socket) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": ear.getsockname()})
    for text in ("1 of 1 running", "1 of 1 running", "x\nREADY=1"):
        manager.status(text)

    assert told(ear) == ["STATUS=1 of 1 running", "STATUS=x\\nREADY=1"]


def test_a_full_socket_never_blocks_and_is_told_once(ear: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    """What was not taken is tried again with the next look; what was, is not repeated."""
    manager = ServiceManager({"NOTIFY_SOCKET": ear.getsockname()})
    with caplog.at_level(logging.WARNING):
        for _ in range(5000):
            manager.alive()
        manager.status("1 of 1 running")
        taken = told(ear)
        manager.status("1 of 1 running")

    assert 0 < len(taken) < 5000
    assert [record.getMessage()[:37] for record in caplog.records] == ["the service manager cannot be told: R"]
    assert told(ear) == ["STATUS=1 of 1 running"]


@pytest.mark.parametrize("given", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_socket_nothing_is_told(given: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager({**given, "WATCHDOG_USEC": "1000000"})
    manager.ready()
    manager.status("x")

    assert (manager.watchdog_seconds, caplog.records) == (None, [])


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_waits_for_the_process_that_it_names(given: dict[str, str], seconds: float | None) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/run/notify", **given}).watchdog_seconds == seconds
