"""Finding, checking, giving back and removing backups; their manifests, encryption and settings."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, CopyFailed
from core.session_files import sample_fleet
from core.session_files.backups.catalog import Backup, Catalog, at
from core.session_files.backups.encryption import Cipher, Secret, read_cipher
from core.session_files.backups.errors import BackupUnusable, WrongBackupKey
from core.session_files.backups.fetch import check, fetch
from core.session_files.backups.manifest import Manifest, Source, from_json, to_json
from core.session_files.backups.rotation import RotationPolicy
from core.session_files.backups.settings import BACKUP_ROOM, BackupSettings
from core.session_files.backups.store import BackupStore
from core.settings import load_settings
from tests.session_files.test_backups import NOON, back_up, look, rows
from tests.tool import ROOT

KEY = Fernet.generate_key().decode()


@pytest.fixture
def cipher() -> Cipher:
    found = read_cipher(Secret(KEY), None)
    assert found is not None
    return found


@pytest.fixture
def session(sessions: Path) -> Path:
    sample_fleet.write_healthy(str(sessions / "shop"))
    return sessions / "shop.session"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path / "backups"))


def sealed_backup(tmp_path: Path, session: Path, cipher: Cipher) -> Backup:
    store = BackupStore(str(tmp_path / "backups"), policy=RotationPolicy(), cipher=cipher)
    store.take(look(session), now=NOON)
    (backup,) = store.settle()
    return backup


def several(tmp_path: Path, session: Path) -> list[Backup]:
    taken = []
    for day in range(3):
        os.utime(session)
        taken.append(back_up(tmp_path, session, now=NOON + timedelta(days=day)))
    return taken


def test_the_backups_of_a_session_are_listed_newest_first(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """By its path, by a relative path, by its name; nothing for another."""
    taken = several(tmp_path, session)

    for asked in (str(session), os.path.relpath(session), "shop"):
        (shelf,) = catalog.find(asked)
        assert list(shelf.backups) == taken[::-1], asked
    assert catalog.find("sho") == ()
    assert catalog.find(str(tmp_path / "shop.session")) == ()


def test_sessions_of_one_name_have_shelves_of_their_own(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """A name may mean several; a path means one."""
    other = tmp_path / "other" / "shop.session"
    other.parent.mkdir()
    sample_fleet.write_healthy(str(other)[: -len(".session")])
    back_up(tmp_path, session)
    back_up(tmp_path, other)

    assert len(catalog.find("shop")) == 2
    assert [one.backups[0].manifest.session for one in catalog.find(str(other))] == [str(other)]


def test_the_backups_of_a_session_that_is_gone_are_found(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """That is when they are needed."""
    taken = back_up(tmp_path, session)
    os.unlink(session)

    assert [shelf.backups for shelf in catalog.find(str(session))] == [(taken,)]


def test_the_newest_not_after_a_moment_is_chosen(tmp_path: Path, session: Path) -> None:
    """As of yesterday evening means what there was then."""
    first, second, third = several(tmp_path, session)

    backups = (third, first, second)
    assert at(backups, NOON + timedelta(days=1)) == second
    assert at(backups, NOON + timedelta(days=1, seconds=-1)) == first
    assert at(backups, NOON + timedelta(days=99)) == third
    assert at(backups, NOON - timedelta(seconds=1)) is None


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """The others are listed as ever, and it is neither rotated away nor counted."""
    first, second, third = several(tmp_path, session)
    Path(second.folder, "manifest.json").write_text("{")
    os.unlink(first.path)

    (shelf,) = catalog.find("shop")

    assert shelf.backups == (third,)
    assert sorted(str(one.path) for one in shelf.unusable) == sorted([first.path, f"{second.folder}/manifest.json"])
    assert catalog.totals().unusable == 2


def test_login_copies_are_counted(tmp_path: Path, session: Path, cipher: Cipher, catalog: Catalog) -> None:
    """Each is as good as the session to whoever reads it; the encrypted ones are told apart."""
    taken = several(tmp_path, session)
    os.utime(session)
    sealed = sealed_backup(tmp_path, session, cipher)

    totals = catalog.totals()

    size = sum(one.manifest.bytes for one in [*taken, sealed])
    assert (totals.sessions, totals.backups, totals.logins, totals.plain_logins) == (1, 4, 4, 3)
    assert totals.bytes == totals.login_bytes == size


def test_purging_removes_every_backup_of_one_session(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """A revoked login is nowhere then, also not in what a killed run left; other sessions keep theirs."""
    several(tmp_path, session)
    other = session.with_name("other.session")
    sample_fleet.write_healthy(str(other)[: -len(".session")])
    kept = back_up(tmp_path, other)
    (shelf,) = catalog.find("shop")
    Path(shelf.path, ".partial-20270101-000000").mkdir()
    Path(shelf.path, ".partial-20270101-000000", "shop.session").write_bytes(b"half")

    removed = catalog.purge(shelf)

    assert removed.backups == 4
    assert not os.path.exists(shelf.path)
    assert [shelf.backups for shelf in catalog] == [(kept,)]
    assert catalog.purge(shelf).backups == 0


def test_without_any_backup_everything_is_empty(catalog: Catalog) -> None:
    """Looking creates nothing."""
    assert list(catalog) == []
    assert catalog.totals().backups == 0
    assert catalog.find("shop") == ()


def test_a_backup_is_fetched_as_a_verified_file_beside_its_target(tmp_path: Path, session: Path) -> None:
    """The target itself is not touched."""
    taken = back_up(tmp_path, session)
    target = session.with_name("new.session")

    fetched = fetch(taken, str(target))

    assert Path(fetched.path).parent == target.parent
    assert Path(fetched.path).read_bytes() == Path(taken.path).read_bytes()
    assert stat.S_IMODE(os.stat(fetched.path).st_mode) == 0o600
    assert (fetched.contents.logged_in, fetched.contents.schema_version) == (True, 8)
    assert not fetched.path.endswith(".session")
    assert sorted(os.listdir(target.parent)) == [os.path.basename(fetched.path), "shop.session"]


def test_changed_bytes_are_not_given_back(tmp_path: Path, session: Path) -> None:
    """One bit is enough, and no file is left beside the target."""
    taken = back_up(tmp_path, session)
    with Path(taken.path).open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-100, os.SEEK_END)
        file.write(bytes([byte ^ 1]))

    with pytest.raises(BackupUnusable, match="its bytes are not those that were stored"):
        fetch(taken, str(session))
    with pytest.raises(BackupUnusable):
        check(taken)

    assert os.listdir(session.parent) == ["shop.session"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, session: Path) -> None:
    """Before anything is read."""
    taken = back_up(tmp_path, session)

    with pytest.raises(CopyFailed, match="no file could be made beside it"):
        fetch(taken, str(tmp_path / "none" / "a.session"))


def test_an_encrypted_backup_holds_nothing_in_the_clear_and_comes_back(
    tmp_path: Path, session: Path, cipher: Cipher
) -> None:
    """The key opens it; the database is nowhere on the way."""
    taken = sealed_backup(tmp_path, session, cipher)

    assert taken.manifest.encryption == "fernet"
    assert b"SQLite format 3" not in Path(taken.path).read_bytes()
    assert Path(taken.path).read_bytes().startswith(b"gAAAA")
    assert sorted(os.listdir(taken.folder)) == ["manifest.json", "shop.session"]
    check(taken, cipher=cipher)
    fetched = fetch(taken, str(session), cipher=cipher)
    assert rows(fetched.path) == rows(session)
    assert rows(fetched.path, "sessions") == rows(session, "sessions")


def test_another_key_opens_nothing_and_loses_nothing(tmp_path: Path, session: Path, cipher: Cipher) -> None:
    """One clear error, and the right key still works."""
    taken = sealed_backup(tmp_path, session, cipher)
    other = read_cipher(Secret(Fernet.generate_key().decode()), None)

    with pytest.raises(WrongBackupKey, match="encrypted with another key") as refused:
        fetch(taken, str(session), cipher=other)
    with pytest.raises(WrongBackupKey, match="no backup key is set"):
        fetch(taken, str(session))

    assert refused.value.hint == "set the key that it was made with; the backup is whole and stays as it is"
    assert os.listdir(session.parent) == ["shop.session"]
    check(taken, cipher=cipher)


def test_a_damaged_encrypted_backup_is_not_called_a_wrong_key(tmp_path: Path, session: Path, cipher: Cipher) -> None:
    """The checksum is of the stored file, so the two are told apart."""
    taken = sealed_backup(tmp_path, session, cipher)
    data = bytearray(Path(taken.path).read_bytes())
    data[200] ^= 1
    Path(taken.path).write_bytes(data)

    with pytest.raises(BackupUnusable) as refused:
        check(taken, cipher=cipher)

    assert not isinstance(refused.value, WrongBackupKey)


def test_setting_a_key_backs_up_an_unchanged_session_once_more(tmp_path: Path, session: Path, cipher: Cipher) -> None:
    """Else the newest backup would stay in the clear for as long as the bot is idle."""
    back_up(tmp_path, session)

    assert sealed_backup(tmp_path, session, cipher).manifest.encryption == "fernet"


def test_the_key_shows_itself_nowhere(tmp_path: Path) -> None:
    """Not in settings, not in errors."""
    key = tmp_path / "key"
    key.write_text(KEY[:-9])
    key.chmod(0o600)

    with pytest.raises(ConfigError) as refused:
        read_cipher(None, str(key))

    shown = repr(BackupSettings(key=Secret(KEY))) + str(refused.value) + repr(refused.value) + str(refused.value.hint)
    assert KEY[:-9] not in shown
    assert "32 bytes in URL-safe base64" in shown


def test_a_key_file_must_be_private(tmp_path: Path) -> None:
    """A key that all can read protects nothing."""
    key = tmp_path / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o640)

    with pytest.raises(ConfigError, match="not private") as refused:
        read_cipher(None, str(key))

    assert refused.value.hint == f"chmod 600 {key}"
    key.chmod(0o600)
    assert read_cipher(None, str(key)) is not None


@pytest.mark.parametrize(
    ("key", "name", "what"),
    [("x", None, "32 bytes"), ("", None, "32 bytes"), (KEY, "key", "both"), (None, "none", "cannot be read")],
)
def test_what_is_wrong_with_a_key_is_said(key: str | None, name: str | None, what: str, tmp_path: Path) -> None:
    """Before any backup is made."""
    with pytest.raises(ConfigError, match=what):
        read_cipher(None if key is None else Secret(key), str(tmp_path / name) if name else None)


def test_without_a_key_nothing_of_cryptography_is_imported() -> None:
    """It need not be installed; with a key and without it, the error says what to install."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['cryptography'] = None\n"
        "from core.session_files.backups import store, fetch, catalog, settings\n"
        "from core.session_files.backups.encryption import Secret, read_cipher\n"
        "assert read_cipher(None, None) is None\n"
        "try: read_cipher(Secret(sys.argv[2]), None)\n"
        "except Exception as error: print(error, '|', error.hint)\n"
    )

    done = subprocess.run([sys.executable, "-c", code, ROOT, KEY], capture_output=True, text=True, check=True)

    assert "need the package cryptography" in done.stdout
    assert "pip install cryptography" in done.stdout
    assert KEY not in done.stdout


