"""One finding, in words for the operator."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that can be found, in words for the operator."""

    code: str
    title: str
    meaning: str
    danger: str
    remedy: str
