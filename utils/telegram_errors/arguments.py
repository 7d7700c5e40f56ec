"""The table: names that speak of the arguments of one request; the endings that say so are a family in `lookup`."""

from __future__ import annotations

from utils.telegram_errors.model import ErrorKind, ErrorScope, Group

GROUPS: tuple[Group, ...] = (
    # What is asked of is over, taken, or already so; repeating it cannot help.
    Group(
        kind=ErrorKind.REQUEST,
        scope=ErrorScope.REQUEST,
        hint="do not repeat: what it asks of is over, taken, missing or already so",
        names="""
            CALL_ALREADY_ACCEPTED CALL_ALREADY_DECLINED ENCRYPTION_ALREADY_ACCEPTED ENCRYPTION_ALREADY_DECLINED
            ENCRYPTION_DECLINED GROUPCALL_ALREADY_DISCARDED GROUPCALL_ALREADY_STARTED GROUPCALL_JOIN_MISSING
            GROUPCALL_SSRC_DUPLICATE_MUCH PARTICIPANT_JOIN_MISSING REFLECTOR_NOT_AVAILABLE
            BOT_RESPONSE_TIMEOUT INLINE_RESULT_EXPIRED MESSAGE_EDIT_TIME_EXPIRED MSG_TOO_OLD MESSAGE_POLL_CLOSED
            REVOTE_NOT_ALLOWED POLL_VOTE_REQUIRED QUIZ_ANSWER_MISSING EXPIRE_FORBIDDEN
            USERNAME_OCCUPIED USERNAME_PURCHASE_AVAILABLE SHORT_NAME_OCCUPIED SHORTNAME_OCCUPY_FAILED
            PACK_SHORT_NAME_OCCUPIED STICKERSET_OWNER_ANONYMOUS CONTACT_ADD_MISSING CONTACT_REQ_MISSING
            TAKEOUT_REQUIRED TEMP_AUTH_KEY_ALREADY_BOUND TEMP_AUTH_KEY_EMPTY
        """,
    ),
    # Ask for the thing again, then use what comes: references and graphs grow old.
    Group(
        kind=ErrorKind.REQUEST,
        scope=ErrorScope.REQUEST,
        hint="fetch the message, file or graph again and build the request from it",
        names="""
            FILE_REFERENCE_EXPIRED FILE_REFERENCE_INVALID FILE_REFERENCE_EMPTY FILEREF_UPGRADE_NEEDED
            GRAPH_EXPIRED_RELOAD GRAPH_INVALID_RELOAD GRAPH_OUTDATED_RELOAD
        """,
    ),
    # Too many, too big, twice the same, too far in the future.
    Group(
        kind=ErrorKind.REQUEST,
        scope=ErrorScope.REQUEST,
        hint="ask for less: too many, too big, too late, or twice the same",
        names="""
            ALBUM_PHOTOS_TOO_MANY BOT_COMMANDS_TOO_MUCH OPTIONS_TOO_MUCH POLL_OPTION_DUPLICATE
            QUIZ_CORRECT_ANSWERS_TOO_MUCH REACTIONS_TOO_MANY RESULTS_TOO_MUCH RESULT_ID_DUPLICATE SCHEDULE_DATE_TOO_LATE
            STICKERPACK_STICKERS_TOO_MUCH STICKERS_TOO_MUCH STICKER_VIDEO_BIG WEBDOCUMENT_SIZE_TOO_BIG FILE_PART_TOO_BIG
            PHOTO_CROP_SIZE_SMALL
        """,
    ),
    # The file sent is of the wrong form, incomplete, or could not be fetched.
    Group(
        kind=ErrorKind.REQUEST,
        scope=ErrorScope.REQUEST,
        hint="send another file: this one is incomplete, of the wrong form, or cannot be fetched",
        names="""
            FILE_EMTPY FILE_PART_MISSING FILE_PART_SIZE_CHANGED IMAGE_PROCESS_FAILED IMPORT_FORMAT_UNRECOGNIZED
            PHOTO_CROP_FILE_MISSING PHOTO_FILE_MISSING PHOTO_INVALID_DIMENSIONS STICKER_GIF_DIMENSIONS
            STICKER_PNG_DIMENSIONS STICKER_PNG_NOPNG STICKER_TGS_NODOC STICKER_TGS_NOTGS STICKER_THUMB_PNG_NOPNG
            STICKER_THUMB_TGS_NOTGS STICKER_VIDEO_NODOC STICKER_VIDEO_NOWEBM EMOTICON_STICKERPACK_MISSING
            WEBPAGE_CURL_FAILED
        """,
    ),
    # The program asks for what the method, or this version of the protocol, does not have.
    Group(
        kind=ErrorKind.REQUEST,
        scope=ErrorScope.REQUEST,
        hint="correct the program: the method does not take this, or Telethon is too old for it",
        names="""
            ADMIN_RANK_EMOJI_NOT_ALLOWED FILTER_NOT_SUPPORTED LANG_CODE_NOT_SUPPORTED POLL_UNSUPPORTED
            SEARCH_WITH_LINK_NOT_SUPPORTED INPUT_FETCH_ERROR INPUT_FETCH_FAIL RSA_DECRYPT_FAILED UNKNOWN_METHOD
            AUTH_BYTES_INVALID USER_VOLUME_INVALID
        """,
    ),
)
