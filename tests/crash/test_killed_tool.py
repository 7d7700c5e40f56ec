"""The tool itself killed at any call that changes a file, below the fleet's folder or its own state folder."""

import shutil
from collections.abc import Callable
from random import Random

import pytest

from tests.crash.bench import set_up, unmended
from tests.crash.families import Fleet, build_fleet, lost_from
from tests.crash.laboratory import SEED, Laboratory
from tests.crash.proof import render_table
from tests.crash.remedies import Remedy, make_look_old
from tests.killing import Job

KILLS = 100
FINISHED = {0, 3}  # 3: the damaged, the half-created and the orphaned cannot be mended, and are named


@pytest.fixture(scope="module")
def fleet(laboratory: Laboratory) -> Fleet:
    """Every kind of family, made once."""
    return build_fleet(laboratory)


def test_deleting_the_sidecars_of_this_fleet_loses_families_so_the_judge_can_fail(
    laboratory: Laboratory, fleet: Fleet
) -> None:
    """The folk remedy destroys half of the same families without any kill, and has no backup."""
    bench = set_up(laboratory, fleet)
    make_look_old(bench.folder)

    laboratory.parent.run(Job(target=Remedy.NAIVE, args=(bench.folder, bench.state)))

    assert len(lost_from(fleet, bench.folder, bench.state, laboratory.folder("naive"))) >= 5


def test_an_undisturbed_run_mends_every_family_that_can_be_mended(laboratory: Laboratory, fleet: Fleet) -> None:
    """The control: without a kill nothing is lost, nothing is left, and the hopeless are reported."""
    bench = set_up(laboratory, fleet)

    outcome = bench.run()

    assert outcome.value == 3
    assert lost_from(fleet, bench.folder, bench.state, laboratory.folder("control")) == []
    assert unmended(fleet, bench) == []


@pytest.mark.timeout(3600)
def test_a_tool_killed_anywhere_loses_nothing_and_a_second_run_finishes(
    laboratory: Laboratory, fleet: Fleet, publish: Callable[[str, str], None]
) -> None:
    """At every kill each family is whole, in place or in the backup; then one more run mends them all."""
    calls = set_up(laboratory, fleet).run().calls
    points = range(1, calls + 1)
    kills = list(points) if laboratory.full else sorted(Random(SEED).sample(points, min(KILLS, calls)))
    lost, unfinished, killed = [], [], 0

    for kill_at in kills:
        bench = set_up(laboratory, fleet)
        killed += bench.run(kill_at=kill_at).killed
        scratch = laboratory.folder("judged")
        lost += [f"kill {kill_at} of {calls}: {what}" for what in lost_from(fleet, bench.folder, bench.state, scratch)]
        code = bench.run().value
        left = unmended(fleet, bench)
        unfinished += [f"kill {kill_at} of {calls}, second run gave {code}: {what}" for what in left]
        if code not in FINISHED:
            unfinished.append(f"kill {kill_at} of {calls}: second run gave {code}")
        if not lost and not unfinished:
            shutil.rmtree(bench.root)
            shutil.rmtree(scratch)

    head = ["kills", "of write-type calls", "families", "families lost", "not finished by a second run"]
    families = len(fleet.writers) + 2
    publish("Killed tool", render_table(head, [[killed, calls, killed * families, len(lost), len(unfinished)]]))
    assert lost == []
    assert unfinished == []
    assert killed >= max(1, len(kills) * 0.95)  # the number of calls may differ by a few from run to run
