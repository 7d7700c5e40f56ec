"""The saved update state never includes an update whose handlers have not finished."""

from hypothesis import given
from hypothesis import strategies as st

from core.client.delivery import HOLDS_BACK, Delivery, UpdateState


def at(pts: int) -> UpdateState:
    return UpdateState({"pts": pts}, {})


def test_with_nothing_under_way_the_present_state_is_saved() -> None:
    assert Delivery().savable(at(7), 0.0) == at(7)


def test_an_update_under_way_holds_the_state_back() -> None:
    delivery, update = Delivery(), object()
    delivery.received([update])

    assert delivery.savable(at(1), 0.0) is None
    delivery.handled(update)
    assert delivery.savable(at(1), 60.0) == at(1)


def test_the_state_before_it_is_saved_meanwhile() -> None:
    delivery, first, second = Delivery(), object(), object()
    delivery.received([first])
    assert delivery.savable(at(1), 0.0) is None
    delivery.handled(first)
    delivery.received([second])

    assert delivery.savable(at(2), 60.0) == at(1)


def test_a_state_noted_between_saves_may_be_saved_later() -> None:
    delivery, first, second = Delivery(), object(), object()
    delivery.received([first])
    delivery.passed(at(1), 0.0)
    delivery.handled(first)
    delivery.received([second])

    assert delivery.savable(at(2), 1.0) == at(1)


def test_a_state_right_after_another_is_not_noted() -> None:
    delivery = Delivery()
    delivery.passed(at(1), 0.0)
    delivery.passed(at(2), 1.0)

    assert [mark.state for mark in delivery._marks] == [at(1)]


def test_notes_do_not_pile_up_while_all_is_handled() -> None:
    delivery = Delivery()
    for second in range(0, 3600, 5):
        delivery.passed(at(second), float(second))

    assert len(delivery._marks) == 1


def test_a_handler_that_works_for_long_holds_it_back_no_longer() -> None:
    delivery, update = Delivery(), object()
    delivery.received([update])
    assert delivery.savable(at(1), 0.0) is None

    assert delivery.savable(at(2), HOLDS_BACK + 1) == at(1)


@given(st.lists(st.one_of(st.just("receive"), st.just("save"), st.integers(0, 20)), max_size=60))
def test_what_is_saved_includes_only_what_was_handled(steps: list[str | int]) -> None:
    delivery, updates, handled = Delivery(), list[object](), set[int]()
    for now, step in enumerate(steps):
        if step == "receive":
            updates.append(object())
            delivery.received([updates[-1]])
        elif isinstance(step, int):
            if step < len(updates):
                delivery.handled(updates[step])
                handled.add(step)
        else:
            saved = delivery.savable(at(len(updates)), now / 1000)
            if saved is not None:
                assert set(range(saved.account["pts"])) <= handled
