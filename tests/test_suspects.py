"""Which URL is held to kill the processes of a crew."""

from crawler.crew.suspects import CRASH, KILL, Suspects


def test_a_second_crash_gives_a_url_up() -> None:
    suspects = Suspects()
    assert suspects.died([1, 2, 3], CRASH) == set()
    assert suspects.died([2, 4], CRASH) == {2}


def test_suspects_go_one_at_a_time_to_a_process_and_all_others_as_they_come() -> None:
    suspects = Suspects()
    suspects.died([1, 2], CRASH)
    assert suspects.may_go(1, beside=[7, 8])
    assert not suspects.may_go(1, beside=[2, 8])
    assert suspects.may_go(9, beside=[1])


def test_what_is_settled_is_cleared() -> None:
    suspects = Suspects()
    suspects.died([1, 2], CRASH)
    suspects.clear([2])
    assert suspects.died([2], CRASH) == set()
    assert suspects.may_go(1, beside=[])


def test_kills_from_outside_make_no_url_guilty_soon() -> None:
    """A URL that is in hand at one kill after the other is given up in the end: it may be what takes all memory."""
    suspects = Suspects()
    for _ in range(19):
        assert suspects.died([1], KILL) == set()
    assert suspects.died([1], KILL) == {1}
