"""The table: names that ask for patience."""

from __future__ import annotations

from utils.telegram_errors.model import ErrorKind, ErrorScope, Group

GROUPS: tuple[Group, ...] = (
    # Telethon remembers it for the request's class, so it is raised for every chat until it is over.
    Group(
        kind=ErrorKind.TIMED,
        scope=ErrorScope.ACCOUNT,
        hint="pause this account as long as the server says, then go slower; not done, so keep the random_id",
        names="FLOOD_WAIT FLOOD_PREMIUM_WAIT FLOOD_TEST_PHONE_WAIT",
    ),
    # SLOW_MODE_WAIT is how some libraries spell it.
    Group(
        kind=ErrorKind.TIMED,
        scope=ErrorScope.CHAT,
        hint="pause this chat only, as long as the server says",
        names="SLOWMODE_WAIT SLOW_MODE_WAIT PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT",
    ),
    # The login or password is too young for this one method.
    Group(
        kind=ErrorKind.TIMED,
        scope=ErrorScope.REQUEST,
        hint="this one method has to wait as long as the server says; all else may go on",
        names="SESSION_TOO_FRESH PASSWORD_TOO_FRESH TAKEOUT_INIT_DELAY 2FA_CONFIRM_WAIT",
    ),
    # Too young as well, but told without seconds; Telegram's documentation speaks of 24 hours.
    Group(
        kind=ErrorKind.COOL_DOWN,
        scope=ErrorScope.REQUEST,
        hint="this login is too young for this one method: try it again after a day; all else may go on",
        names="FRESH_CHANGE_ADMINS_FORBIDDEN FRESH_CHANGE_PHONE_FORBIDDEN FRESH_RESET_AUTHORISATION_FORBIDDEN",
    ),
    # Reported for spam. PEER_FLOOD is a 400; USER_RESTRICTED speaks of creating chats but limits the whole account.
    # The session is healthy: stop sending, latched, until the operator resumes; no other account takes over.
    Group(
        kind=ErrorKind.COOL_DOWN,
        scope=ErrorScope.ACCOUNT,
        hint="stop sending from this account until the operator resumes it; the login itself is sound",
        names="PEER_FLOOD USER_RESTRICTED FLOOD",
    ),
    # Codes or passwords were asked for too often; more tries make it longer.
    Group(
        kind=ErrorKind.COOL_DOWN,
        scope=ErrorScope.ACCOUNT,
        hint="no more logins with this number today; a person tries again later",
        names="PHONE_NUMBER_FLOOD PHONE_PASSWORD_FLOOD",
    ),
)
