"""What a service tells its manager, as sd_notify(3) says: datagrams to NOTIFY_SOCKET; without one, nothing.

Sending never waits and never fails: a socket that is full or gone costs the message, and one log line in all.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from utils.redact import printable

logger = logging.getLogger("gavatcore.service")


class ServiceManager:
    """The way to whoever supervises this process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as the manager sets them."""
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(environ) if self._address else None
        """Within so many seconds `alive` must be called again; None where nobody waits for it."""
        self._status = ""
        self._has_failed = False

    def ready(self) -> None:
        """The service has begun to serve, or has ended its `reloading`."""
        self._send("READY=1")

    def reloading(self) -> None:
        """It reads its configuration again; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It has begun to stop."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """It is not stuck; to be called from the very loop that must not be."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """How it is, in one line for people; sent when it differs from the last one."""
        if text != self._status and self._send(f"STATUS={printable(text)}"):
            self._status = text

    def _send(self, message: str) -> bool:
        """Whether it is with the manager."""
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as way:
                way.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                self._has_failed = True
                logger.warning("the service manager cannot be told: %s", error.strerror)
            return False
        return True


def _address(given: str) -> str | None:
    """The socket's address; a leading `@` means the abstract namespace. Other families are not for local services."""
    if given.startswith("@"):
        return f"\0{given[1:]}"
    return given if given.startswith(os.sep) else None


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    interval, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not interval.isdigit() or int(interval) == 0 or pid not in ("", str(os.getpid())):
        return None
    return int(interval) / 1_000_000
