"""Making a session ready: where it is leased and looked for."""

import os

import pytest

from tests.client.town import Town
from utils.leases import LeaseState, probe_os_lock

pytestmark = pytest.mark.asyncio


async def test_a_link_is_leased_beside_its_target(town: Town) -> None:
    home = town.folder / "home"
    home.mkdir()
    target = town.session.rename(home / "alice.session")
    town.session.symlink_to(target)

    await town.started()

    assert probe_os_lock(f"{target}.lock").state is LeaseState.HELD
    assert sorted(os.listdir(town.folder)) == ["alice.session", "home", "state"]


async def test_a_bot_that_ran_a_moment_ago_starts_again(town: Town) -> None:
    """A look that saw its file open is not believed once the file was closed."""
    client = town.client()
    answers = []
    for _run in range(3):
        answers.append(await client.start())
        await client.stop()

    assert (answers, client.failure) == ([True] * 3, None)
