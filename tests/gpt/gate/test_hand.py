"""Slots in hand: what goes back is the unused end of the latest reservation, and nothing else."""

from gpt.gate.hand import Hand, Slot


def batch(mark: int, *times: int, charge: int = 0) -> list[Slot]:
    return [Slot(at=at, good_until=at + 2, span=10, charge=charge, mark=mark) for at in times]


def filled(*batches: list[Slot]) -> Hand:
    hand = Hand()
    for slots in batches:
        hand.add(slots)
    return hand


def test_a_whole_unused_reservation_goes_back() -> None:
    hand = filled(batch(1, 100, 110, 120))

    hand.drop_all()

    assert hand.claim() == (30, 1, 0)
    assert hand.claim() == (0, 1, 0)
    assert not hand.has_leftovers


def test_only_the_end_behind_the_last_used_slot_goes_back() -> None:
    hand = filled(batch(1, 100, 110, 120))
    hand.take(0)

    hand.drop_all()

    assert hand.claim()[0] == 20


def test_nothing_before_a_used_slot_goes_back() -> None:
    """The first one's user left it; the last one was used after all."""
    hand = filled(batch(1, 100, 110, 120))
    first = hand.take(0)
    hand.take(0)
    hand.take(0)
    hand.put_back(first)

    late = hand.drop_unusable(now=130, paused=0)

    assert late == 28
    assert hand.claim()[0] == 0


def test_nothing_of_an_earlier_reservation_goes_back() -> None:
    hand = filled(batch(1, 100, 110), batch(2, 150))

    hand.drop_all()

    assert hand.claim() == (10, 2, 0)


def test_what_is_over_goes_and_what_may_still_be_late_stays() -> None:
    hand = filled(batch(1, 100, 110, 120))

    assert hand.drop_unusable(now=112, paused=0) == 10
    assert (len(hand), hand.first.at, hand.claim()[0]) == (2, 110, 0)


def test_slots_in_a_pause_are_dropped_and_go_back() -> None:
    """They are not late."""
    hand = filled(batch(1, 100, 110))

    assert hand.drop_unusable(now=90, paused=110) == 0
    assert (hand.first.at, hand.claim()[0]) == (110, 0)
    assert hand.drop_unusable(now=90, paused=500) == 0
    assert hand.claim()[0] == 10


def test_who_takes_a_slot_owes_what_its_tokens_take_beyond_those_paid() -> None:
    hand = filled(batch(1, 100, charge=50))
    slot = hand.take(70)
    assert hand.claim()[2] == 20

    hand.put_back(slot)
    hand.take(30)
    assert hand.claim()[2] == -40


def test_tokens_of_dropped_slots_go_back_always() -> None:
    hand = filled(batch(1, 100, charge=50), batch(2, 110, charge=5))

    hand.drop_all()

    assert hand.claim()[2] == -55


def test_slots_stay_in_the_order_of_their_times() -> None:
    """An answer that is overdue comes after those of memory."""
    hand = filled(batch(5, 200), batch(6, 100, 110))

    assert [hand.take(0).at for _slot in range(3)] == [100, 110, 200]
