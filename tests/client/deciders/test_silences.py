"""When what was missed may be asked for again, after no answer came."""

from datetime import UTC, datetime, timedelta

from core.client.silences import Silences

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_after_the_first_silence_it_may_be_asked_at_once() -> None:
    silences = Silences()

    assert not silences.lasts(7, now=NOW)
    assert silences.begins(7, now=NOW)
    assert not silences.lasts(7, now=NOW)


def test_after_more_in_a_row_it_lasts_longer_each_time_and_at_most_five_minutes() -> None:
    silences = Silences()
    silences.begins(7, now=NOW)

    for seconds in (30, 60, 120, 240, 300, 300):
        assert not silences.begins(7, now=NOW)
        assert silences.lasts(7, now=NOW + (seconds - 1) * SECOND)
        assert not silences.lasts(7, now=NOW + seconds * SECOND)


def test_one_channel_says_nothing_of_another_nor_of_the_account() -> None:
    silences = Silences()
    for _time in range(3):
        silences.begins(7, now=NOW)

    assert [silences.lasts(one, now=NOW) for one in (7, 8, None)] == [True, False, False]
    assert silences.begins(None, now=NOW)


def test_an_answer_ends_it() -> None:
    silences = Silences()
    for _time in range(3):
        silences.begins(7, now=NOW)

    silences.ends(7)

    assert not silences.lasts(7, now=NOW)
    assert silences.begins(7, now=NOW)
