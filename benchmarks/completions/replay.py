"""Plays a trace to somebody, a minute in a second: `python -m benchmarks.completions.replay older`.

The server is a process of its own that answers after a second (of the trace's time) and lets twelve requests through
in each minute. Printed are the counts by kind of question, with `--json` as one line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

from benchmarks.completions.subjects import LIMIT, MINUTE, SUBJECTS, Ask, Subject
from benchmarks.completions.trace import TRACES, Kind, Question, Trace
from benchmarks.heart import Heart
from gpt.model import Priority
from tests.openai_server import OpenAIProcess, answer_to

SCALE = 1 / 60
"""Seconds here for each second of the trace."""
_LATENCY = 1.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of the questions of one kind."""

    asked: int = 0
    calls: int = 0
    """Requests that reached the provider, retries included."""
    refused: int = 0
    """Of those, answered with a 429."""
    answered: int = 0
    unanswered: int = 0
    """Errors and apologies."""
    longest_wait: float = 0.0
    """Seconds of the trace's time, of the answered questions for which a person waits."""

    @property
    def calls_share(self) -> float:
        """Calls for each question, in percent."""
        return 100 * self.calls / self.asked


class Replayed(NamedTuple):
    """What one replay found."""

    kinds: dict[Kind, Tally]
    stall: float
    """Seconds here; the longest time in which the event loop served nobody."""
    turn: float
    """Seconds of processor time that its thread used in its longest turn: a stall without what others took."""

    @property
    def total(self) -> Tally:
        """All kinds together."""
        tallies = self.kinds.values()
        return Tally(
            asked=sum(one.asked for one in tallies),
            calls=sum(one.calls for one in tallies),
            refused=sum(one.refused for one in tallies),
            answered=sum(one.answered for one in tallies),
            unanswered=sum(one.unanswered for one in tallies),
            longest_wait=max(one.longest_wait for one in tallies),
        )

    def to_json(self) -> str:
        """One line that `from_output` reads."""
        return json.dumps({**self._asdict(), "kinds": {kind: asdict(tally) for kind, tally in self.kinds.items()}})

    @classmethod
    def from_output(cls, output: str) -> Self:
        """Read what `--json` printed."""
        read = json.loads(output.splitlines()[-1])
        kinds = {Kind(kind): Tally(**tally) for kind, tally in read["kinds"].items()}
        return cls(kinds, read["stall"], read["turn"])


async def replay(trace: Trace, ask: Ask) -> Replayed:
    """Ask each question at its time, whatever has become of those before; calls are the server's to count."""
    kinds = {kind: Tally() for kind in Kind}
    heart = Heart()
    beating = asyncio.create_task(heart.beat())
    began = time.perf_counter()
    asking = []
    for question in trace.questions:
        await asyncio.sleep(max(0.0, began + question.at * SCALE - time.perf_counter()))
        asking.append(asyncio.create_task(_ask(question, ask, kinds[question.kind])))
    await asyncio.gather(*asking)
    beating.cancel()
    with suppress(asyncio.CancelledError):
        await beating
    return Replayed(kinds, heart.longest, heart.busiest)


def replay_to(subject: Subject, trace: Trace) -> Replayed:
    """Replay the trace to one subject, with a server of its own."""
    words = ("--latency", _LATENCY * SCALE, "--limit", LIMIT, "--window", MINUTE * SCALE)
    with OpenAIProcess(*words) as server:

        async def run() -> Replayed:
            async with subject(server.base_url, SCALE) as ask:
                await _warm(ask, trace.questions[0])
                await asyncio.sleep(MINUTE * SCALE)
                server.counts()
                return await replay(trace, ask)

        found = asyncio.run(run())
        _count_calls(found, trace, server.counts()["replied"])
    return found


async def _ask(question: Question, ask: Ask, tally: Tally) -> None:
    began = time.perf_counter()
    text = await ask(question)
    tally.asked += 1
    if text is None:
        tally.unanswered += 1
        return
    if text != answer_to(question.prompt):
        raise RuntimeError(f"the answer to another question: {text!r} to {question.prompt!r}")
    tally.answered += 1
    if question.priority is Priority.PERSON:
        tally.longest_wait = max(tally.longest_wait, (time.perf_counter() - began) / SCALE)


async def _warm(ask: Ask, like: Question) -> None:
    """Let the SDK be imported and connected before the time runs."""
    if await ask(like._replace(prompt="a question before the trace begins")) is None:
        raise RuntimeError("the first question was not answered")


def _count_calls(found: Replayed, trace: Trace, replied: Iterable[tuple[str, int]]) -> None:
    kinds = {question.prompt: question.kind for question in trace.questions}
    calls, refused = Counter[Kind](), Counter[Kind]()
    for prompt, status in replied:
        calls[kinds[prompt]] += 1
        refused[kinds[prompt]] += status == 429
    for kind, tally in found.kinds.items():
        tally.calls, tally.refused = calls[kind], refused[kind]


def _show(found: Replayed) -> None:
    print(f"{'kind':<12}{'asked':>7}{'calls':>7}{'429':>7}{'answered':>10}{'not':>6}  longest wait of a person")
    for name, tally in [*found.kinds.items(), ("all", found.total)]:
        counts = f"{tally.asked:>7}{tally.calls:>7}{tally.refused:>7}{tally.answered:>10}{tally.unanswered:>6}"
        print(f"{name:<12}{counts}  {tally.longest_wait:.1f} s of the trace's time")
    print(f"longest stall of the loop: {found.stall * 1000:.1f} ms; turn: {found.turn * 1000:.1f} ms of processor time")


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.completions.replay", description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--trace", choices=TRACES, default=next(iter(TRACES)))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = replay_to(SUBJECTS[arguments.subject], TRACES[arguments.trace]())
    if arguments.json:
        print(found.to_json())
    else:
        _show(found)


if __name__ == "__main__":
    main()
