"""Longer bars of shorter ones: the same, whether they were read or came one by one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.clock import NS_PER_S
from contractdesk.domain.market import Bar
from contractdesk.venues.folding import Folding, base_of, fold

MINUTE_NS = 60 * NS_PER_S


def bar(minute: int) -> Bar:
    low, close = Decimal(100 + minute * 7 % 13), Decimal(104 + minute * 5 % 11)
    return Bar(
        open_ns=minute * MINUTE_NS, open=low + 2, high=max(low + 9, close), low=low, close=close,
        volume=Decimal(minute % 4),
    )  # fmt: skip


def test_a_longer_bar_is_what_its_shorter_ones_are() -> None:
    """open 100+70%13+2, high max(114, 118), low min(105, 112), close 104+55%11, volume 2+3."""
    (folded,) = fold([bar(10), bar(11)], 2 * MINUTE_NS)
    assert folded == Bar(
        open_ns=10 * MINUTE_NS, open=Decimal(107), high=Decimal(121), low=Decimal(105), close=Decimal(104),
        volume=Decimal(5),
    )  # fmt: skip


@given(st.sampled_from([2, 3, 5]), st.integers(0, 9), st.lists(st.sampled_from("pprl"), max_size=60))
def test_live_bars_fold_as_those_that_were_read_and_one_with_a_hole_is_not_told(
    count: int, first: int, fates: list[str]
) -> None:
    """Passed, repeated or lost: told are exactly the intervals that were seen whole."""
    folding, told, seen = Folding(count * MINUTE_NS, MINUTE_NS), list[Bar](), list[int]()
    for minute, fate in enumerate(fates, start=first):
        if fate != "l":
            seen.append(minute)
            came = [folding.on_bar(bar(minute)) for _ in range(2 if fate == "r" else 1)]
            told += [each for each in came if each is not None]
    whole = [m for m in range(0, 80, count) if {*range(m, m + count)} <= set(seen)]
    assert told == fold([bar(m + more) for m in whole for more in range(count)], count * MINUTE_NS)


@pytest.mark.parametrize(
    ("timeframe", "base"), [("2m", "1m"), ("10m", "5m"), ("45m", "15m"), ("12m", "3m"), ("1h", "1h")]
)
def test_the_base_is_the_longest_that_fits(timeframe: str, base: str) -> None:
    assert base_of(timeframe, ("1m", "3m", "5m", "15m", "1h", "4h")) == base


def test_what_no_bar_fits_into_has_no_base() -> None:
    with pytest.raises(ValueError, match="empty"):
        base_of("10s", ("1m", "3m"))
