"""The figures that the older systems state, beside ours where a room that has them is measured here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.model import Rate, seconds_text

HEAD = ("stated by an older system", "figure", "here")
_RECORDS = "belongs to the records room"
_NOT_NOW = "not measured in this run"
_ELSEWHERE = (
    ("Redis operations", "67.41/s", _RECORDS),
    ("efficiency (deleted of found)", "71.4 %", _RECORDS),
    ("memory saved by deleting", "0.005 MB", _RECORDS),
    ("size of a stored session", "5 KB", _RECORDS),
    ("create a session record", "2–5 ms", _RECORDS),
    ("update a session record", "3–5 ms", _RECORDS),
    ("get a session record", "2–5 ms", _RECORDS),
    ("list 100 session records", "10–15 ms", _RECORDS),
    ("gain of a persistent connection", "30–50 %", _RECORDS),
    ("entries in the GPT cache, hit ratio", "4/4, 100 %", "4/4, 100.00 %, in the report: `tests/gpt/test_report.py`"),
)
_OF_THE_GPT_HELPER = (("fewer rate-limit errors", "95 %"), ("fewer GPT calls", "90 %"))


def stated_figures(rates: Mapping[str, Rate], said: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """One line for each stated figure; a session here is a file, there it was a Redis key."""
    looked = [f"{what}: {rates[name].a_second}" for name, what in _LOOKS if name in rates]
    mended = {name: rate for name, rate in rates.items() if name.startswith("mend ")}
    many = [f"{name}: {rate.a_second}" for name, rate in mended.items() if rate.sessions > _FEW]
    few = [f"{name}: {seconds_text(rate.seconds)}" for name, rate in mended.items() if rate.sessions <= _FEW]
    yield "sessions processed", "39.32/s", "; ".join(looked + many)
    yield "time for 7 sessions, start included", "0.18 s", "; ".join(few)
    total = sum(rate.sessions for rate in mended.values() if rate.sessions > _FEW)
    checked = f"0 of {total:,} mended files (each took a write lock at once, nothing was left beside it)"
    yield "`database is locked` afterwards", "0", checked
    started = (
        f"0 of {rates['start'].sessions:,} starts, {rates['start'].a_second}" if "start" in rates else "not measured"
    )
    yield "failed starts", "0", started
    yield from ((what, figure, said.get(what, _NOT_NOW)) for what, figure in _OF_THE_GPT_HELPER)
    yield from _ELSEWHERE


_FEW = 7
_LOOKS = (("look", "look (`-n`)"), ("look inside", "look inside (`-n --deep`)"))
