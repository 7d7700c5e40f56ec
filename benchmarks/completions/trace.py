"""Named traces of bot traffic: which bot asks what, and when. The same at every run; run as a module it shows them.

**shop-fleet-day**: the busiest quarter of an hour in the day of 40 bots of four shops. Questions of three kinds:

* `lookup`: the shops' FAQ and product texts, 16 in all. Each is asked eleven times in every five minutes, the usual
  time that a reply is kept, by whichever bot (with ten, no cache could save more than 90 %); the product texts for
  scheduled posts, the FAQ for somebody who waits.
* `small talk`: greetings to one of four personas, from a pool of nine phrases; the nth of them 1/n^1.1 as often as the
  first (Zipf), so that a few come again and again and the rest hardly ever.
* `chat`: conversations of three turns. Each turn repeats the turns before it, so no two requests are the same and no
  cache can answer one.

Figures of a cache are true of a trace only: how many questions it saves is decided by how many repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import chain
from random import Random
from typing import NamedTuple

from gpt.model import Priority

KEPT = 300.0
"""Seconds that a reply is kept, for which the lookups are made."""
_PERIODS = 3
LENGTH = _PERIODS * KEPT
"""Seconds that a trace lasts."""
_LOOKUPS_A_PERIOD = 11
_BOTS = 40
_SHOPS = ("books", "coffee", "garden", "music")
_SMALL_TALK = 240
_CONVERSATIONS = 10
_TURNS = 3
_SKEW = 1.1

_CATALOGUE = (
    "You answer for the shops books, coffee, garden and music from their catalogue, in at most three sentences. "
    "Prices include tax; delivery takes two to four days; goods may be sent back within thirty days. Say so when "
    "something is not in stock, promise nothing that the catalogue does not say, and name no other shop."
)
_FAQ = (
    "How long does delivery take?",
    "How do I send something back?",
    "May I pay on delivery?",
    "Where is my parcel?",
)
_PRODUCTS = ("the gift card", "this week's offer", "the best seller")
_PHRASES = ("hi", "hello", "thanks", "how are you?", "selam", "nasılsın?", "good night", "are you a bot?", "bye")
_TALK = ("I am looking for a present", "It is for my sister", "She likes to read outside", "Not above thirty", "Go on")


class Kind(StrEnum):
    """What a question is about, and with that how often it repeats."""

    LOOKUP = "lookup"
    SMALL_TALK = "small talk"
    CHAT = "chat"


class Question(NamedTuple):
    """One bot asks."""

    at: float
    """Seconds from the beginning."""
    bot: str
    priority: Priority
    prompt: str
    system: str
    kind: Kind


class Trace(NamedTuple):
    """Questions in the order of their time."""

    name: str
    questions: tuple[Question, ...]

    def fewest_calls(self, kept: float = KEPT) -> Mapping[Kind, int]:
        """Calls that a cache needs at least which answers at once and keeps each reply for exactly so many seconds."""
        calls: Counter[Kind] = Counter()
        until: dict[tuple[str, str], float] = {}
        for question in self.questions:
            key = question.prompt, question.system
            if question.at >= until.get(key, 0.0):
                until[key] = question.at + kept
                calls[question.kind] += 1
        return calls


def shop_fleet_day() -> Trace:
    """See the top of this module."""
    chance = Random("shop-fleet-day")
    bots = [f"{_SHOPS[number % len(_SHOPS)]}-{number:02}" for number in range(_BOTS)]
    questions = chain(_lookups(chance, bots), _small_talk(chance, bots), _chats(chance, bots))
    return Trace("shop-fleet-day", tuple(sorted(questions)))


TRACES: Mapping[str, Callable[[], Trace]] = {"shop-fleet-day": shop_fleet_day}


def _lookups(chance: Random, bots: list[str]) -> Iterator[Question]:
    asked = [(f"A customer asks: {text}", Priority.PERSON) for text in _FAQ]
    asked += [(f"Describe {thing} of {shop}.", Priority.BATCH) for thing in _PRODUCTS for shop in _SHOPS]
    for prompt, priority in asked:
        for period in range(_PERIODS):
            for _turn in range(_LOOKUPS_A_PERIOD):
                at = (period + chance.random()) * KEPT
                yield Question(at, chance.choice(bots), priority, prompt, _CATALOGUE, Kind.LOOKUP)


def _small_talk(chance: Random, bots: list[str]) -> Iterator[Question]:
    weights = [1 / rank**_SKEW for rank in range(1, len(_PHRASES) + 1)]
    for phrase in chance.choices(_PHRASES, weights, k=_SMALL_TALK):
        bot = chance.choice(bots)
        at = chance.random() * LENGTH
        yield Question(at, bot, Priority.PERSON, phrase, _persona(bot), Kind.SMALL_TALK)


def _chats(chance: Random, bots: list[str]) -> Iterator[Question]:
    for conversation, bot in enumerate(chance.sample(bots, _CONVERSATIONS)):
        at = chance.random() * LENGTH / 2
        said = [f"(customer {conversation})"]
        for _turn in range(_TURNS):
            said.append(chance.choice(_TALK))
            yield Question(at, bot, Priority.PERSON, "\n".join(said), _persona(bot), Kind.CHAT)
            at += chance.uniform(30, 120)


def _persona(bot: str) -> str:
    shop = bot.partition("-")[0]
    return f"You are the friendly assistant of the shop {shop}. Answer in one or two sentences."


def _show(trace: Trace) -> None:
    asked, fewest = Counter(question.kind for question in trace.questions), trace.fewest_calls()
    print(f"{trace.name}: {len(trace.questions)} questions of {_BOTS} bots in {LENGTH:.0f} s")
    for kind in Kind:
        saved = 1 - fewest[kind] / asked[kind]
        print(f"  {kind:<10}  {asked[kind]:>4} asked, {fewest[kind]:>3} calls at least ({saved:.1%} saved)")


if __name__ == "__main__":
    for _make in TRACES.values():
        _show(_make())
