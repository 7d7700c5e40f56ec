"""The measurements of the completion helper, for `benchmarks.rows`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.completions.crowd import Crowd
from benchmarks.completions.hit import SIZE, Hits
from benchmarks.completions.litellm import hit_seconds
from benchmarks.completions.miss import Misses
from benchmarks.completions.replay import Replayed, Tally
from benchmarks.completions.trace import Kind, shop_fleet_day
from benchmarks.measure import Run, in_turns, run
from benchmarks.model import Limit, Row
from tests.gpt.gate.fleet import measure_fleet
from tests.valkey import Valkey

_TRACE = "shop-fleet-day"


def hitting(bench: Bench) -> Iterator[Row]:
    """A reply from the local cache."""
    (runs,) = in_turns(bench.sizes.runs, lambda: _run(bench, "hit"))
    found = [Hits.from_output(one.output) for one in runs]
    hit, floor = median(one.hit for one in found), median(one.floor for one in found)
    ratio = median(one.hit / one.floor for one in found)
    litellm = hit_seconds(bench)
    beside = (
        "LiteLLM's hit: not installed" if litellm is None else f"LiteLLM's hit {_us(litellm)}, {litellm / hit:.0f}×"
    )
    note = f"{beside}; 99 % within {_us(median(one.hit_p99 for one in found))}"
    yield Row(f"hit of the GPT cache, {SIZE} B / dumps, hash, get", _us(hit), _us(floor), ratio, Limit(2.5, "×"), note)


def missing(bench: Bench) -> Iterator[Row]:
    """A question that nobody has asked before."""
    (runs,) = in_turns(bench.sizes.runs, lambda: _run(bench, "miss"))
    found = [Misses.from_output(one.output) for one in runs]
    helper, sdk = median(one.helper for one in found), median(one.sdk for one in found)
    ratio = median(one.ratio for one in found)
    note = f"{_us(median(one.difference for one in found))} more, the median of pairs"
    yield Row("miss of the GPT cache / the bare SDK", _us(helper), _us(sdk), ratio, Limit(1.05, "×"), note)


def crowding(bench: Bench) -> Iterator[Row]:
    """Many at once, in one process and in four that share a Valkey."""
    with tempfile.TemporaryDirectory(dir=bench.memory) as folder, Valkey(Path(folder)) as valkey:
        found = Crowd.from_output(_run(bench, "crowd", valkey.url).output)
    yield _calls_made("calls for 1,000 equal questions at once", found.equal_calls)
    yield _calls_made("calls for 4 processes × 200 equal questions", found.fleet_calls)
    name = "429s for 50 different questions at 12 a window / older rule"
    yield Row(
        name,
        str(found.distinct_refused),
        str(found.older_refused),
        found.distinct_refused,
        Limit(0, ""),
        f"{found.distinct_answered} answered",
    )
    yield Row(
        "longest stall of the loop meanwhile",
        f"{found.stall * 1000:.1f} ms",
        "–",
        found.stall * 1000,
        Limit(50, " ms", strict=True),
    )


def _calls_made(name: str, calls: int) -> Row:
    return Row(name, str(calls), "–", calls, Limit(1, ""))


def acquiring(bench: Bench) -> Iterator[Row]:
    """Four processes at one gate, through a Valkey: five hundred in each second, and never one more."""
    with tempfile.TemporaryDirectory(dir=bench.memory) as folder, Valkey(Path(folder)) as valkey:
        runs = [measure_fleet(valkey.url, processes=4, acquires=1_000) for _ in range(3)]
    sent = max(one.worst_sent for one in runs)
    note = f"scheduled {max(one.worst_scheduled for one in runs)}; {runs[0].scripts_per_grant:.2f} scripts a grant"
    yield Row(
        "most requests in a window of 500, 4 processes × 1,000",
        str(sent),
        "–",
        sent,
        Limit(500, ""),
        note,
    )
    wall = median(one.wall / one.ideal for one in runs)
    yield Row(
        "4 × 1,000 acquires / ideal time",
        f"{median(one.wall for one in runs):.2f} s",
        f"{runs[0].ideal:.2f} s",
        wall,
        Limit(1.15, "×"),
    )


def replaying(bench: Bench) -> Iterator[Row]:
    """The trace, at a provider that lets twelve requests through in a minute."""
    ours, older, bare = (_replay(bench, subject) for subject in ("ours", "older", "bare"))
    _tell(bench, ours, older, bare)
    yield _count("429s", ours.total.refused, older.total.refused, f"the bare SDK: {bare.total.refused:,}")
    waits = " / ".join(f"{one.total.longest_wait:.0f} s" for one in (ours, older))
    note = f"the bare SDK: {bare.total.unanswered:,}; a person waited {waits} at most"
    yield _count("questions unanswered", ours.total.unanswered, older.total.unanswered, note)
    for kind in Kind:
        yield _calls(kind, ours.kinds[kind], older.kinds[kind])
    stalls = ours.stall * 1000, older.stall * 1000
    note = (
        f"processor time of the longest turn: {ours.turn * 1000:.1f} ms, {older.turn * 1000:.1f} ms by the older rule"
    )
    name = f"{_TRACE}: longest stall of the loop / older rule"
    yield Row(name, f"{stalls[0]:.0f} ms", f"{stalls[1]:.0f} ms", stalls[0], Limit(50, " ms", strict=True), note)


def _tell(bench: Bench, ours: Replayed, older: Replayed, bare: Replayed) -> None:
    """The older systems' own figures: what this trace saves, beside asking without a helper and by their rule."""
    lookups = {name: one.kinds[Kind.LOOKUP] for name, one in (("ours", ours), ("older", older))}
    bench.said["fewer rate-limit errors"] = (
        f"{_fewer(ours.total.refused, bare.total.refused)}: {ours.total.refused} instead of {bare.total.refused:,} "
        f"without a helper ({older.total.refused:,} by their rule), on the trace {_TRACE}"
    )
    bench.said["fewer GPT calls"] = (
        f"{_fewer(lookups['ours'].calls, lookups['ours'].asked)} where eleven lookups share a key per TTL "
        f"(their rule: {_fewer(lookups['older'].calls, lookups['older'].asked)}); "
        f"{_fewer(ours.total.calls, ours.total.asked)} over the whole trace, 0 where traffic does not repeat"
    )


