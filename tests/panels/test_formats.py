from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.panels import formats
from tests.e2e.synthetic import BTC

D = Decimal


@pytest.mark.parametrize(
    ("step", "decimals", "mantissa"),
    [
        ("0.1", 1, 1),
        ("0.10", 1, 1),
        ("0.5", 1, 5),
        ("0.25", 2, 25),
        ("1", 0, 1),
        ("10", 0, 10),
        ("1E+1", 0, 10),
    ],
)
def test_a_grid_is_a_whole_number_of_its_last_digit(step: str, decimals: int, mantissa: int) -> None:
    assert formats.decimals_of(D(step)) == decimals
    assert formats.mantissa_of(D(step)) == mantissa


@given(
    st.decimals(min_value="0.00000001", max_value=1000, places=8),
    st.integers(min_value=0, max_value=10**9),
)
def test_ticks_times_the_mantissa_are_the_price(step: Decimal, ticks: int) -> None:
    """What the browser does with integers is what Decimal does with the price."""
    digits = str(ticks * formats.mantissa_of(step))
    assert D(digits).scaleb(-formats.decimals_of(step)) == step * ticks


def test_prices_and_sizes_have_the_instruments_precision() -> None:
    assert formats.price(BTC, D("28150")) == "28,150.0"
    assert formats.size(BTC, D("0.01")) == "0.010"
    coarse = replace(BTC, tick_size=D(10), lot_size=D(1))
    assert formats.price(coarse, D(28150)) == "28,150"
    assert formats.size(coarse, D(12345)) == "12,345"


def test_no_value_is_a_dash_never_a_zero() -> None:
    assert formats.price(BTC, None) == formats.NONE
    assert formats.percent(None) == formats.NONE
    assert formats.fixed(D("NaN"), 2) == formats.NONE
    assert formats.duration(float("nan")) == formats.NONE
    assert formats.clock(0) == formats.NONE


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.005", "+1.00"), ("-1.239", "\u22121.24"), ("0", "0.00"), ("-0.001", "0.00"), ("0.001", "0.00")],
)
def test_signed_amounts_show_their_sign_and_zero_has_none(value: str, text: str) -> None:
    assert formats.signed(D(value)) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(1.44, "1.4 ms"), (140.2, "140 ms"), (2_400, "2.4 s"), (600_000, "10 min"), (1e7, "3 h")],
)
def test_durations_have_the_unit_that_fits(ms: float, text: str) -> None:
    assert formats.duration(ms) == text


def test_times_are_of_the_chosen_zone_to_the_millisecond() -> None:
    at_ns = 1_680_652_680_123_456_789  # 2023-04-04 23:58 UTC
    berlin, kolkata = formats.zone_of("Europe/Berlin"), formats.zone_of("Asia/Kolkata")
    assert formats.clock(at_ns, millis=True) == "23:58:00.123"
    assert (formats.date(at_ns), formats.suffix(at_ns)) == ("2023-04-04", "UTC")
    assert (formats.clock(at_ns, berlin), formats.suffix(at_ns, berlin)) == ("01:58:00", "CEST")
    assert (formats.date(at_ns, kolkata), formats.suffix(at_ns, kolkata)) == ("2023-04-05", "IST")
    assert formats.offset_ns(at_ns, kolkata) == 330 * 60 * 10**9


def test_a_moment_of_another_day_says_which() -> None:
    now_ns, day_ns = 1_680_652_680 * 10**9, 86_400 * 10**9
    berlin = formats.zone_of("Europe/Berlin")
    assert formats.moment(now_ns, now_ns) == "23:58:00"
    assert formats.moment(now_ns - day_ns, now_ns) == "04-03 23:58:00"
    assert formats.moment(now_ns - 3 * 3600 * 10**9, now_ns, berlin) == "04-04 22:58:00", (
        "there it is the 5th"
    )
    assert formats.moment(0, now_ns) == formats.NONE
