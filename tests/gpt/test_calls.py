"""Calls of tools from the parts of a stream, as hosts send them."""

from typing import Any

import pytest

from gpt.wire.calls import Calls


def told(identity: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


FIRST, SECOND = told("a", "f", '{"x":1}'), told("b", "g", '{"y":2}')
NAMELESS = [{"function": {"name": name, "arguments": "{}"}} for name in ("f", "g")]


@pytest.mark.parametrize(
    ("parts", "calls"),
    [
        ([{"index": 0, **FIRST}, {"index": 1, **SECOND}], [FIRST, SECOND]),
        ([FIRST, SECOND], [FIRST, SECOND]),
        ([FIRST, {"index": 0, **SECOND}], [FIRST, SECOND]),
        ([{"index": 0, **FIRST}, {"index": 0, **SECOND}], [FIRST, SECOND]),
        (NAMELESS, NAMELESS),
        (
            [
                {"index": 0, **told("a", "f", "")},
                {"index": 1, **told("b", "g", "")},
                {"index": 0, "function": {"arguments": '{"x"'}},
                {"index": 1, "id": "", "function": {"arguments": '{"y":2}'}},
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": ":1}"}},
            ],
            [FIRST, SECOND],
        ),
        ([{"index": 0, "function": {"name": "f"}}, {"index": 0, "id": "a"}], [told("a", "f", "") | {"type": None}]),
        (
            [
                {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql"}},
                {"index": 0, "custom": {"input": "1"}},
            ],
            [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "1"}}],
        ),
    ],
)
def test_no_part_goes_to_another_call(parts: list[dict[str, Any]], calls: list[dict[str, Any]]) -> None:
    taken = Calls()
    for part in parts:
        taken.take(part)

    assert list(taken.whole()) == [{name: value for name, value in call.items() if value} for call in calls]
