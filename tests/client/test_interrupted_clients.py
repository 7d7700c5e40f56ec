"""SIGTERM, Ctrl-C and a cancelled task, whatever is in flight: saved, closed, and the lease given back at once."""

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.client.fleet import LOCKED, Fleet
from tests.client.interrupted_process import CONNECTS_AGAIN, SOMETHING, STARTED, InFlight, Style
from tests.client.town import Town
from tests.crash.proof import render_table
from tests.killing import REPOSITORY, Running
from tests.telegram import Fault
from utils.leases import LeaseState, probe_os_lock

NAME = "bot00.session"
HANDLED: dict[InFlight, set[int | None]] = {
    InFlight.START: {None},
    InFlight.SLEEPING_HANDLER: {1, 2},
    InFlight.STUBBORN_HANDLER: {1, 2},
}
"""The pts that may be stored: 2 with the one message; the next is under way and must come again, the first may."""
SECONDS = 5.0
"""Two are promised; the rest is for a machine that has other things to do."""
ENDS = {
    (Style.RUN, signal.SIGTERM): "returned",
    (Style.RUN, signal.SIGINT): "KeyboardInterrupt()",
    (Style.RUN, signal.SIGUSR1): "CancelledError()",
    (Style.WITH, signal.SIGTERM): "SystemExit(143)",
    (Style.WITH, signal.SIGINT): "KeyboardInterrupt()",
    (Style.WITH, signal.SIGUSR1): "CancelledError()",
}
STEPS = 12
SCRIPT = """
import asyncio, signal
from core.gavat_client import GavatClient
signal.signal(signal.SIGINT, signal.default_int_handler)
client = GavatClient({session!r}, 1, "hash", state={state!r})
async def main():
{use}
asyncio.run(main())
"""
RUN = """
assert await client.start(), client.failure
asyncio.get_running_loop().call_soon(lambda: print("ready", flush=True))  # once it is waiting
await client.run_until_disconnected()
"""
WITH = """
async with client:
    print("ready", flush=True)
    await asyncio.sleep(3600)
"""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
CASES: list[tuple[InFlight, Style, signal.Signals]] = [
    (in_flight, style, number)
    for in_flight, style, number in product(InFlight, Style, SIGNALS)
    if in_flight is not InFlight.STUBBORN_HANDLER
    and (in_flight, style, number) != (InFlight.START, Style.RUN, signal.SIGTERM)
]
"""The start left out ends as any program does on SIGTERM; a stubborn handler costs 2 s each time."""
CASES += [
    (InFlight.STUBBORN_HANDLER, Style.RUN, signal.SIGTERM),
    (InFlight.STUBBORN_HANDLER, Style.WITH, signal.SIGINT),
    (InFlight.STUBBORN_HANDLER, Style.RUN, signal.SIGUSR1),
]
measured: defaultdict[InFlight, dict[str, float]] = defaultdict(dict)


def table() -> str:
    """The longest by what was in flight and by signal, as far as measured."""
    rows = [[what, *(f"{took.get(one.name, 0):.2f}" for one in SIGNALS)] for what, took in measured.items()]
    return render_table(["in flight", *(one.name for one in SIGNALS)], rows)


def wait_for_a_connection(lone: Fleet) -> None:
    lone.server.call(lambda telegram: telegram.until(lambda: telegram.live() == 1))


def get_going(lone: Fleet, child: Running, in_flight: InFlight) -> None:
    """Bring the client to where the interruption is to meet it; it has handled one message by then."""
    account = lone.accounts[NAME]
    if in_flight is InFlight.START:
        wait_for_a_connection(lone)
        return
    child.wait_for(STARTED)
    lone.deliver(NAME, "one", to_group=False)
    child.wait_for("one")
    if in_flight in {InFlight.SLEEPING_HANDLER, InFlight.STUBBORN_HANDLER}:
        lone.deliver(NAME, SOMETHING, to_group=False)
        child.wait_for(SOMETHING)
    elif in_flight is InFlight.HANGING_REQUEST:
        lone.server.call(lambda telegram: telegram.seen("messages.sendMessage", account=account))
    elif in_flight is InFlight.OUTAGE:
        lone.server.call(lambda telegram: telegram.go_down())
        child.wait_for(CONNECTS_AGAIN)


