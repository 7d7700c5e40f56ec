"""What the JSON of an answer says."""

import json
from typing import Any

import pytest

from gpt.errors import BadReply, EmptyReply
from gpt.model import Api, Usage
from gpt.wire.answers import Answer, read_answer, read_document, refuse_empty

MESSAGE = {
    "type": "message",
    "content": [{"type": "output_text", "text": "At "}, {"type": "output_text", "text": "9."}],
}


def chat(**changed: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": "At 9."}, "finish_reason": "stop"}
    return {"model": "m", "choices": [choice], **changed}


def responses(**changed: Any) -> dict[str, Any]:
    return {"model": "m", "status": "completed", "output": [MESSAGE], **changed}


def test_both_forms_say_the_same() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    used = {"input_tokens": 9, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}

    assert read_document(chat(usage=usage), Api.CHAT) == read_document(responses(usage=used), Api.RESPONSES)
    assert read_document(chat(usage=usage), Api.CHAT) == Answer("At 9.", "m", "stop", Usage(9, 3, 2))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "in_progress"}, "in_progress"),
        ({"output": [MESSAGE, {"type": "function_call", "name": "now"}]}, "tool_calls"),
        ({"output": [{"type": "reasoning", "summary": []}, MESSAGE]}, "stop"),
    ],
)
def test_why_a_response_ended_is_told_in_the_words_of_chat(changed: dict[str, Any], reason: str) -> None:
    assert read_document(responses(**changed), Api.RESPONSES).finish_reason == reason


@pytest.mark.parametrize(
    "usage",
    [
        *(None, 7, [], "many", {}),
        *({"prompt_tokens": 4}, {"total_tokens": 900}, {"prompt_tokens": -4, "completion_tokens": 2}),
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 4.0, "completion_tokens": 2.0},
        {"prompt_tokens": 10**400, "completion_tokens": True},
    ],
)
def test_usage_that_cannot_be_is_unknown(usage: object) -> None:
    """Not zero: what was reserved for it counts then."""
    named = (
        {name.replace("prompt", "input").replace("completion", "output"): n for name, n in usage.items()}
        if isinstance(usage, dict)
        else usage
    )

    assert read_document(chat(usage=usage), Api.CHAT).usage is None
    assert read_document(responses(usage=named), Api.RESPONSES).usage is None


def test_no_more_of_a_prompt_is_cached_than_there_is() -> None:
    usage = {"prompt_tokens": 4, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}

    assert read_document(chat(usage=usage), Api.CHAT).usage == Usage(4, 1, 4)


@pytest.mark.parametrize(
    "document",
    [
        *([], "text", None, {}, {"choices": {}}, {"choices": [{"message": "x"}]}),
        {"choices": [{"message": {"content": ["x"]}}]},
        {"choices": [{"message": {"content": "x", "tool_calls": ["now"]}}]},
        chat(model=7),
    ],
)
def test_what_has_another_form_is_no_answer(document: object) -> None:
    with pytest.raises(BadReply):
        read_answer(json.dumps(document), Api.CHAT)
    with pytest.raises(BadReply):
        read_answer(json.dumps(document), Api.RESPONSES)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_nothing_to_show_is_refused(text: str) -> None:
    with pytest.raises(EmptyReply, match="content_filter"):
        refuse_empty(Answer(text, "m", "content_filter", None))
    refuse_empty(Answer(text, "m", "tool_calls", None, ({"name": "now"},)))
