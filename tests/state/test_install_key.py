"""The fleet's secret: what is said where it cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import StateError
from core.state import StateFolder
from core.state.fingerprint import install_key
from tests.other_user import NOBODY, let_everybody_in


@pytest.fixture
def made(state: StateFolder) -> StateFolder:
    """A state folder with its secret."""
    state.make()
    install_key(state)
    return state


@pytest.fixture
def as_nobody(tmp_path: Path) -> Iterator[None]:
    """Root may read everything; as another user it is the kernel that refuses."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    let_everybody_in(tmp_path)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_secret_of_another_user_is_to_be_given_to_this_one(made: StateFolder, request: pytest.FixtureRequest) -> None:
    """Removed, as a broken one may be, it would be missed by all hosts that have the same."""
    os.chown(made.path, NOBODY, NOBODY)
    request.getfixturevalue("as_nobody")

    with pytest.raises(StateError) as refused:
        install_key(made)

    assert str(refused.value) == "the fleet's secret may not be read by the user nobody"
    assert refused.value.path == made.install_key
    assert refused.value.hint is not None
    assert refused.value.hint.endswith(f": chown nobody {made.install_key}")
    assert "made anew" not in refused.value.hint


def test_a_secret_without_the_right_to_read_it_is_to_be_made_readable(
    made: StateFolder, request: pytest.FixtureRequest
) -> None:
    for path in (made.path, made.install_key):
        os.chown(path, NOBODY, NOBODY)
    os.chmod(made.install_key, 0)
    request.getfixturevalue("as_nobody")

    with pytest.raises(StateError) as refused:
        install_key(made)

    assert refused.value.hint is not None
    assert refused.value.hint.endswith(f": chmod 600 {made.install_key}")


def test_a_secret_that_is_broken_comes_back_from_a_backup(made: StateFolder) -> None:
    Path(made.install_key).write_bytes(b"short")

    with pytest.raises(StateError, match="not 32 bytes long") as refused:
        install_key(made)

    assert refused.value.hint is not None
    assert refused.value.hint.startswith("bring it back from a backup")