def _fewer(some: int, of: int) -> str:
    return f"{100 * (1 - some / of):.1f} %" if of else "–"


def _count(what: str, ours: int, older: int, note: str) -> Row:
    return Row(f"{_TRACE}: {what} / older rule", f"{ours:,}", f"{older:,}", ours, Limit(0, ""), note)


def _calls(kind: Kind, ours: Tally, older: Tally) -> Row:
    """Calls for each question: judged where questions repeat so often that nine of ten can be saved.

    The ideal cache answers at once; waiting at a gate, and a life of ±10 %, may save a call more or less.
    """
    least = shop_fleet_day().fewest_calls()[kind]
    name = f"{_TRACE}: calls for each question ({kind}) / older rule"
    shares = f"{ours.calls_share:.1f} %", f"{older.calls_share:.1f} %"
    note = f"{ours.calls} / {older.calls} calls for {ours.asked} questions, an ideal cache {least}"
    if kind is Kind.LOOKUP:
        return Row(name, *shares, ours.calls_share, Limit(10, " %"), note)
    return Row(name, *shares, ours.calls / older.calls, None, note)


def _replay(bench: Bench, subject: str) -> Replayed:
    return Replayed.from_output(_run(bench, "replay", subject, "--json").output)


def _run(bench: Bench, module: str, *words: str) -> Run:
    return run([sys.executable, "-m", f"benchmarks.completions.{module}", *words], state=bench.state)


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 1e-4 else f"{seconds * 1e6:,.0f} µs"
