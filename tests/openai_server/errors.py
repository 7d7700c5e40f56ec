"""The error objects that OpenAI sends, word for word where their wording is public."""

from collections.abc import Mapping
from typing import Any

Error = Mapping[str, Any]


def _error(message: str, kind: str, code: str | None = None, param: str | None = None) -> Error:
    return {"message": message, "type": kind, "param": param, "code": code}


_INVALID = "invalid_request_error"

QUOTA = _error(
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
    "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
    "insufficient_quota",
    "insufficient_quota",
)
RATE_LIMITED = _error(
    "Rate limit reached for {model} in organization org-loopback on requests per min (RPM): Limit 12, Used 12, "
    "Requested 1. Please try again in 5s. Visit https://platform.openai.com/account/rate-limits to learn more.",
    "requests",
    "rate_limit_exceeded",
)
BAD_REQUEST = _error(
    "Invalid value for 'messages[0].content': '{prompt}'.", _INVALID, "invalid_value", "messages[0].content"
)
BAD_KEY = _error(
    "Incorrect API key provided: {key}. You can find your API key at https://platform.openai.com/account/api-keys.",
    _INVALID,
    "invalid_api_key",
)
NO_KEY = _error(
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY).",
    _INVALID,
)
FORBIDDEN = _error(
    "Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"
)
NO_MODEL = _error("The model `{model}` does not exist or you do not have access to it.", _INVALID, "model_not_found")
NO_PATH = _error(
    "Invalid URL. Please check the URL for typos, or see the docs at https://platform.openai.com/docs/api-reference/.",
    _INVALID,
    "unknown_url",
)
NO_JSON = _error(
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
    _INVALID,
)
NO_MESSAGES = _error("Missing required parameter: 'messages'.", _INVALID, "missing_required_parameter", "messages")
NO_INPUT = _error("Missing required parameter: 'input'.", _INVALID, "missing_required_parameter", "input")
TIMED_OUT = _error("Request timed out.", "timeout", "request_timeout")
CONFLICT = _error("The resource was updated by another request. Please try again.", "conflict_error", "conflict")
UNPROCESSABLE = _error("Unable to process the request: '{prompt}'.", _INVALID, "unprocessable_entity")
SERVER_ERROR = _error(
    "The server had an error while processing your request. Sorry about that! You can retry your request, or contact "
    "us through our help center at help.openai.com if the error persists.",
    "server_error",
)
OVERLOADED = _error("The engine is currently overloaded, please try again later", "server_error", "engine_overloaded")


def over_limit(what: str, per: float, most: int, *, used: int, requested: int, wait: str) -> Error:
    """The 429 of a real limit; `what` is `requests` or `tokens`, `per` its window in seconds."""
    short = {"requests": "RPM", "tokens": "TPM"}[what]
    return _error(
        f"Rate limit reached for {{model}} in organization org-loopback on {what} per min ({short}): Limit {most} "
        f"(per {per:g} s here), Used {used}, Requested {requested}. Please try again in {wait}. Visit "
        "https://platform.openai.com/account/rate-limits to learn more.",
        what,
        "rate_limit_exceeded",
    )


def masked(key: str) -> str:
    """A key as a 401 repeats it: its first eight and last four signs."""
    return f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
