"""The table: names that speak of the login, of the person behind it, or of how the program is set up."""

from __future__ import annotations

from utils.telegram_errors.model import ErrorKind, ErrorScope, Group

GROUPS: tuple[Group, ...] = (
    # Telegram answers so for a key it no longer takes: logged out on another device, expired, never bound to a user.
    # The file stays where it is all the same (see ErrorKind.PERMANENT).
    Group(
        kind=ErrorKind.PERMANENT,
        scope=ErrorScope.SESSION,
        hint="stop this bot and log in again, or restore a backup with another key; leave the session file in place",
        names="""
            AUTH_KEY_UNREGISTERED AUTH_KEY_INVALID AUTH_KEY_PERM_EMPTY SESSION_REVOKED SESSION_EXPIRED
        """,
    ),
    # The account itself is deleted or banned.
    Group(
        kind=ErrorKind.PERMANENT,
        scope=ErrorScope.ACCOUNT,
        hint="stop this bot: its account is deleted or banned; appeal in an official app, or replace the account",
        names="USER_DEACTIVATED USER_DEACTIVATED_BAN PHONE_NUMBER_BANNED",
    ),
    # The bot token was revoked or never was one.
    Group(
        kind=ErrorKind.PERMANENT,
        scope=ErrorScope.ACCOUNT,
        hint="stop this bot and give it a token that @BotFather still knows",
        names="ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_INVALID",
    ),
    # Two places used one key at once. Some keys lived on, some did not: a person proves single ownership first.
    Group(
        kind=ErrorKind.NEEDS_PERSON,
        scope=ErrorScope.SESSION,
        hint="find the second copy of this login and stop it; only then one slow try, else log in again",
        names="AUTH_KEY_DUPLICATED",
    ),
    # Frozen: the key lives, the account may only read. FROZEN_METHOD_INVALID comes as a flood without seconds.
    Group(
        kind=ErrorKind.NEEDS_PERSON,
        scope=ErrorScope.ACCOUNT,
        hint="stop this account: Telegram froze it; its owner appeals in an official app",
        names="FROZEN_METHOD_INVALID FROZEN_PARTICIPANT_MISSING",
    ),
    # The two-step password. SESSION_PASSWORD_NEEDED is a 401 and yet only the next step of a login.
    Group(
        kind=ErrorKind.NEEDS_PERSON,
        scope=ErrorScope.SESSION,
        hint="log in by hand and enter the two-step verification password",
        names="""
            SESSION_PASSWORD_NEEDED PASSWORD_HASH_INVALID PASSWORD_EMPTY SRP_ID_INVALID SRP_PASSWORD_CHANGED
            PHONE_PASSWORD_PROTECTED PASSWORD_RECOVERY_EXPIRED PASSWORD_RECOVERY_NA
        """,
    ),
    # The login code, the number, a QR or e-mail login, or Telegram wanting the login begun anew (AUTH_RESTART, a 500).
    Group(
        kind=ErrorKind.NEEDS_PERSON,
        scope=ErrorScope.SESSION,
        hint="begin the login again by hand, with the right number and a fresh code",
        names="""
            PHONE_CODE_INVALID PHONE_CODE_EXPIRED PHONE_CODE_EMPTY PHONE_CODE_HASH_EMPTY PHONE_HASH_EXPIRED
            PHONE_NUMBER_INVALID PHONE_NUMBER_UNOCCUPIED PHONE_NUMBER_OCCUPIED PHONE_NUMBER_APP_SIGNUP_FORBIDDEN
            CODE_EMPTY CODE_INVALID CODE_HASH_INVALID SEND_CODE_UNAVAILABLE SMS_CODE_CREATE_FAILED
            EMAIL_HASH_EXPIRED EMAIL_INVALID EMAIL_UNCONFIRMED EMAIL_VERIFY_EXPIRED AUTH_RESTART SIGN_IN_FAILED
            AUTH_TOKEN_ALREADY_ACCEPTED AUTH_TOKEN_EXCEPTION AUTH_TOKEN_EXPIRED AUTH_TOKEN_INVALID AUTH_TOKEN_INVALID2
            AUTH_TOKEN_INVALIDX ACTIVE_USER_REQUIRED
        """,
    ),
    # Every session of the installation would be refused alike.
    Group(
        kind=ErrorKind.CONFIGURATION,
        scope=ErrorScope.SESSION,
        hint="correct api_id and api_hash (my.telegram.org); no session is at fault",
        names="API_ID_INVALID API_ID_PUBLISHED_FLOOD CONNECTION_API_ID_INVALID",
    ),
    # What the client tells of itself in initConnection; CONNECTION_NOT_INITED also follows a connect() that failed
    # half-way and was not followed by disconnect().
    Group(
        kind=ErrorKind.CONFIGURATION,
        scope=ErrorScope.SESSION,
        hint="give the client device model, versions and languages, or a newer Telethon; disconnect and build it anew",
        names="""
            CONNECTION_APP_VERSION_EMPTY CONNECTION_DEVICE_MODEL_EMPTY CONNECTION_LANG_PACK_INVALID
            CONNECTION_LAYER_INVALID CONNECTION_NOT_INITED CONNECTION_SYSTEM_EMPTY CONNECTION_SYSTEM_LANG_CODE_EMPTY
            INPUT_LAYER_INVALID UPDATE_APP_TO_LOGIN PUBLIC_KEY_REQUIRED
        """,
    ),
    # A bot stands where a user is needed, or a user where a bot is.
    Group(
        kind=ErrorKind.CONFIGURATION,
        scope=ErrorScope.REQUEST,
        hint="this method is for bots only or for users only: use an account of the other sort",
        names="""
            BOT_METHOD_INVALID BOT_MISSING USER_BOT_REQUIRED USER_BOT_INVALID BOT_PAYMENTS_DISABLED BOT_POLLS_DISABLED
            SCHEDULE_BOT_NOT_ALLOWED BOT_ONESIDE_NOT_AVAIL BOT_CHANNELS_NA FROM_MESSAGE_BOT_DISABLED
            INLINE_BOT_REQUIRED
        """,
    ),
    # The account is full.
    Group(
        kind=ErrorKind.ACCOUNT_LIMIT,
        scope=ErrorScope.ACCOUNT,
        hint="this account is full: a person leaves chats, unpins or removes something; the bot may go on",
        names="""
            CHANNELS_TOO_MUCH CHANNELS_ADMIN_PUBLIC_TOO_MUCH CHANNELS_ADMIN_LOCATED_TOO_MUCH PINNED_DIALOGS_TOO_MUCH
        """,
    ),
    # The account lacks something it would need: premium, stars, a profile picture, a password, a setting.
    Group(
        kind=ErrorKind.ACCOUNT_LIMIT,
        scope=ErrorScope.ACCOUNT,
        hint="this account may not do that as it stands: its owner decides; the bot may go on",
        names="""
            PREMIUM_ACCOUNT_REQUIRED PREMIUM_CURRENTLY_UNAVAILABLE AUTOARCHIVE_NOT_AVAILABLE SENSITIVE_CHANGE_FORBIDDEN
            USERPIC_UPLOAD_REQUIRED USERPIC_PRIVACY_REQUIRED PASSWORD_MISSING PASSWORD_REQUIRED TMP_PASSWORD_DISABLED
            TMP_PASSWORD_INVALID RESET_REQUEST_MISSING
        """,
    ),
)
