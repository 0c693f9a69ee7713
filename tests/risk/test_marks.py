"""Which marks count, and what the contracts of others make."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.instrument import Instrument
from contractdesk.risk.marks import Carried, TrustedMark
from tests.domain.terms import INVERSE, LINEAR

D = Decimal
MS = 1_000_000
NOW = 1_700_000_000_000 * MS
AGE = 5_000 * MS


def look(trusted: TrustedMark, mark: str, index: str = "100", at_ms: int = 0, late_ms: int = 0) -> bool:
    venue_ns = NOW + at_ms * MS
    return trusted.take(D(mark), D(index), venue_ns, venue_ns + late_ms * MS, AGE)


@pytest.mark.parametrize(
    ("mark", "index", "late_ms", "valid"),
    [
        ("97", "100", 0, True),  # 3 % of the index, exactly
        ("96.99999999", "100", 0, False),
        ("103", "100", 0, True),
        ("103.00000001", "100", 0, False),
        ("100", "100", 5000, True),  # 5 s old, exactly
        ("100", "100", 5001, False),
        ("100", "100", -5001, False),  # from the future
        ("0", "100", 0, False),
        ("-1", "100", 0, False),
        ("NaN", "100", 0, False),
        ("Infinity", "100", 0, False),
        ("100", "NaN", 0, False),
        ("100", "0", 0, False),
    ],
)
def test_one_unit_inside_and_outside(mark: str, index: str, late_ms: int, valid: bool) -> None:
    trusted = TrustedMark()
    assert look(trusted, mark, index, late_ms=late_ms) is valid
    assert (trusted.price is not None) is valid


@pytest.mark.parametrize(("wait_ms", "second", "valid"), [
    (1000, "80", True), (999, "80", False), (1000, "82.4", True), (1000, "82.40000001", False),
])  # fmt: skip
def test_a_mark_off_the_index_needs_a_second_one_a_second_later(
    wait_ms: int, second: str, valid: bool
) -> None:
    trusted = TrustedMark()
    assert look(trusted, "100")
    assert not look(trusted, "80", at_ms=500)
    assert look(trusted, second, at_ms=500 + wait_ms) is valid
    assert trusted.price == (D(second) if valid else D(100))


def test_the_last_valid_one_stays_and_the_index_ends_a_doubt() -> None:
    trusted = TrustedMark()
    assert look(trusted, "100")
    assert not look(trusted, "50", at_ms=1000)
    assert trusted.price == 100
    assert look(trusted, "99", at_ms=2000)
    assert not look(trusted, "50", at_ms=3000)  # a second bad tick confirms nothing
    assert trusted.price == 99


def test_only_newer_ones_count() -> None:
    trusted = TrustedMark()
    assert look(trusted, "100", at_ms=10)
    assert not look(trusted, "101", at_ms=10)
    assert not look(trusted, "101", at_ms=9)
    assert trusted.price == 100


@pytest.mark.parametrize("instrument", [LINEAR, INVERSE])
@given(path=st.lists(st.tuples(st.integers(-50, 50), st.integers(20_000, 90_000)), min_size=1, max_size=20))
def test_contracts_of_others_count_from_mark_to_mark(
    instrument: Instrument, path: list[tuple[int, int]]
) -> None:
    carried, expected, before = Carried(), Fraction(0), (D(0), D(path[0][1]))
    for size, mark in path:
        held, then = before
        expected += instrument.exact_pnl(held, instrument.cost(held, then), D(mark)) if held else 0
        found = carried.profit(instrument, D(size), D(mark))
        assert abs(Fraction(found) - expected) <= len(path) * Fraction(1, 10**8)
        before = (D(size), D(mark))
