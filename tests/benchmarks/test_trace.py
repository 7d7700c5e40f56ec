"""The named trace is what its description says, at every run."""

import json
from collections import Counter
from hashlib import blake2b

from benchmarks.completions.trace import KEPT, LENGTH, Kind, Question, Trace, shop_fleet_day
from gpt.model import Priority

LOOKUPS, SMALL_TALK, CHATS = 528, 240, 30


def of_kind(kind: Kind) -> list[Question]:
    return [question for question in shop_fleet_day().questions if question.kind is kind]


def test_the_trace_is_the_same_everywhere() -> None:
    """Published figures are of this one: whoever changes it has to measure again, under another name."""
    text = json.dumps([(f"{question.at:.3f}", *question[1:]) for question in shop_fleet_day().questions])

    assert blake2b(text.encode(), digest_size=8).hexdigest() == "d0f4e0fabea216aa"


def test_forty_bots_ask_in_order_of_time() -> None:
    questions = shop_fleet_day().questions

    assert Counter(question.kind for question in questions) == {
        Kind.LOOKUP: LOOKUPS,
        Kind.SMALL_TALK: SMALL_TALK,
        Kind.CHAT: CHATS,
    }
    assert len({question.bot for question in questions}) == 40
    assert [question.at for question in questions] == sorted(question.at for question in questions)
    assert 0 <= questions[0].at < questions[-1].at < LENGTH


def test_each_lookup_is_asked_eleven_times_in_each_life_of_a_reply() -> None:
    asked = Counter((question.prompt, question.system, int(question.at // KEPT)) for question in of_kind(Kind.LOOKUP))

    assert set(asked.values()) == {11}
    assert len(asked) == 16 * 3


def test_a_few_greetings_are_most_of_them() -> None:
    asked = Counter((question.prompt, question.system) for question in of_kind(Kind.SMALL_TALK))
    first_ten = sum(count for _key, count in asked.most_common(10))

    assert len(asked) <= 36
    assert first_ten > SMALL_TALK / 2


def test_no_turn_of_a_conversation_repeats() -> None:
    prompts = [question.prompt for question in of_kind(Kind.CHAT)]

    assert len(set(prompts)) == CHATS
    assert sum(any(other != prompt and other.startswith(prompt) for other in prompts) for prompt in prompts) == 20


def test_only_product_texts_can_wait() -> None:
    waiting = {
        question.prompt.split()[0] for question in shop_fleet_day().questions if question.priority is Priority.BATCH
    }

    assert waiting == {"Describe"}


def test_the_fewest_calls_are_those_of_a_cache_that_forgets_in_time() -> None:
    asked = [Question(at, "bot", Priority.PERSON, "hi", "", Kind.SMALL_TALK) for at in (0, 299, 300, 301)]
    other = Question(10, "bot", Priority.PERSON, "hi", "another persona", Kind.CHAT)

    assert Trace("small", (*asked, other)).fewest_calls(300) == {Kind.SMALL_TALK: 2, Kind.CHAT: 1}
