"""What Telegram's answers mean, as claims; every exception here is made by Telethon from a server's answer."""

import pickle
from datetime import timedelta

import pytest
from telethon import errors
from telethon.errors import AuthKeyError, FloodError, FloodWaitError, ServerError, UnauthorizedError

from tests.telegram_errors.answers import answer
from utils.telegram_errors import ErrorKind, ErrorScope, classify, error_name

BY_CLASS = {
    ErrorKind.PERMANENT: """
        AuthKeyUnregisteredError AuthKeyInvalidError AuthKeyPermEmptyError SessionRevokedError SessionExpiredError
        UserDeactivatedError UserDeactivatedBanError PhoneNumberBannedError AccessTokenExpiredError
        AccessTokenInvalidError
    """,
    ErrorKind.NEEDS_PERSON: """
        AuthKeyDuplicatedError FrozenMethodInvalidError FrozenParticipantMissingError SessionPasswordNeededError
        PasswordHashInvalidError PhoneCodeInvalidError PhoneCodeExpiredError PhoneCodeEmptyError
        PhoneNumberUnoccupiedError PhoneNumberInvalidError AuthRestartError
    """,
    ErrorKind.CONFIGURATION: """
        ApiIdInvalidError ApiIdPublishedFloodError ConnectionNotInitedError ConnectionDeviceModelEmptyError
        BotMethodInvalidError UpdateAppToLoginError
    """,
    ErrorKind.TIMED: """
        FloodWaitError FloodPremiumWaitError SlowModeWaitError FloodTestPhoneWaitError TakeoutInitDelayError
        TwoFaConfirmWaitError SessionTooFreshError PasswordTooFreshError PreviousChatImportActiveWaitMinError
    """,
    ErrorKind.COOL_DOWN: """
        PeerFloodError PhoneNumberFloodError PhonePasswordFloodError FreshResetAuthorisationForbiddenError
        FreshChangePhoneForbiddenError FreshChangeAdminsForbiddenError UserRestrictedError
    """,
    ErrorKind.ACCOUNT_LIMIT: "ChannelsTooMuchError PremiumAccountRequiredError PremiumCurrentlyUnavailableError",
    ErrorKind.UNKNOWN_OUTCOME: """
        RandomIdDuplicateError TimedOutError TimeoutError RpcCallFailError RpcMcgetFailError InterdcCallErrorError
        InterdcCallRichErrorError WorkerBusyTooLongRetryError
    """,
    ErrorKind.TRANSIENT: """
        HistoryGetFailedError PersistentTimestampOutdatedError PhoneMigrateError NetworkMigrateError UserMigrateError
        FileMigrateError StatsMigrateError
    """,
    ErrorKind.PER_CHAT: """
        ChatWriteForbiddenError ChatAdminRequiredError ChatRestrictedError ChatForbiddenError
        ChatGuestSendForbiddenError ChatSendMediaForbiddenError ChatSendPlainForbiddenError
        ChannelPrivateError ChannelInvalidError
        ChannelBannedError UserBannedInChannelError UserKickedError UserNotParticipantError UserIsBlockedError
        UserBlockedError YouBlockedUserError UserPrivacyRestrictedError InputUserDeactivatedError PeerIdInvalidError
        UsernameNotOccupiedError InviteHashExpiredError InviteRequestSentError UserAlreadyParticipantError
        TopicDeletedError NeedMemberInvalidError NeedChatInvalidError ScheduleTooMuchError
    """,
    ErrorKind.REQUEST: "MessageTooLongError ScheduleDateTooLateError MessageNotModifiedError FileReferenceExpiredError",
}


@pytest.mark.parametrize(
    ("class_name", "kind"), [(name, kind) for kind, row in BY_CLASS.items() for name in row.split()]
)
def test_a_class_of_telethon_has_the_kind_that_was_found_out(class_name: str, kind: ErrorKind) -> None:
    cls = getattr(errors, class_name)
    arguments = {"message": cls.message} if class_name == "TimedOutError" else {}

    assert classify(cls(request=None, **arguments, **({"capture": 7} if _takes_number(cls) else {}))).kind is kind


def _takes_number(cls: type[errors.RPCError]) -> bool:
    return cls in {numbered for _, numbered in errors.rpc_errors_re}