def test_settings_are_read_as_those_of_other_rooms(tmp_path: Path) -> None:
    """Environment over file over default."""
    config = tmp_path / "gavat.toml"
    config.write_text("[backup]\nnewest = 3\nweekly = 0\n")
    environ = {"GAVAT_BACKUP_DAILY": "30", "GAVAT_BACKUP_KEY": KEY}

    (found,) = load_settings((BACKUP_ROOM,), flags={}, environ=environ, config_file=str(config))

    assert found.rotation == RotationPolicy(newest=3, daily=30, weekly=0)
    assert found.key.reveal() == KEY
    assert load_settings((BACKUP_ROOM,), flags={}, environ={}, config_file="")[0] == BackupSettings()


def test_a_policy_that_keeps_nothing_is_refused() -> None:
    """The newest backup always stays."""
    with pytest.raises(ConfigError, match="GAVAT_BACKUP_NEWEST"):
        load_settings((BACKUP_ROOM,), flags={}, environ={"GAVAT_BACKUP_NEWEST": "0"}, config_file="")


manifests = st.builds(
    Manifest,
    session=st.text(st.characters(), max_size=40),
    name=st.text(st.characters(exclude_characters="/\0"), max_size=40),
    taken_at=st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
    bytes=st.integers(0),
    blake2b=st.text("0123456789abcdef", min_size=128, max_size=128),
    source=st.builds(Source, st.integers(0), st.integers(0), st.integers(0), st.sampled_from(["delete", "wal"])),
    schema_version=st.none() | st.integers(1, 99),
    logged_in=st.booleans(),
    encryption=st.none() | st.just("fernet"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(manifests)
def test_a_manifest_reads_as_it_was_written(manifest: Manifest) -> None:
    """Names that are no UTF-8 included."""
    assert from_json(to_json(manifest), path="m") == manifest


@given(manifests, json_values)
def test_a_manifest_with_more_in_it_is_read(manifest: Manifest, more: object) -> None:
    """Later versions only add."""
    document = json.loads(to_json(manifest))
    document["more"] = document["file"]["more"] = more

    assert from_json(json.dumps(document).encode(), path="m") == manifest


@given(manifests, st.data())
def test_a_manifest_with_anything_else_in_a_place_is_named_or_read(manifest: Manifest, data: st.DataObject) -> None:
    """Never another error than the one that names it."""
    document = json.loads(to_json(manifest))
    part = data.draw(st.sampled_from([document, *(one for one in document.values() if isinstance(one, dict))]))
    key = data.draw(st.sampled_from(sorted(part)))
    if data.draw(st.booleans()):
        del part[key]
    else:
        part[key] = data.draw(json_values)

    try:
        from_json(json.dumps(document).encode(), path="m")
    except BackupUnusable as error:
        assert error.path == "m"  # noqa: PT017  # both outcomes are right


@given(st.binary(max_size=200))
def test_any_bytes_are_named(data: bytes) -> None:
    """A file of something else, half a file, nothing."""
    with pytest.raises(BackupUnusable):
        from_json(data, path="m")


def test_a_manifest_of_a_newer_version_says_so(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """Its backup is left as it is."""
    taken = back_up(tmp_path, session)
    path = Path(taken.folder, "manifest.json")
    document = json.loads(path.read_bytes())
    document["schema"]["version"] = 2
    path.write_text(json.dumps(document))

    (shelf,) = catalog.find(str(session))

    assert "newer version" in str(shelf.unusable[0])


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path, session: Path, catalog: Catalog) -> None:
    """The name in it is a name."""
    taken = back_up(tmp_path, session)
    path = Path(taken.folder, "manifest.json")
    document = json.loads(path.read_bytes())
    document["session"]["name"] = "../../../sessions/shop"
    path.write_text(json.dumps(document))

    assert catalog.find(str(session))[0].backups == ()
