"""Which questions are the same one."""

import subprocess
import sys
from typing import Any

import pytest

from gpt.request_key import marks_of, request_key, selector_mark
from tests.killing import REPOSITORY, plain_environment

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "ne zaman?"}], "temperature": 0.8}


def key(body: Any = BODY, **changed: object) -> str | None:
    terms = {"api": "chat", "base_url": "http://a/v1", "whose": ("", None), **changed}
    return request_key(body, **terms)  # type: ignore[arg-type]


def test_the_order_of_keys_makes_no_other_question() -> None:
    assert key(dict(reversed(BODY.items()))) == key()


@pytest.mark.parametrize(
    "changed",
    [
        {"body": {**BODY, "model": "n"}},
        {"body": {**BODY, "temperature": 0.7}},
        {"body": {**BODY, "messages": [{"role": "system", "content": "kurz"}, *BODY["messages"]]}},
        {"body": {**BODY, "tools": [{"type": "function", "function": {"name": "now"}}]}},
        {"body": {**BODY, "a_parameter_of_tomorrow": 1}},
        {"body": {**BODY, "messages": [{"role": "user", "content": "ne zaman? "}]}},
        {"api": "responses"},
        {"base_url": "http://b/v1"},
        {"whose": ("alice", None)},
        {"whose": ("", 1)},
    ],
)
def test_whatever_differs_makes_another_question(changed: dict[str, Any]) -> None:
    """Nothing is normalised and nothing is left out: two that are not the same must not share an answer."""
    assert key(**changed) != key()


def test_a_question_has_the_same_key_in_every_process() -> None:
    """Python's own hash of a text differs from process to process."""
    script = f"from tests.gpt.test_request_key import key; print(key({BODY!r}))"
    environment = {**plain_environment(), "PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True
    )

    assert run.stdout.strip() == key()


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), b"bytes"])
def test_what_is_no_json_has_no_key(value: object) -> None:
    """It is asked, and never kept: a text made of it might be another one in each process."""
    assert key({**BODY, "seed": value}) is None


def test_no_text_can_be_read_from_a_key_or_a_mark() -> None:
    made = [key(), *marks_of(key="k", namespace="secret-chat", model="m", tags=("vip",))]

    assert all(one is not None and set(one) <= set("0123456789abcdef") for one in made)


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ({}, True),
        ({"namespace": "shop"}, True),
        ({"namespace": "other"}, False),
        ({"model": "m"}, True),
        ({"tag": "prices"}, True),
        ({"tag": "faq"}, True),
        ({"tag": "none"}, False),
        ({"namespace": "shop", "model": "m", "tag": "faq"}, True),
        ({"namespace": "shop", "model": "n"}, False),
        ({"key": "k"}, True),
        ({"key": "shop"}, False),
    ],
)
def test_a_selector_means_what_it_names(selector: dict[str, str], meant: bool) -> None:
    marks = marks_of(key="k", namespace="shop", model="m", tags=("faq", "prices", "faq"))

    assert (selector_mark(**selector) in marks) is meant
