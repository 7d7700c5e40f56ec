"""One login, several processes: exactly one runs, the others are told who, and when it ends another takes over."""

import signal

from tests.client.fleet import LOCKED, Fleet, Listening
from tests.client.fleet_process import Did

NAME = "bot00.session"
FEW = 3
TAKEOVERS = 5
RIVALS = 6


def insist(lone: Fleet) -> Listening:
    """A process that tries to run the one session until it is let."""
    return Listening(lone, lone.start_job("fleet_process:insist", lone.sessions / NAME, lone.bob.id))


def listen(children: list[Listening]) -> list[Listening]:
    """Take what is new from all; those that run."""
    for child in children:
        child.running.ends_within(0.002)
        child.listen()
    return [child for child in children if child.has(Did.STARTED)]


def wait_for_one(children: list[Listening]) -> Listening:
    """Whoever runs, once every other one was refused at least once."""
    while True:
        running = listen(children)
        if running and all(child.has(Did.REFUSED) for child in children if child not in running):
            (only,) = running
            return only


def kill(child: Listening) -> None:
    child.running.send_signal(signal.SIGKILL)
    child.end()


def assert_one_at_a_time(lone: Fleet) -> None:
    """What the server saw, what the files hold, what the logs say."""
    assert lone.burnt() == []
    assert lone.lost() == []
    assert lone.log_lines(LOCKED) == []
    assert lone.log_lines("LEASE_HELD")


def test_a_rolling_restart_waits_for_the_old_process_and_names_it(lone: Fleet) -> None:
    """The new process is refused while the old one lives, and takes over when it has stopped."""
    old = insist(lone)
    pid = old.wait_until(Did.STARTED).value
    new = insist(lone)

    refusals = [new.wait_until(Did.REFUSED).value for _try in range(3)]
    assert all("LEASE_HELD" in refusal and f"pid {pid} (" in refusal for refusal in refusals)

    old.running.send_signal(signal.SIGTERM)
    lone.deliver(NAME, "meanwhile", to_group=False)
    new.wait_until(Did.STARTED)
    assert old.end() == 0
    assert old.has(Did.STOPPED)
    while lone.not_heard():
        listen([old, new])
    kill(new)
    assert_one_at_a_time(lone)


def test_the_death_of_one_lets_another_take_over_within_a_few_tries(lone: Fleet) -> None:
    """Killed five times over; the one that waits needs no help, and there is nothing to wait for."""
    children, tries = [insist(lone), insist(lone)], []

    for number in range(TAKEOVERS):
        running = wait_for_one(children)
        children.remove(running)
        (heir,) = children
        lone.deliver(NAME, f"to be heard {number}", to_group=False)
        kill(running)
        refused = len(lone.deeds[Did.REFUSED][NAME])
        while not heir.has(Did.STARTED):
            listen([heir])
        tries.append(len(lone.deeds[Did.REFUSED][NAME]) - refused)
        children.append(insist(lone))

    print(f"refusals between the death and the start: {tries}")
    while lone.not_heard():
        listen(children)
    for child in children:
        kill(child)
    assert max(tries) <= FEW
    assert_one_at_a_time(lone)


def test_of_many_that_start_at_once_exactly_one_runs(lone: Fleet) -> None:
    """A supervisor gone wild: the others stay refused as long as it lives."""
    children = [insist(lone) for _rival in range(RIVALS)]

    only = wait_for_one(children)
    others = [child for child in children if child is not only]
    before = [child.count(Did.REFUSED) for child in others]
    while any(child.count(Did.REFUSED) < count + FEW for child, count in zip(others, before, strict=True)):
        assert listen(children) == [only]

    assert lone.server.call(lambda telegram: telegram.live(lone.accounts[NAME])) == 1
    for child in children:
        kill(child)
    assert_one_at_a_time(lone)
