"""What a provider says about when to come back: Retry-After in every form, and the rate-limit headers (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 3_600.0
"""Seconds: a longer wait is taken for this one and looked at again then, since nobody but time can lift it."""
_MOMENT, _MOMENT_MS = 1e9, 1e12
"""A bare number beyond is no wait, but a moment as Unix counts: in seconds, or in milliseconds."""
_KINDS = ("requests", "tokens")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds to wait after a refusal, or None where the server does not say so or says "now"; names in lower case.

    `retry-after-ms` counts before `retry-after`, which holds seconds or a date (RFC 9110, 10.2.3).
    """
    number = _number(headers.get("retry-after-ms", ""))
    text = headers.get("retry-after", "")
    if number is None:
        number = _number(text)
    elif number < _MOMENT_MS:
        number /= 1000
    wait = _until_date(text, now) if number is None else _wait(number, now)
    return min(wait, LONGEST) if wait else None


def used_up(headers: Mapping[str, str], *, now: datetime) -> float:
    """Seconds until the provider's own window begins anew, where its headers say that this one is used up; else 0.

    The names are OpenAI's (`x-ratelimit-remaining-requests`, `…-reset-requests`, and the same of tokens). They may
    be missing, and their form differs between hosts: what cannot be read says nothing.
    """
    waits = [
        duration(headers.get(f"x-ratelimit-reset-{kind}", ""), now=now)
        for kind in _KINDS
        if _number(headers.get(f"x-ratelimit-remaining-{kind}", "")) == 0
    ]
    return max((wait for wait in waits if wait is not None), default=0.0)


def duration(text: str, *, now: datetime) -> float | None:
    """Seconds of `1s`, `6m0s`, `12ms`, `1h2m3.5s`, or of a bare number; None for anything else."""
    number = _number(text)
    if number is not None:
        return min(_wait(number, now), LONGEST)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return min(sum(float(number) * _SECONDS[unit] for number, unit in parts), LONGEST)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _wait(number: float, now: datetime) -> float:
    """Seconds that a bare number means."""
    if number < _MOMENT:
        return number
    moment = number / 1000 if number >= _MOMENT_MS else number
    return max(moment - now.timestamp(), 0.0)


def _until_date(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST)
