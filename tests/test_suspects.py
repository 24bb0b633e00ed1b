"""Which URL is held to kill the processes of a crew."""

from crawler.crew.suspects import CRASH, KILL, Suspects


def test_a_url_that_was_alone_at_the_second_crash_is_given_up() -> None:
    suspects = Suspects()
    assert suspects.died([1, 2, 3], CRASH) == set()
    assert suspects.died([2], CRASH) == {2}


def test_one_that_was_not_alone_is_not() -> None:
    suspects = Suspects()
    suspects.died([1, 2, 3], CRASH)
    assert suspects.died([1, 2], CRASH) == set()


def test_suspects_are_alone_in_their_process_and_all_others_go_as_they_come() -> None:
    suspects = Suspects()
    assert suspects.may_go(1, beside=[2, 3])
    suspects.died([1, 2], CRASH)
    assert suspects.may_go(1, beside=[])
    assert not suspects.may_go(1, beside=[8])
    assert not suspects.may_go(9, beside=[1])
    assert suspects.may_go(9, beside=[8])


def test_what_is_settled_is_cleared() -> None:
    suspects = Suspects()
    suspects.died([1, 2], CRASH)
    suspects.clear([2])
    assert suspects.died([2], CRASH) == set()
    assert suspects.may_go(9, beside=[3])


def test_kills_from_outside_make_no_url_guilty_soon() -> None:
    """A URL that is in hand at one kill after the other is given up in the end: it may be what takes all memory."""
    suspects = Suspects()
    for _ in range(19):
        assert suspects.died([1], KILL) == set()
    assert suspects.died([1], KILL) == {1}
