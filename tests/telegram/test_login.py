"""Logging in by code, by password and by token, with a key that both sides know or with one that they agree upon."""

from pathlib import Path

import pytest
from telethon import TelegramClient, errors
from telethon.crypto import rsa

from tests.telegram import Fault, Telegram
from tests.telegram.clients import API_HASH, API_ID, connected

pytestmark = pytest.mark.asyncio


async def test_a_code_logs_in(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    path = telegram.new_key_session(sessions / "new")

    async with connected(path) as client:
        assert not await client.is_user_authorized()
        await client.send_code_request(f"+{alice.phone}")
        with pytest.raises(errors.PhoneCodeInvalidError):
            await client.sign_in(alice.phone, "00000")
        me = await client.sign_in(alice.phone, telegram.login_code)
    async with connected(path) as client:
        assert await client.is_user_authorized()

    assert (me.id, len(alice.keys)) == (alice.id, 2)


async def test_an_expired_code_is_refused(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")

    async with connected(telegram.new_key_session(sessions / "new")) as client:
        await client.send_code_request(alice.phone)
        telegram.expire_codes()
        with pytest.raises(errors.PhoneCodeExpiredError):
            await client.sign_in(alice.phone, telegram.login_code)
        await client.send_code_request(alice.phone)
        assert await client.sign_in(alice.phone, telegram.login_code)


async def test_phones_that_nobody_has_are_refused(telegram: Telegram, sessions: Path) -> None:
    """A number that could be one gets a code, and only then hears that nobody has it."""
    banned = telegram.add_user("banned")
    banned.ban()

    async with connected(telegram.new_key_session(sessions / "new")) as client:
        await client.send_code_request("+999001112233")
        with pytest.raises(errors.PhoneNumberUnoccupiedError):
            await client.sign_in("+999001112233", telegram.login_code)
        with pytest.raises(errors.PhoneNumberInvalidError):
            await client.send_code_request("+12")
        with pytest.raises(errors.PhoneNumberBannedError):
            await client.send_code_request(banned.phone)


async def test_a_password_has_to_be_proved(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice", password="correct horse")

    async with connected(telegram.new_key_session(sessions / "new")) as client:
        await client.send_code_request(alice.phone)
        with pytest.raises(errors.SessionPasswordNeededError):
            await client.sign_in(alice.phone, telegram.login_code)
        with pytest.raises(errors.SessionPasswordNeededError):
            await client.send_message("me", "not yet")
        with pytest.raises(errors.PasswordHashInvalidError):
            await client.sign_in(password="wrong horse")
        me = await client.sign_in(password="correct horse")

    assert me.id == alice.id


async def test_a_token_logs_a_bot_in(telegram: Telegram, sessions: Path) -> None:
    bot = telegram.add_bot("echo_bot")

    async with connected(telegram.new_key_session(sessions / "new")) as client:
        with pytest.raises(errors.AccessTokenInvalidError):
            await client.sign_in(bot_token=f"{bot.id}:wrong")
        me = await client.sign_in(bot_token=bot.bot_token)

    assert (me.id, me.bot) == (bot.id, True)


async def test_logging_out_ends_the_login(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    path = alice.session_file(sessions / "alice")
    copy = alice.session_file(sessions / "copy")

    async with connected(path) as client:
        assert await client.log_out()
    async with connected(copy) as client:
        assert not await client.is_user_authorized()

    assert not path.exists()
    assert alice.keys == []


async def test_a_revoked_session_logs_in_again_with_its_key(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice", password="correct horse")
    path = alice.session_file(sessions / "alice")
    alice.revoke()

    async with connected(path) as client:
        assert await client.get_me() is None
        await client.send_code_request(alice.phone)
        with pytest.raises(errors.SessionPasswordNeededError):
            await client.sign_in(alice.phone, telegram.login_code)
        await client.sign_in(password="correct horse")
        assert (await client.get_me()).id == alice.id


async def test_a_session_without_a_key_makes_one_with_the_server(telegram: Telegram, sessions: Path) -> None:
    bot = telegram.add_bot("echo_bot")
    rsa.add_key(telegram.public_key, old=False)
    path = telegram.blank_session(sessions / "blank")

    async with connected(path) as client:
        await client.sign_in(bot_token=bot.bot_token)
    async with connected(path) as client:
        assert (await client.get_me()).id == bot.id

    assert [request.method for request in telegram.requests()][:3] == ["reqPqMulti", "reqDHParams", "setClientDHParams"]
    assert len(telegram.requests("reqPqMulti")) == 1


async def test_a_login_moves_to_another_data_centre(telegram: Telegram, sessions: Path) -> None:
    alice = telegram.add_user("alice")
    rsa.add_key(telegram.public_key, old=False)
    telegram.faults.add(Fault.error("PHONE_MIGRATE_4", method="auth.sendCode", times=1))

    async with connected(telegram.new_key_session(sessions / "new")) as client:
        await client.send_code_request(alice.phone)
        await client.sign_in(alice.phone, telegram.login_code)
        assert client.session.dc_id == 4

    assert len(telegram.requests("reqPqMulti")) == 1


async def test_start_asks_for_what_it_needs(
    telegram: Telegram, sessions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = telegram.add_user("alice", password="correct horse")

    client = TelegramClient(telegram.new_key_session(sessions / "new"), API_ID, API_HASH)
    await client.start(
        phone=lambda: alice.phone, code_callback=lambda: telegram.login_code, password=lambda: "correct horse"
    )
    me = await client.get_me()
    await client.disconnect()

    assert me.id == alice.id
    assert "Signed in successfully as alice" in capsys.readouterr().out
