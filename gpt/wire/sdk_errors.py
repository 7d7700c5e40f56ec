"""The errors of the openai SDK as ours: by status and code, never by text, which may repeat the prompt or the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from gpt.errors import (
    AccessDenied,
    AuthenticationFailed,
    BadReply,
    GptError,
    ProviderFailed,
    QuotaExhausted,
    RateLimited,
    ReplyTimeout,
    RequestRefused,
)
from gpt.wire.hints import retry_after, used_up
from utils.redact import printable

if TYPE_CHECKING:
    from openai import APIStatusError

_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_TRANSIENT = {408, 409}
_REFUSALS = set(range(400, 500)) - _TRANSIENT - {429}
_STATUS_OF = {
    **dict.fromkeys((*_QUOTA, "rate_limit_exceeded", "rate_limit_error", "rate_limited"), 429),
    **dict.fromkeys(("invalid_api_key", "authentication_error"), 401),
    **dict.fromkeys(("data_residency_mismatch", "context_length_exceeded"), 400),
}
"""Of a code that is a word."""
_OF_THE_REQUEST = ("invalid_", "image_", "unsupported_", "empty_", "failed_to_download_", "bio_", "misalignment_")
"""How the codes of refused prompts and images begin (openai.types.responses.ResponseError)."""
_LONGEST_WORD = 60


@cache
def troubles() -> tuple[type[Exception], ...]:
    """What the SDK may raise for the provider's sake; anything else is a bug or misuse, and nobody's to swallow.

    Beside its own tree: a stream that breaks off raises the transport's errors and those of reading JSON, and a
    text that is no Unicode cannot be sent.
    """
    import httpx2
    import openai

    of_httpx = (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL)
    return (openai.OpenAIError, *of_httpx, json.JSONDecodeError, UnicodeError)


def judge_error(error: Exception, *, now: datetime) -> GptError:
    """What one of `troubles()` means.

    Source: openai's own tree (`OpenAIError > APIError > APIStatusError | APIConnectionError > APITimeoutError`).
    """
    import httpx2
    import openai

    if isinstance(error, openai.APITimeoutError) and not isinstance(error.__cause__, httpx2.ConnectTimeout):
        return ReplyTimeout("the provider did not answer in time", hint="timeout=… of the settings")
    if isinstance(error, openai.APIStatusError):
        judged = _judge_status(error, now)
        judged.final = error.response.headers.get("x-should-retry") == "false"
        return judged
    if isinstance(error, openai.APIResponseValidationError):
        return BadReply("the provider's answer is not of the form it promises")
    if isinstance(error, openai.APIConnectionError):
        return _judge_connection(error.__cause__ or error)
    if isinstance(error, openai.APIError):  # an error event in the middle of a stream
        return judge_told(error.body if isinstance(error.body, Mapping) else {"code": error.code})
    return _judge_rest(error)


def judge_told(error: Mapping[str, object]) -> GptError:
    """What an error means that is told in a success, or in a stream: by its code, a status with some hosts."""
    code = error.get("code") or error.get("type")
    status = _status_told(code)
    about = str(status) if status == code else _word(code) or "no code"
    if status == 429:
        return _judge_429(code, about, None)
    if status in _REFUSALS:
        return _judge_refusal(status, about, error.get("param"))
    return ProviderFailed(f"the provider broke off ({about})")


def _status_told(code: object) -> int:
    word = str(code)[:_LONGEST_WORD]
    if word.isascii() and word.isdigit():
        return int(word)
    return 400 if word.startswith(_OF_THE_REQUEST) else _STATUS_OF.get(word, 500)


def _judge_connection(why: BaseException) -> GptError:
    import httpx2

    judged = ProviderFailed(
        f"the connection to the provider failed ({type(why).__name__})", hint="see the network, and base_url"
    )
    # Whatever broke after it stood may have broken in the middle of a reply.
    judged.charged = not isinstance(why, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol))
    return judged


def _judge_rest(error: Exception) -> GptError:
    import openai

    if isinstance(error, openai.OpenAIError):
        return RequestRefused("the openai package refuses the request", hint="see the parameters of this question")
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return BadReply("the provider's answer is no JSON", hint="is the base URL that of an OpenAI API?")
    if isinstance(error, UnicodeError):
        return RequestRefused("the request holds text that is no Unicode (half of a surrogate pair)")
    return _judge_connection(error)


def _judge_status(error: APIStatusError, now: datetime) -> GptError:
    status, code = error.status_code, error.code or ""
    about = f"{status}{_code(code)}{_request(error.request_id)}"
    headers = error.response.headers
    wait = retry_after(headers, now=now) or used_up(headers, now=now) or None
    if status == 429:
        return _judge_429(code, about, wait)
    if status in _TRANSIENT or status >= 500:
        return ProviderFailed(f"the provider failed ({about})", retry_after=wait)
    return _judge_refusal(status, about, error.param)


def _judge_429(code: object, about: str, wait: float | None) -> GptError:
    if code in _QUOTA:
        hint = "raise its limit or add credit at the provider; waiting does not help"
        return QuotaExhausted(f"the account's quota is used up ({about})", hint=hint)
    hint = "requests_per_minute=… of the settings, as the provider allows it to this key"
    return RateLimited(f"the provider's rate limit is reached ({about})", hint=hint, retry_after=wait)


def _judge_refusal(status: int, about: str, param: object) -> GptError:
    if status == 401:
        return AuthenticationFailed(f"the provider does not know the API key ({about})", hint="see OPENAI_API_KEY")
    if status == 403:
        return AccessDenied(f"the API key may not do this ({about})", hint="its project, the model, the region")
    named = _word(param)
    hint = f"see the parameter {named}" if named else None
    if named == "temperature":
        hint = "see the parameter temperature; temperature=None leaves it out"
    if status == 404:
        hint = "does this provider have that model, and this key it? and see base_url"
    return RequestRefused(f"the provider refuses the request ({about})", hint=hint)


def _code(code: object) -> str:
    word = _word(code)
    return f" {word}" if word else ""


def _request(identity: object) -> str:
    word = _word(identity)
    return f", request {word}" if word else ""


def _word(value: object) -> str:
    """A name that the API gave; anything that is no single word is not repeated."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_WORD or not value.isascii():
        return ""
    return printable(value) if all(char.isalnum() or char in "_-.[]:" for char in value) else ""
