"""The table: names that speak of the servers' own trouble."""

from __future__ import annotations

from utils.telegram_errors.model import ErrorKind, ErrorScope, Group

GROUPS: tuple[Group, ...] = (
    # A 500 that Telethon takes for a passing fault and retries. It says that a message with this random_id was
    # already sent, or is being sent at this moment.
    Group(
        kind=ErrorKind.UNKNOWN_OUTCOME,
        scope=ErrorScope.REQUEST,
        hint="already sent or still being sent: look for the message; never repeat it with a new random_id",
        names="RANDOM_ID_DUPLICATE",
    ),
    # Something broke or took too long while the request was worked on; it may have been finished behind the fault.
    Group(
        kind=ErrorKind.UNKNOWN_OUTCOME,
        scope=ErrorScope.NETWORK,
        hint="repeat the same request with the same random_id after a back-off, or look whether it was done",
        names="""
            INTERNAL TIMEOUT TIMEDOUT RPC_CALL_FAIL RPC_MCGET_FAIL INTERDC_CALL_ERROR INTERDC_CALL_RICH_ERROR
            WORKER_BUSY_TOO_LONG_RETRY POSTPONED_TIMEOUT MSG_WAIT_FAILED MSG_WAIT_TIMEOUT MT_SEND_QUEUE_TOO_LONG
            PTS_CHANGE_EMPTY STORAGE_CHECK_FAILED STORE_INVALID_SCALAR_TYPE CDN_UPLOAD_TIMEOUT
            CALL_OCCUPY_FAILED PARTICIPANT_CALL_FAILED CREATE_CALL_FAILED GROUPCALL_ADD_PARTICIPANTS_FAILED
            ENCRYPTION_OCCUPY_FAILED MEMBER_OCCUPY_PRIMARY_LOC_FAILED CHAT_ID_GENERATE_FAILED REG_ID_GENERATE_FAILED
            API_CALL_ERROR
        """,
    ),
    # Nothing was done: nobody was free to work, a read failed, or Telegram asks for the call to be repeated.
    Group(
        kind=ErrorKind.TRANSIENT,
        scope=ErrorScope.NETWORK,
        hint="repeat after a back-off",
        names="""
            NO_WORKERS_RUNNING HISTORY_GET_FAILED CHAT_GET_FAILED CHP_CALL_FAIL PERSISTENT_TIMESTAMP_OUTDATED
            MSGID_DECREASE_RETRY MEMBER_NO_LOCATION AUTH_KEY_UNSYNCHRONIZED
        """,
    ),
    # Another data centre is to be asked; Telethon follows by itself, so one that comes out may be repeated.
    Group(
        kind=ErrorKind.TRANSIENT,
        scope=ErrorScope.NETWORK,
        hint="connect again: Telegram names another data centre, and Telethon follows",
        names="PHONE_MIGRATE NETWORK_MIGRATE USER_MIGRATE FILE_MIGRATE STATS_MIGRATE ERROR_SEE_OTHER",
    ),
    # A refusal that says no more than its code; Telegram gave better names to dead logins, so this is only a suspicion.
    Group(
        kind=ErrorKind.TRANSIENT,
        scope=ErrorScope.SESSION,
        hint="try again slowly, a few times; if it stays, a person looks at the login",
        names="UNAUTHORIZED AUTH_KEY",
    ),
    # Telegram itself says no more.
    Group(
        kind=ErrorKind.UNRECOGNISED,
        scope=ErrorScope.UNKNOWN,
        hint="Telegram gives no reason: hands off, show the request to the operator",
        names="UNKNOWN_ERROR BAD_REQUEST FORBIDDEN NOT_FOUND NOT_ACCEPTABLE NOT_ALLOWED",
    ),
)
