"""What an error met while talking to Telegram means: who is to blame, whether to repeat, what to do next.

One table for the whole project, read by the error's **name**. Telethon's base classes say nothing: an unknown 406
becomes `AuthKeyError` (TOPIC_CLOSED is one), SESSION_PASSWORD_NEEDED is a 401, RANDOM_ID_DUPLICATE a `ServerError`.
Nothing here imports Telethon. Floors, imports going down: classify → lookup → logins, waits, outcomes, chats,
arguments (the table), local (what is no answer of Telegram's) → names → model.
"""

from utils.telegram_errors.classify import classify, error_name
from utils.telegram_errors.lookup import classify_name
from utils.telegram_errors.model import ErrorFacts, ErrorKind, ErrorScope

__all__ = ["ErrorFacts", "ErrorKind", "ErrorScope", "classify", "classify_name", "error_name"]
