"""The status document: what is written is read again, and what is no status is refused whatever it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.state import BotFigures, ProcessStatus
from core.state.status_document import NotAStatus, decode_status, encode_room, encode_status, to_text
from tests.state.builders import NOW, bot, process

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  given a zone
DURATIONS = st.timedeltas(timedelta(0), timedelta(days=36_500))
NUMBERS = st.integers(0, 2**53)
TEXTS = st.text(max_size=40)
BOTS = st.builds(
    BotFigures,
    name=TEXTS,
    path=TEXTS.filter(lambda text: "\0" not in text),
    state=TEXTS,
    since=MOMENTS,
    code=TEXTS,
    reason=TEXTS,
    until=st.none() | MOMENTS,
    restarts=NUMBERS,
    reconnects=NUMBERS,
    flood_time=DURATIONS,
    deaf_time=DURATIONS,
    offline_time=DURATIONS,
    handled=NUMBERS,
    failed=NUMBERS,
)
PROCESSES = st.builds(
    process,
    BOTS,
    BOTS,
    command=TEXTS,
    at=MOMENTS,
    loop_lag=DURATIONS,
    problem=TEXTS,
    rooms=st.dictionaries(TEXTS, st.dictionaries(TEXTS, NUMBERS | TEXTS | st.none() | st.lists(NUMBERS))),
)


def read(text: str | bytes) -> ProcessStatus:
    return decode_status(text, process="eu-1.811.1795250000")


def changed(part: str, **fields: Any) -> str:
    """A good document with one thing in it changed: of its process, its identity, or its bot."""
    document = encode_status(process(bot()))
    {"process": document, "identity": document["identity"], "bot": document["bots"][0]}[part].update(fields)
    return json.dumps(document)


@given(PROCESSES)
def test_what_was_written_is_read(status: ProcessStatus) -> None:
    """Every field, to the microsecond, in ASCII on one line."""
    text = to_text(encode_status(status))

    assert read(text) == status
    assert text.isascii()
    assert "\n" not in text


def test_a_field_that_says_nothing_is_left_out() -> None:
    """Most bots have nothing to tell, and the document is written every few seconds."""
    assert encode_status(process(bot()))["bots"] == [
        {"name": "shop_01", "path": "/srv/bots/shop_01.session", "state": "alive", "since": NOW.isoformat()}
    ]


def test_a_field_of_a_later_program_is_no_trouble() -> None:
    """Within a version, fields are only added."""
    assert read(changed("bot", mood="fine")) == process(bot())


def test_a_long_text_is_cut() -> None:
    """One bot's long reason neither fills the document nor makes it unreadable."""
    status = read(to_text(encode_status(process(bot(reason="x" * 5000)))))

    assert status.bots[0].reason == "x" * 299 + "…"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no JSON"),
        ("\x1b[2J", "it is no JSON"),
        (b"\xff\xfe\x00", "it is no JSON"),
        ("[" * 200_000, "it is no JSON"),
        ("[]", "it is no mapping where one belongs"),
        ("{}", "it is of another kind or version; is this program older than the bots?"),
        (changed("process", schema={"name": "gavat.status", "version": 2}), "it is of another kind or version"),
        (changed("process", process="eu-2.1.1"), "it does not belong to its name"),
        (changed("process", host=None), "host: it is no text"),
        (changed("process", at="yesterday"), "at: it is no time"),
        (changed("process", at="2026-11-21T09:00:00"), "at: it is no time with its zone, or none of this age"),
        (changed("process", at="9999-12-31T23:59:59-01:00"), "at: it is no time with its zone, or none of this age"),
        (changed("process", at="0001-01-01T00:00:00+00:00"), "at: it is no time with its zone, or none of this age"),
        (changed("process", valid_for_seconds=1e300), "valid_for_seconds: it is no duration in seconds"),
        (changed("process", valid_for_seconds=float("nan")), "valid_for_seconds: it is no duration in seconds"),
        (changed("process", loop_lag_seconds=-1), "loop_lag_seconds: it is no duration in seconds"),
        (changed("process", loop_lag_seconds=True), "loop_lag_seconds: it is no duration in seconds"),
        (changed("process", identity=None), "it is no mapping where one belongs"),
        (changed("identity", pid=0), "pid: it is no process"),
        (changed("identity", pid=-1), "it is no number from 0 on"),
        (changed("identity", boot=7), "it is no text"),
        (changed("process", bots={}), "it is no list where one belongs"),
        (changed("process", bots=["alive"]), "bot 0: it is no mapping where one belongs"),
        (changed("bot", name=3), "bot 0: name: it is no text"),
        (changed("bot", path="a\0b"), "bot 0: path: it is no path"),
        (changed("bot", path="/" * 5000), "bot 0: path: it is no path"),
        (changed("bot", handled=1.5), "bot 0: handled: it is no number from 0 on"),
        (changed("bot", handled=True), "bot 0: handled: it is no number from 0 on"),
        (changed("bot", handled=10**30), "bot 0: handled: it is no number from 0 on"),
        (changed("bot", until=5), "bot 0: until: it is no time"),
        (changed("process", rooms={"gpt": 3}), "it is no mapping where one belongs"),
        (changed("process", rooms={"gpt": {"x": float("inf")}}), "it is neither number nor text, or too deep"),
        (changed("process", rooms={"gpt": json.loads('{"x":' * 40 + "1" + "}" * 40)}), "it is neither number nor text"),
    ],
)
def test_what_is_no_status_is_refused(text: str | bytes, why: str) -> None:
    """With a reason that repeats nothing of it."""
    with pytest.raises(NotAStatus) as refused:
        read(text)

    assert str(refused.value).startswith(why)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(), st.lists) | st.binary())
def test_no_document_raises_anything_else(value: object) -> None:
    """Whatever stands in the place of a field, or of the whole document."""
    texts = [value] if isinstance(value, bytes) else [json.dumps(value), changed("bot", since=value)]
    for text in [*texts, *([] if isinstance(value, bytes) else [changed("process", rooms=value, at=value)])]:
        try:
            read(text)
        except NotAStatus:
            continue


@pytest.mark.parametrize(
    "wrong",
    [
        bot(since=datetime(2026, 11, 21)),  # noqa: DTZ001  what a caller may do wrong
        bot(state=None),
        bot(handled=-1),
        bot(flood_time=3.0),
    ],
)
def test_figures_that_are_none_are_refused_when_they_are_written(wrong: BotFigures) -> None:
    """Else nobody would read them, and nobody would be told."""
    with pytest.raises(ValueError, match="it is no"):
        encode_status(replace(process(), bots=(wrong,)))


def test_a_room_may_hold_lists_and_mappings() -> None:
    """Numbers, texts, nothing, and what is made of them."""
    room = {"hits": 3, "ratio": 0.5, "model": "x", "since": None, "by_day": [1, 2], "of": {"a": {"b": True}}}

    assert encode_room(room) == room
