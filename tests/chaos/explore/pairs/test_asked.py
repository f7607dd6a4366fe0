"""Two edges and a failure for each are read from the command line, and everything else is refused in one message."""

from __future__ import annotations

import pytest

from harness.chaos.explore.pairs.asked import asks_for_pair, split_pair
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("only", "asks"),
    [
        ({}, False),
        ({"edge": "a:b", "fault": "hang"}, False),
        ({"edge": "a:b+c:d"}, True),
        ({"fault": "hang+slow"}, True),
    ],
)
def test_a_pair_is_asked_for_with_two_edges_or_two_failures(only: dict[str, str], asks: bool) -> None:
    assert asks_for_pair(only) is asks


def test_the_first_failure_is_the_first_edges() -> None:
    first, second = split_pair({"edge": "c:d + a:b", "fault": "hang+slow"})

    assert first == {"edge": "c:d", "fault": "hang"}
    assert second == {"edge": "a:b", "fault": "slow"}


def test_without_failures_all_are_meant() -> None:
    assert split_pair({"edge": "a:b+c:d"}) == ({"edge": "a:b"}, {"edge": "c:d"})


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ({"edge": "a:b", "fault": "hang+slow"}, '"--edge a:b --fault hang.slow" is not a pair: name two edges'),
        ({"fault": "hang+slow"}, "is not a pair: name two edges and a failure for each, such as --edge CALLER"),
        ({"edge": "a:b+c:d", "fault": "hang"}, "is not a pair"),
        ({"edge": "a:b+c:d+e:f", "fault": "hang+slow+slow"}, "is not a pair"),
        ({"edge": "a:b+a:b", "fault": "hang+slow"}, 'on two edges; "a:b" is named twice'),
        ({"edge": "a:b+c:d", "fault": "hang+breaker"}, '"breaker" is not tried in pairs. Known: refused, '),
        ({"edge": "a:b+c:d", "fault": "hang+"}, 'there is no failure ""'),
        ({"edge": "a:b+c:d", "fault": "hang+solw"}, r'there is no failure "solw"\. Did you mean "slow"\?'),
    ],
)
def test_what_is_no_pair_is_refused(only: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_pair(only)
