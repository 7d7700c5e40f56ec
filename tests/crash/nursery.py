"""The helper's side of tests/killing.py: what runs in the warmed parent, and in the children that it forks."""

import contextlib
import ctypes
import gc
import importlib
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.killing import Job

MESSAGE_BYTES = 1 << 17
_PR_SET_PDEATHSIG = 1
_FAILED = 70

_pipe: int | None = None
_shim: ctypes.CDLL | None = None


def acknowledge(value: object) -> None:
    """Called in the child: tell the test that something is done, past any later kill."""
    _tell("ack", value)
    if _shim is not None:
        _shim.crash_mark(repr(value).encode())


def _tell(kind: str, value: object) -> None:
    assert _pipe is not None, "acknowledge() works only in a child of a WarmParent"
    frame = pickle.dumps((kind, value))
    os.write(_pipe, struct.pack("<I", len(frame)) + frame)


@cache
def _function(target: str) -> Callable[..., object]:
    module, _, name = target.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), name)
    return found


def serve(socket_number: int, warm: tuple[str, ...], *, shim: bool) -> None:
    """Answer requests until the test closes its end; forks one child for each."""
    global _shim  # noqa: PLW0603  # one per process
    _shim = ctypes.CDLL(None) if shim else None
    for module in warm:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    requests = socket.socket(fileno=socket_number)
    with requests, selectors.DefaultSelector() as waiting:
        waiting.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.data is None and not _fork(requests, waiting):
                    return
                if key.data is not None:
                    waiting.unregister(key.fd)
                    _reap(requests, key.fd, *key.data)


def _fork(requests: socket.socket, waiting: selectors.BaseSelector) -> bool:
    message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, 1)
    if not message:
        return False
    number, job = pickle.loads(message)
    prepare = getattr(_function(job.target), "prepare", None)
    if prepare is not None:  # work that every child would repeat, done once here and inherited by the fork
        prepare(*job.args)
    pid = os.fork()
    if not pid:
        waiting.close()
        requests.close()
        _be_child(job, descriptors[0])
    os.close(descriptors[0])
    waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (number, pid))
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    requests.send(pickle.dumps(("started", number, pid)))
    return True


def _reap(requests: socket.socket, descriptor: int, number: int, pid: int) -> None:
    os.close(descriptor)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    requests.send(pickle.dumps(("ended", number, exit_code)))


def _be_child(job: "Job", pipe: int) -> None:
    global _pipe  # noqa: PLW0603  # one per process, and the process is this child
    _pipe = pipe
    exit_code = _FAILED
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.environ.update(job.environment)
        sink = os.open(job.output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        value, calls = _call(job)
        sys.stdout.flush()
        _tell("value", value)
        _tell("calls", calls)
        exit_code = 0
    except BaseException:  # noqa: BLE001  # the task boundary: the test reports it
        _tell("error", traceback.format_exc())
    finally:
        os._exit(exit_code)


def _call(job: "Job") -> tuple[object, int]:
    function = _function(job.target)
    if job.watched is None or _shim is None:
        return function(*job.args), 0
    _shim.crash_count.restype = ctypes.c_long
    if job.record_to is not None:
        _shim.crash_record(os.fsencode(job.record_to))
    _shim.crash_arm(os.fsencode(job.watched.resolve()), ctypes.c_long(job.kill_at), int(job.manner))
    try:
        return function(*job.args), _shim.crash_count()
    finally:
        _shim.crash_disarm()