def seconds_until_free(lone: Fleet) -> float:
    began = time.monotonic()
    while probe_os_lock(f"{lone.sessions / NAME}.lock").state is not LeaseState.FREE:
        assert time.monotonic() - began < 10 * SECONDS
        time.sleep(0.002)
    return time.monotonic() - began


@pytest.mark.parametrize(("in_flight", "style", "number"), CASES)
def test_an_interrupted_client_saves_closes_and_gives_its_lease_back(
    lone: Fleet, publish: Callable[[str, str], None], in_flight: InFlight, style: Style, number: signal.Signals
) -> None:
    if in_flight is InFlight.START:
        lone.server.call(lambda telegram: setattr(telegram, "silent", True))
    if in_flight is InFlight.HANGING_REQUEST:
        lone.server.call(lambda telegram: telegram.faults.add(Fault.hang(method="messages.sendMessage")))
    child = lone.start_job("interrupted_process:be_interrupted", lone.sessions / NAME, lone.bob.id, in_flight, style)
    get_going(lone, child, in_flight)

    child.send_signal(number)
    took = seconds_until_free(lone)

    measured[in_flight][number.name] = max(took, measured[in_flight].get(number.name, 0))
    publish("Seconds until an interrupted client's lease is free", table())
    assert took < SECONDS
    stored = lone.stored(NAME)
    assert stored.key == lone.accounts[NAME].key
    assert stored.pts.get(0) in HANDLED.get(in_flight, {2})
    assert child.wait().value == ENDS[style, number]
    assert sorted(path.name for path in lone.sessions.glob(f"{NAME}*")) == [NAME, f"{NAME}.lock"]
    assert lone.log_lines(LOCKED) == []


@pytest.mark.asyncio
async def test_a_start_that_is_cancelled_at_any_step_of_its_connect_ends(town: Town) -> None:
    """Before Python 3.12 a cancellation that comes just as the connection is there would be lost."""
    town.telegram.silent = True
    for steps in range(STEPS):
        start = asyncio.create_task(town.client().start())
        before = town.telegram.accepted
        await town.telegram.until(lambda: town.telegram.accepted > before)  # noqa: B023  # awaited here
        for _step in range(steps):
            await asyncio.sleep(0)

        start.cancel()

        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(SECONDS):
                await start
        assert probe_os_lock(f"{town.session}.lock").state is LeaseState.FREE
        await town.until(lambda: town.telegram.live() == 0)


def start_script(session: Path, use: str) -> subprocess.Popen[str]:
    """A program as an operator starts it, up to where its client runs; Ctrl-C works as on a terminal."""
    program = SCRIPT.format(session=str(session), state=str(session.parent / "state"), use=textwrap.indent(use, "    "))
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_exit_codes_are_those_that_a_supervisor_expects(fleet: Fleet) -> None:
    """0 for an end that was asked for where the program says so; 143 from a block; a program that starts just dies."""
    cases = [
        (RUN, signal.SIGTERM, 0),
        (WITH, signal.SIGTERM, 143),
        (RUN, signal.SIGINT, -signal.SIGINT),
        (WITH, signal.SIGINT, -signal.SIGINT),
    ]
    scripts = [start_script(fleet.sessions / name, case[0]) for name, case in zip(fleet.accounts, cases, strict=False)]
    outputs = []
    for script, (_use, number, _code) in zip(scripts, cases, strict=True):
        assert script.stdout is not None
        outputs.append(script.stdout.readline())
        script.send_signal(number)
        outputs.append(script.communicate(timeout=30)[0])

    assert [script.returncode for script in scripts] == [code for _use, _number, code in cases]
    assert outputs[::2] == ["ready\n"] * len(cases)
    assert not any(LOCKED in output for output in outputs)


def test_sigterm_while_a_program_starts_ends_it_and_frees_the_lease(lone: Fleet) -> None:
    """Nothing is open yet that would want saving, and a start killed at any call is proven to lose nothing."""
    lone.server.call(lambda telegram: setattr(telegram, "silent", True))
    with start_script(lone.sessions / NAME, RUN) as script:
        wait_for_a_connection(lone)
        script.send_signal(signal.SIGTERM)

    assert script.returncode == -signal.SIGTERM
    assert probe_os_lock(f"{lone.sessions / NAME}.lock").state is LeaseState.FREE
    assert lone.stored(NAME).key == lone.accounts[NAME].key
