"""What can go wrong with a completion: one tree, each error with a word for operators and whether trying again helps.

No message holds text of a prompt, of a reply, or of an API key: what a provider says of an error may repeat them.
"""

from __future__ import annotations

from typing import ClassVar, Self


class GptError(Exception):
    """Base of all. `retry_after`: seconds after which a new try may succeed, where that is known."""

    kind: ClassVar[str] = "error"
    """A stable word: for counters, and as a key of fallback texts."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed at a later try."""
    charged: bool = False
    """Whether the provider may take money all the same: nobody knows how far it came."""
    final: bool = False
    """The server asked not to try again."""
    out_of_time: bool = False
    """It ended with the deadline of whoever asked; who has more time may ask again."""

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry_after = retry_after

    def __str__(self) -> str:
        """What, and what to do next: this is what logs and tracebacks show."""
        return f"{self.message} · {self.hint}" if self.hint else self.message

    def again(self) -> Self:
        """The same error for another caller: raised twice, one exception would collect two tracebacks."""
        return type(self)(self.message, hint=self.hint, retry_after=self.retry_after)


class GptSettingsError(GptError, ValueError):
    """The settings cannot be, or miss something."""

    kind = "settings"


class RateLimited(GptError):
    """The provider said 429: too many requests or tokens for now."""

    kind = "rate limit"
    retryable = True


class QuotaExhausted(GptError):
    """The account has no money left, or its provider's own limit is reached; waiting does not help."""

    kind = "quota"


class AuthenticationFailed(GptError):
    """The provider does not know the API key (401)."""

    kind = "authentication"


class AccessDenied(GptError):
    """The key may not do this (403): the model, the region, the project."""

    kind = "access"


class RequestRefused(GptError):
    """The request itself is at fault (400, 404, 413, 422, or it cannot be written as JSON); again, it fails again."""

    kind = "request"


class ProviderFailed(GptError):
    """The provider failed (408, 409, 5xx), or the connection to it did."""

    kind = "provider"
    retryable = True


class ReplyTimeout(GptError):
    """No whole reply within the time on the wire."""

    kind = "timeout"
    charged = True
    retryable = True


class BadReply(GptError):
    """A success that is none: no JSON, or not of the form that the API promises."""

    kind = "bad reply"
    charged = True


class EmptyReply(GptError):
    """The model said nothing: filtered, cut, or simply empty."""

    kind = "empty"


class CircuitOpen(GptError):
    """Not sent: the provider failed again and again, or refused the account; a probe follows later."""

    kind = "circuit open"
    retryable = True
    opened_by: str = ""
    """The kind of failure that opened it."""

    def again(self) -> Self:
        """With its cause."""
        error = super().again()
        error.opened_by = self.opened_by
        return error


class BudgetExceeded(GptError):
    """Not sent: the day's tokens or money are used up, in all or for this bot; `retry_after`: the next day begins."""

    kind = "budget"


class PriceUnknown(BudgetExceeded):
    """Not sent: money is limited, and the price table does not know this model."""


class GateBusy(GptError):
    """Not sent: the rate limit would let it go after its deadline only."""

    kind = "busy"
    retryable = True
    out_of_time = True


class DeadlineExceeded(GptError):
    """The caller's deadline passed; what was already sent goes on, and fills the cache."""

    kind = "deadline"
    retryable = True
    out_of_time = True


class HelperClosed(GptError):
    """The helper was closed, before or while it was asked."""

    kind = "closed"