@pytest.mark.parametrize("code", [400, 401, 403, 406, 420, 500])
@pytest.mark.parametrize(
    "text",
    [
        *("TOPIC_CLOSED", "PAYMENT_UNSUPPORTED", "ALLOW_PAYMENT_REQUIRED", "ALLOW_PAYMENT_REQUIRED_50"),
        *("PRIVACY_PREMIUM_REQUIRED", "BALANCE_TOO_LOW", "PAYMENT_REQUIRED", "CHAT_SEND_DOCS_FORBIDDEN"),
    ],
)
def test_a_closed_or_paid_chat_is_that_chats_whatever_class_it_comes_as(text: str, code: int) -> None:
    """Telethon has no class for these: the code alone chooses one, and 406 chooses AuthKeyError."""
    error = answer(code, text)
    facts = classify(error)

    assert isinstance(error, AuthKeyError) == (code == 406)
    assert (facts.kind, facts.scope, facts.refused) == (ErrorKind.PER_CHAT, ErrorScope.CHAT, True)
    assert facts.name == error_name(error) == text.removesuffix("_50")


def test_an_unknown_406_is_no_dead_login() -> None:
    """The classic way to lose a healthy session: `except AuthKeyError: delete it`."""
    error = answer(406, "SOMETHING_NEW")
    facts = classify(error)

    assert isinstance(error, AuthKeyError)
    assert (facts.kind, facts.retryable, facts.refused) == (ErrorKind.UNRECOGNISED, False, False)


def test_an_unknown_401_is_no_dead_login() -> None:
    assert classify(answer(401, "SOMETHING_NEW")).kind is ErrorKind.UNRECOGNISED


@pytest.mark.parametrize(("code", "text"), [(401, "UNAUTHORIZED"), (406, "AUTH_KEY")])
def test_a_refusal_without_a_reason_is_only_a_suspicion_against_the_login(code: int, text: str) -> None:
    facts = classify(answer(code, text))

    assert (facts.kind, facts.scope, facts.retryable) == (ErrorKind.TRANSIENT, ErrorScope.SESSION, True)


def test_a_bare_flood_is_a_cool_down() -> None:
    assert (classify(answer(420, "FLOOD")).kind, classify(answer(420, "FLOOD")).retry_after) == (
        ErrorKind.COOL_DOWN,
        None,
    )


def test_a_password_is_asked_for_by_a_401_and_the_login_lives() -> None:
    error = answer(401, "SESSION_PASSWORD_NEEDED")

    assert isinstance(error, UnauthorizedError)
    assert (classify(error).kind, classify(error).scope) == (ErrorKind.NEEDS_PERSON, ErrorScope.SESSION)


def test_a_deactivated_peer_is_not_our_account() -> None:
    """INPUT_USER_DEACTIVATED speaks of the person written to, USER_DEACTIVATED of who writes."""
    theirs, ours = classify(answer(400, "INPUT_USER_DEACTIVATED")), classify(answer(401, "USER_DEACTIVATED"))

    assert (theirs.kind, theirs.scope) == (ErrorKind.PER_CHAT, ErrorScope.CHAT)
    assert (ours.kind, ours.scope) == (ErrorKind.PERMANENT, ErrorScope.ACCOUNT)


def test_a_frozen_account_is_a_flood_without_seconds_and_needs_a_person() -> None:
    error = answer(420, "FROZEN_METHOD_INVALID")
    facts = classify(error)

    assert isinstance(error, FloodError)
    assert (facts.kind, facts.scope) == (ErrorKind.NEEDS_PERSON, ErrorScope.ACCOUNT)
    assert (facts.retry_after, facts.retryable) == (None, False)


def test_a_used_random_id_means_sent_or_being_sent() -> None:
    """A 500 to Telethon, which retries it; here its outcome is what is unknown, and the hint forbids a new id."""
    error = answer(500, "RANDOM_ID_DUPLICATE")
    facts = classify(error)

    assert isinstance(error, ServerError)
    assert (facts.kind, facts.scope, facts.refused) == (ErrorKind.UNKNOWN_OUTCOME, ErrorScope.REQUEST, False)
    assert "already sent or still being sent" in facts.hint


@pytest.mark.parametrize("code", [400, 406])
def test_a_private_channel_is_told_by_its_name_and_not_by_its_code(code: int) -> None:
    """The class says 400 whatever the server said."""
    error = answer(code, "CHANNEL_PRIVATE")

    assert error.code == 400
    assert (classify(error).kind, classify(error).scope) == (ErrorKind.PER_CHAT, ErrorScope.CHAT)


def test_a_ban_in_one_channel_leaves_out_that_chat_and_warns_of_a_second() -> None:
    """Telegram speaks in the plural; one such answer does not yet say which of the two it means."""
    facts = classify(answer(400, "USER_BANNED_IN_CHANNEL"))

    assert (facts.kind, facts.scope) == (ErrorKind.PER_CHAT, ErrorScope.CHAT)
    assert "second chat" in facts.hint


def test_a_key_used_twice_needs_a_person_and_is_not_dead() -> None:
    facts = classify(answer(406, "AUTH_KEY_DUPLICATED"))

    assert (facts.kind, facts.scope, facts.retryable) == (ErrorKind.NEEDS_PERSON, ErrorScope.SESSION, False)


