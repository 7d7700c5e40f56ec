"""Logging in by code, with a password besides, or by a bot's token; and logging out."""

import os
from typing import Any

from telethon.tl import types

from tests.telegram.accounts import Account, Standing
from tests.telegram.codes import CodeState
from tests.telegram.methods.registry import Call, method
from tests.telegram.refusals import Refusal
from tests.telegram.srp import ALGORITHM, Challenge
from tests.telegram.views import user_of

FEWEST_DIGITS = 7


@method("auth.sendCode", needs_login=False)
def send_code(call: Call) -> Any:
    """Send a code, also to a number that nobody has registered: only the next step tells."""
    phone = call.query.phone_number.removeprefix("+")
    if not phone.isdigit() or len(phone) < FEWEST_DIGITS:
        raise Refusal("PHONE_NUMBER_INVALID")
    account = call.world.account_by_phone(phone)
    if account is not None and account.standing is Standing.BANNED:
        raise Refusal("PHONE_NUMBER_BANNED")
    return _sent(call.world.codes.send(phone, call.settings.login_code))


@method("auth.resendCode", needs_login=False)
def resend_code(call: Call) -> Any:
    """Send another code for the same login."""
    if call.world.codes.check(call.query.phone_code_hash, "") is CodeState.EXPIRED:
        raise Refusal("PHONE_CODE_EXPIRED")
    return _sent(call.world.codes.send(call.query.phone_number.removeprefix("+"), call.settings.login_code))


@method("auth.signIn", needs_login=False)
def sign_in(call: Call) -> Any:
    """Log in with the code; an account with a password has to prove that next."""
    if not call.query.phone_code:
        raise Refusal("PHONE_CODE_EMPTY")
    match call.world.codes.check(call.query.phone_code_hash, call.query.phone_code):
        case CodeState.EXPIRED:
            raise Refusal("PHONE_CODE_EXPIRED")
        case CodeState.WRONG:
            raise Refusal("PHONE_CODE_INVALID")
        case CodeState.RIGHT:
            account = call.world.account_by_phone(call.query.phone_number)
    if account is None:
        return types.auth.AuthorizationSignUpRequired()
    call.world.codes.use(call.query.phone_code_hash)
    if account.password is not None:
        call.key.await_password(account)
        raise Refusal("SESSION_PASSWORD_NEEDED")
    return _logged_in(call, account)


@method("account.getPassword", needs_login=False)
def get_password(call: Call) -> Any:
    """The challenge that a password has to meet."""
    account = call.key.awaiting_password or call.key.account
    if account is None:
        raise Refusal("AUTH_KEY_UNREGISTERED")
    unset = types.SecurePasswordKdfAlgoUnknown()
    if account.password is None:
        return types.account.Password(ALGORITHM, unset, os.urandom(16), has_password=False)
    challenge = Challenge(account.password)
    number = int.from_bytes(os.urandom(7))
    call.key.challenges[number] = challenge
    return types.account.Password(
        ALGORITHM,
        unset,
        os.urandom(16),
        has_password=True,
        current_algo=ALGORITHM,
        srp_B=challenge.public,
        srp_id=number,
        hint="",
    )


@method("auth.checkPassword", needs_login=False)
def check_password(call: Call) -> Any:
    """Log in if the password is proved."""
    account = call.key.awaiting_password
    if account is None:
        raise Refusal("AUTH_KEY_UNREGISTERED")
    answer = call.query.password
    challenge = call.key.challenges.pop(getattr(answer, "srp_id", 0), None)
    if challenge is None:
        raise Refusal("SRP_ID_INVALID")
    if not challenge.is_met(answer):
        raise Refusal("PASSWORD_HASH_INVALID")
    return _logged_in(call, account)


@method("auth.importBotAuthorization", needs_login=False)
def import_bot_authorization(call: Call) -> Any:
    """Log in as the bot that has this token."""
    token = call.query.bot_auth_token
    account = next((account for account in call.world.accounts if account.bot_token == token), None)
    if account is None or token is None:
        raise Refusal("ACCESS_TOKEN_INVALID")
    return _logged_in(call, account)


@method("auth.logOut")
def log_out(call: Call) -> Any:
    """End this login; the key stays, with nobody logged in."""
    call.key.log_out()
    return types.auth.LoggedOut()


def _sent(code_hash: str) -> Any:
    return types.auth.SentCode(types.auth.SentCodeTypeApp(5), code_hash)


def _logged_in(call: Call, account: Account) -> Any:
    call.key.log_in(account)
    return types.auth.Authorization(user_of(account, account))
