"""The scripts against the rule, and a fleet under failures of all kinds, on a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gpt.budget.book import Book, Share, Statement
from gpt.budget.decide import Standing, Verdict, admit
from gpt.budget.fleet_budget import FleetBudget
from gpt.budget.ledger import Ledger
from gpt.budget.model import ALL, Amount, Cap, Caps, Reservation, scope_of
from tests.gpt.budget.world import MODEL
from tests.valkey import Valkey
from utils.processes import own_identity
from utils.redis_link import RedisLink, RedisUnavailable

DAY = "2026-11-21"
FIGURES = f"gavat:budget:{{k1}}:{DAY}:figures"
BOTS = ("anna", "bert")

amounts = st.builds(Amount, st.integers(0, 30), st.integers(0, 30))
caps = st.builds(Cap, st.none() | st.integers(0, 60), st.none() | st.integers(0, 60))
standings = st.tuples(
    *(st.builds(Standing, st.just(s), caps, amounts, amounts, st.integers(0, 1)) for s in (ALL, "b:x"))
)
of_a_real_server = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@settings(of_a_real_server, max_examples=100)
@given(standings=standings, asked=amounts)
def test_the_script_admits_what_the_rule_admits(
    valkey: Valkey, link: RedisLink, standings: tuple[Standing, Standing], asked: Amount
) -> None:
    """For figures of any kind, also such as never come about."""
    valkey.empty()
    fields: list[str | int] = []
    for standing in standings:
        for field, number in zip(("st", "sm", "rt", "rm"), (*standing.spent, *standing.reserved), strict=True):
            fields += [f"{field}|{standing.scope}", number]
    valkey.ask("HSET", FIGURES, *fields)
    own_open = {standing.scope: standing.own_open for standing in standings}
    statement = Statement("abc", DAY, "x", dict.fromkeys(own_open, Share(Amount(), Amount())), own_open, (), tuple)
    request = Reservation("1", DAY, "x", MODEL, asked)
    limits = Caps(standings[0].cap, standings[1].cap)

    answer = FleetBudget(link, "k1").reserve(statement, f"abc-1 {asked.tokens} {asked.money} x", request, limits)

    assert answer.is_admitted == (admit(standings, asked).verdict is Verdict.ADMIT)
    assert answer.standings(statement, limits) == list(standings)


def test_sums_above_the_digits_of_lua_stay_exact(valkey: Valkey, link: RedisLink) -> None:
    valkey.empty()
    book, fleet = Book(None, "k1", own_identity(), is_shared=True), FleetBudget(link, "k1")
    for number in range(3):
        book.count(DAY, {ALL: Amount(number, 3_000_000_000_000_001)})

        answer = fleet.tell(book.statement(DAY, "x"))

    assert answer.figures[ALL].spent == Amount(3, 9_000_000_000_000_003)
    assert answer.figures[ALL].others == Amount()
    book.close()


class Cable(RedisLink):
    """A link that can be pulled out, or loses what the server answers."""

    state = "in"

    def run(self, *arguments: object, **more: object) -> object:
        """As the link does, if it is in."""
        if self.state == "out":
            raise RedisUnavailable("pulled out")
        answer: object = super().run(*arguments, **more)  # type: ignore[arg-type]
        if self.state == "lost":
            raise RedisUnavailable("the answer was lost")
        return answer


class Hosts:
    """Three hosts that share a budget without limits, and what they truly spent."""

    def __init__(self, server: Valkey) -> None:
        self._server = server
        self._cables = [Cable(server.url) for _host in range(3)]
        self.books = [Book(None, "k1", own_identity(), is_shared=True) for _host in range(3)]
        self._ledgers = [Ledger(book, FleetBudget(cable, "k1"), Caps()) for book, cable in self._pairs()]
        self._held: list[tuple[int, Reservation]] = []
        self._count = 0
        self.truth = dict.fromkeys((ALL, *map(scope_of, BOTS)), 0)

    def _pairs(self) -> Iterator[tuple[Book, Cable]]:
        yield from zip(self.books, self._cables, strict=True)

    def do(self, host: int, step: str) -> None:
        """One step of a story."""
        if step == "hold":
            self.hold(host)
        elif step == "spend":
            self.hold(host)
            self.settle(-1)
        elif step == "settle":
            self.settle(0)
        elif step == "flush":
            self._server.empty()
        else:
            self._cables[host].state = step

    def hold(self, host: int) -> None:
        """Reserve for one reply; nobody may be told of more than was spent."""
        self._count += 1
        asked = Reservation(f"id{self._count}", DAY, BOTS[self._count % 2], MODEL, Amount(self._count + 5))
        outcome = self._ledgers[host].reserve(asked)
        assert outcome.decision.verdict is Verdict.ADMIT
        assert all(amount.tokens <= self.truth[scope] for scope, amount in outcome.spent.items())
        self._held.append((host, asked))

    def settle(self, which: int) -> None:
        """One of the open ones, whoever holds it."""
        if self._held:
            host, held = self._held.pop(which)
            self._ledgers[host].settle(held, Amount(self._count))
            self.truth[ALL] += self._count
            self.truth[scope_of(held.bot)] += self._count

    def come_together(self) -> dict[str, int]:
        """What all see in the end, when everything is settled and each has called once for each bot."""
        for cable in self._cables:
            cable.state = "in"
        while self._held:
            self.settle(0)
        seen: dict[str, int] = {}
        for host, ledger in enumerate(self._ledgers):
            for bot in BOTS:
                nothing = Reservation(f"last{host}{bot}", DAY, bot, MODEL, Amount())
                ledger.reserve(nothing)
                seen |= {scope: amount.tokens for scope, amount in ledger.settle(nothing, Amount()).items()}
        return seen

    def close(self) -> None:
        for book, cable in self._pairs():
            book.close()
            cable.close()


@contextmanager
def hosts_on(server: Valkey) -> Iterator[Hosts]:
    server.empty()
    hosts = Hosts(server)
    try:
        yield hosts
    finally:
        hosts.close()


words = st.sampled_from(["spend", "spend", "spend", "hold", "hold", "settle", "settle", "out", "lost", "in", "flush"])


BOTH = [(0, "spend"), (1, "spend"), (0, "spend"), (1, "spend")]


@settings(of_a_real_server, max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, 2), words), max_size=40))
@example(steps=[*BOTH, (0, "flush"), *BOTH])
@example(steps=[*BOTH, (0, "lost"), *BOTH, (1, "flush"), *BOTH, (0, "in"), *BOTH])
@example(steps=[(0, "hold"), (1, "hold"), (0, "flush"), (1, "out"), *BOTH, (0, "settle"), (1, "in"), *BOTH])
def test_whatever_fails_all_is_counted_exactly_once_in_the_end(valkey: Valkey, steps: list[tuple[int, str]]) -> None:
    """Cables pulled, answers lost, servers emptied: never more than the truth, and at last the truth."""
    with hosts_on(valkey) as hosts:
        for host, step in steps:
            hosts.do(host, step)

        assert hosts.come_together() == hosts.truth
        assert valkey.ask("HGET", FIGURES, "rt|a") in (None, "0")
