"""The name of a question: the same for the same request in every process, and nothing can be read from it (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

_VERSION = "1"
"""Part of every key: a change of what is hashed, or of what is kept under it, must not meet older entries."""
_encode = json.JSONEncoder(sort_keys=True, allow_nan=False).encode
_DIGEST = 16
"""Bytes: two of 10¹² different requests share a key with a chance of 10⁻¹⁵."""


def request_key(request: Mapping[str, Any], *, api: str, base_url: str, whose: tuple[str, int | None]) -> str | None:
    """A hash of the whole request, of who answers it, and of whose question it is; None for what is no JSON.

    `whose`: namespace and variant.

    Nothing is left out and nothing is normalised but the order of keys: a parameter that a list of known ones misses
    would give one caller the answer to another one's question (research: litellm#9844).
    """
    try:
        text = _encode([_VERSION, *whose, base_url, api, request])
    except (TypeError, ValueError):
        return None
    return blake2b(text.encode(), digest_size=_DIGEST).hexdigest()


def short_hash(*parts: str) -> str:
    """A name for what must not be shown, such as an API key (which holds far more chance than can be guessed)."""
    return blake2b(json.dumps(parts).encode(), digest_size=8, person=b"gavatcore-gpt").hexdigest()


def marks_of(*, key: str, namespace: str, model: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """What an entry is known by to whoever takes entries back: one mark for each selector that means it.

    A selector names a key, or any of namespace, model and one tag, all of which must be true of the entry. So an
    entry has 4 × (tags + 1) + 1 marks, hashed, since a namespace may be the name of a chat.
    """
    return (*_common_marks(namespace, model, tags), selector_mark(key=key))


@lru_cache(maxsize=256)
def _common_marks(namespace: str, model: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """Those of many entries: hashing them takes longer than all else that is done of a question."""
    return tuple(
        selector_mark(namespace=one, model=other, tag=tag)
        for one in (None, namespace)
        for other in (None, model)
        for tag in (None, *dict.fromkeys(tags))
    )


def selector_mark(
    *, namespace: str | None = None, model: str | None = None, tag: str | None = None, key: str | None = None
) -> str:
    """The mark that all entries of this selector have; without any argument, the one that every entry has."""
    return short_hash(*(f"={part}" if part is not None else "*" for part in (namespace, model, tag, key)))
