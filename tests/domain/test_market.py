"""Timeframes and packed levels."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import NS_PER_S, as_float, pack_levels, timeframe_ns, unpack_levels

int64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(int64, int64), max_size=50))
def test_levels_survive_packing(levels: list[tuple[int, int]]) -> None:
    packed = pack_levels(levels)
    assert len(packed) == 16 * len(levels)
    assert unpack_levels(packed) == levels


@given(st.decimals(allow_nan=False))
@example(Decimal("1e400"))
@example(Decimal("-Infinity"))
def test_a_float_is_the_nearest(amount: Decimal) -> None:
    assert as_float(amount) == float(amount)


def test_what_is_no_number_is_no_number() -> None:
    assert math.isnan(as_float(Decimal("NaN")))


@pytest.mark.parametrize(
    ("timeframe", "seconds"), [("1s", 1), ("1m", 60), ("5m", 300), ("4h", 14_400), ("1d", 86_400)]
)
def test_timeframes(timeframe: str, seconds: int) -> None:
    assert timeframe_ns(timeframe) == seconds * NS_PER_S


@pytest.mark.parametrize("timeframe", ["", "m", "0m", "-1m", "1.5h", "1M", "1w", "m1", "1 m"])
def test_what_is_no_timeframe_is_refused(timeframe: str) -> None:
    with pytest.raises(ValueError, match="is not a number and one of"):
        timeframe_ns(timeframe)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_fill_has_an_unsigned_size(signed: object) -> None:
    fill = Fill(
        symbol="S", trade_id="1", client_id="c", venue_order_id="v", signed_size=signed, price=ZERO, fee=ZERO,
        fee_asset="USDT", liquidity=Liquidity.MAKER, venue_ns=0, ts_ns=0,
    )  # fmt: skip
    assert fill.size >= 0
