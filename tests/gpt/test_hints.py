"""What servers say about when to come back."""

from datetime import UTC, datetime

import pytest

from gpt.wire.hints import LONGEST, duration, retry_after, used_up

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00 GMT"}, 60),
        ({"retry-after": "Sat, 21 Nov 2026 11:59:00 GMT"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after-ms": "0"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:01:00"}, 60),
        ({"retry-after": "99999999"}, LONGEST),
        ({"retry-after": "1795262430"}, 30),
        ({"retry-after": "1795262430000"}, 30),
        ({"retry-after-ms": "1795262430000"}, 30),
        ({"retry-after-ms": "1999999999"}, LONGEST),
        ({"retry-after": "1795262399"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sat, 99 Nov 2026 12:01:00 GMT"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(
            ("1s", 1),
            ("6m0s", 360),
            ("12ms", 0.012),
            ("12m3.5s", 723.5),
            ("2h3m", LONGEST),
            ("120µs", 0.00012),
            ("2d", LONGEST),
        ),
        *(("1795262430", 30), ("1795262430500", 30.5), ("1795262399", 0), ("999999999", LONGEST)),
        *(("8.64s", 8.64), ("3", 3), ("", None), ("s", None), ("1s and more", None), ("1x", None)),
    ],
)
def test_a_duration_is_read_as_go_writes_it(text: str, seconds: float | None) -> None:
    assert duration(text, now=NOW) == pytest.approx(seconds)


def test_a_window_that_is_used_up_is_waited_for() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "2s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }

    assert used_up(headers, now=NOW) == 360
    assert used_up(headers | {"x-ratelimit-remaining-tokens": "150"}, now=NOW) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "later"},
        {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "9s"},
    ],
)
def test_headers_that_say_nothing_hold_nobody_up(headers: dict[str, str]) -> None:
    assert used_up(headers, now=NOW) == 0