def test_an_unsynchronised_key_is_a_passing_fault() -> None:
    """A 500 that begins like a dead key."""
    assert classify(answer(500, "AUTH_KEY_UNSYNCHRONIZED")).kind is ErrorKind.TRANSIENT


def test_a_reported_account_stops_sending_though_the_answer_is_a_400() -> None:
    facts = classify(answer(400, "PEER_FLOOD"))

    assert (facts.kind, facts.scope, facts.retryable) == (ErrorKind.COOL_DOWN, ErrorScope.ACCOUNT, False)


def test_a_full_account_keeps_its_bot_running() -> None:
    facts = classify(answer(400, "CHANNELS_TOO_MUCH"))

    assert (facts.kind, facts.scope, facts.retryable) == (ErrorKind.ACCOUNT_LIMIT, ErrorScope.ACCOUNT, False)


@pytest.mark.parametrize(
    ("text", "scope", "wait"),
    [
        ("FLOOD_WAIT_300", ErrorScope.ACCOUNT, timedelta(minutes=5)),
        ("FLOOD_PREMIUM_WAIT_9", ErrorScope.ACCOUNT, timedelta(seconds=9)),
        ("SLOWMODE_WAIT_30", ErrorScope.CHAT, timedelta(seconds=30)),
        ("PREVIOUS_CHAT_IMPORT_ACTIVE_WAIT_5MIN", ErrorScope.CHAT, timedelta(minutes=5)),
        ("SESSION_TOO_FRESH_86400", ErrorScope.REQUEST, timedelta(days=1)),
    ],
)
def test_a_wait_is_read_with_its_unit_and_reaches_no_further_than_it_should(
    text: str, scope: ErrorScope, wait: timedelta
) -> None:
    """Slow mode pauses one chat, a flood wait the account; both mean that nothing was done."""
    facts = classify(answer(420, text))

    assert (facts.kind, facts.scope, facts.retry_after) == (ErrorKind.TIMED, scope, wait)
    assert (facts.retryable, facts.refused) == (True, True)


@pytest.mark.parametrize(("seconds", "wait"), [(0, 1), (-3, 1), (10**40, 366 * 86400)])
def test_a_wait_that_telethon_was_given_oddly_is_still_a_wait(seconds: int, wait: int) -> None:
    """Telethon raises FloodWaitError by itself too, with what is left of an older wait."""
    facts = classify(FloodWaitError(request=None, capture=seconds))

    assert (facts.kind, facts.retry_after) == (ErrorKind.TIMED, timedelta(seconds=wait))


def test_a_wait_whose_number_was_lost_is_a_cool_down() -> None:
    error = FloodWaitError(request=None, capture=5)
    del error.seconds

    assert (classify(error).kind, classify(error).retry_after) == (ErrorKind.COOL_DOWN, None)


@pytest.mark.parametrize(("code", "text"), [(500, "INTERNAL"), (-503, "Timeout"), (500, "INTERDC_2_CALL_ERROR")])
def test_a_server_fault_leaves_the_outcome_unknown(code: int, text: str) -> None:
    facts = classify(answer(code, text))

    assert (facts.kind, facts.retryable, facts.refused) == (ErrorKind.UNKNOWN_OUTCOME, True, False)


def test_no_free_worker_means_that_nothing_was_done() -> None:
    facts = classify(answer(-500, "No workers running"))

    assert (facts.kind, facts.refused) == (ErrorKind.TRANSIENT, True)


@pytest.mark.parametrize(("code", "refused"), [(400, True), (406, True), (500, False), (-503, False)])
def test_a_name_placed_by_its_family_proves_nothing_behind_a_servers_fault(code: int, refused: bool) -> None:
    """What the name says is a guess then; that it was not executed must not be one."""
    facts = classify(answer(code, "STORY_ID_INVALID"))

    assert (facts.kind, facts.refused) == (ErrorKind.REQUEST, refused)


def test_a_class_of_ones_own_below_a_known_one_keeps_its_name() -> None:
    class OurRevoked(errors.SessionRevokedError):  # type: ignore[misc]  # Telethon ships no types
        pass

    assert error_name(OurRevoked(request=None)) == "SESSION_REVOKED"


def test_an_answer_without_a_name_has_its_class_for_one() -> None:
    error = errors.RPCError(None, None)

    assert (error_name(error), classify(error).kind) == ("RPCError", ErrorKind.UNRECOGNISED)


def test_an_error_from_another_process_means_the_same() -> None:
    """Errors cross processes pickled."""
    for text in ("FLOOD_WAIT_300", "TOPIC_CLOSED", "SESSION_REVOKED"):
        error = answer(406, text)

        assert classify(pickle.loads(pickle.dumps(error))) == classify(error)
