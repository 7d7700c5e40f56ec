"""What the JSON of an answer says."""

import json
from typing import Any

import pytest

from gpt.errors import BadReply, EmptyReply, GptError, ProviderFailed, RateLimited, RequestRefused
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
        *(
            ({"output": [MESSAGE, {"type": kind, "name": "now"}]}, "tool_calls")
            for kind in ("function_call", "custom_tool_call", "mcp_approval_request", "computer_call")
        ),
        ({"output": [{"type": "web_search_call"}, MESSAGE]}, "stop"),
        ({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]}]}, "refusal"),
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


@pytest.mark.parametrize(
    ("prompt", "completion", "total", "meant"),
    [
        *((12, 1, 399, 387), (21, 0, 81, 60), (0, 0, 81, 81), (12, 1, 13, 1), (12, 1, 2, 1)),
        *((12, 1, total, 1) for total in (None, "many", 399.0, -5, 10**400)),
    ],
)
def test_what_only_the_total_counts_was_thought_and_is_paid_for(
    prompt: int, completion: int, total: object, meant: int
) -> None:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    used = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": total}

    assert read_document(chat(usage=usage), Api.CHAT).usage == Usage(prompt, meant)
    assert read_document(responses(usage=used), Api.RESPONSES).usage == Usage(prompt, meant)


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


def message(**said: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": None, **said}, "finish_reason": "stop"}], "id": "c7"}


CALL = {"name": "f", "arguments": "{}"}
SOUND = {"id": "a", "data": "QUJD", "transcript": "At nine."}
PARTS = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "At "}, {"type": "text", "text": "9."}]
IMAGE = {"type": "image_generation_call", "id": "i", "result": "QUJD"}


@pytest.mark.parametrize(
    ("document", "api", "answer"),
    [
        (
            message(function_call=CALL),
            Api.CHAT,
            Answer("", "", "stop", None, ({"type": "function", "function": CALL},), id="c7"),
        ),
        (message(refusal="I cannot."), Api.CHAT, Answer("I cannot.", "", "refusal", None, id="c7")),
        (
            message(audio=SOUND),
            Api.CHAT,
            Answer("At nine.", "", "stop", None, media=({"type": "audio", **SOUND},), id="c7"),
        ),
        (message(content=PARTS), Api.CHAT, Answer("At 9.", "", "stop", None, id="c7")),
        (responses(output=[IMAGE], id="r1"), Api.RESPONSES, Answer("", "m", "stop", None, media=(IMAGE,), id="r1")),
        (responses(output=[], id=7, status="queued"), Api.RESPONSES, Answer("", "m", "queued", None)),
    ],
)
def test_whatever_was_paid_for_is_an_answer(document: dict[str, Any], api: Api, answer: Answer) -> None:
    assert read_document(document, api) == answer
    refuse_empty(answer)


@pytest.mark.parametrize(
    ("document", "api", "kind", "charged"),
    [
        *(
            (responses(status="failed", output=[], error=error), Api.RESPONSES, kind, False)
            for error, kind in (
                ({"code": "server_error", "message": "x"}, ProviderFailed),
                ({"code": "rate_limit_exceeded"}, RateLimited),
                ({"code": "image_too_large"}, RequestRefused),
                (None, ProviderFailed),
            )
        ),
        (
            responses(status="failed", error={"code": "server_error"}, usage={"x": 1}),
            Api.RESPONSES,
            ProviderFailed,
            True,
        ),
        ({"error": {"code": 429}}, Api.RESPONSES, RateLimited, False),
        ({"error": {"code": "429"}}, Api.CHAT, RateLimited, False),
        ({"error": {"type": "rate_limit_error"}}, Api.CHAT, RateLimited, False),
        ({"error": {"code": ["?"]}}, Api.CHAT, ProviderFailed, False),
        ({"error": "boom"}, Api.CHAT, BadReply, True),
    ],
)
def test_an_error_in_a_success_is_that_error(
    document: dict[str, Any], api: Api, kind: type[GptError], charged: bool
) -> None:
    with pytest.raises(GptError) as told:
        read_answer(json.dumps(document), api)

    assert (told.type, told.value.charged) == (kind, charged)
