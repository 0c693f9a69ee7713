"""Funding and open interest: one unit inside and one outside, laws, and the real funding history."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.domain.histories import FundingHistory, OpenInterestHistory
from contractdesk.domain.orders import Side
from contractdesk.errors import ConfigError
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.market_rules import FUNDING, INTEREST
from contractdesk.risk.settings import RiskSettings, tuned
from tests.risk.desks import (
    HOUR_NS,
    NOW,
    NS_PER_S,
    D,
    Desk,
    approved,
    enter,
    interest,
    linear_desk,
    only,
    refused,
    review,
    settled,
)

BUY, SELL = Side.BUY, Side.SELL
BOTH = RiskSettings(funding_gate_shorts=True)
MS = NS_PER_S // 1000
EIGHT_H = 8 * HOUR_NS


def with_funding(history: FundingHistory, now_ns: int = NOW) -> Desk:
    """A desk whose symbol has that history; everything else is as it was at NOW."""
    desk = linear_desk()
    only(desk).settlements = history
    desk.clock_offset_ms = (now_ns - NOW) / MS
    return desk


def funding_passes(desk: Desk, side: Side = BUY, settings: RiskSettings | None = None) -> bool:
    _, findings = review(desk, enter(desk, side), settings)
    return findings[FUNDING].passed


# -- funding: the table -------------------------------------------------------------------------

UNIT = "0.00000001"
RATES = [  # (hours before now, rate): inside, outside by the venue's smallest unit
    ([(0, "0.0005")], [(0, "0.00050001")]),
    ([(7, "0.0003"), (3, "0.0002")], [(7, "0.0003"), (3, "0.00020001")]),
    ([(8, "0.01"), (4, "0.0005")], [(7, UNIT), (4, "0.0005")]),  # 8 h ago is out of the window
    ([(9, "0.01")], [(7, "0.01")]),
    ([(2, "0.0100"), (1, "-0.0095")], [(2, "0.0100"), (1, "-0.00949999")]),
]


@pytest.mark.parametrize(("inside", "outside"), RATES)
def test_funding_up_to_the_limit_lets_longs_in_and_above_it_none(
    inside: list[tuple[int, str]], outside: list[tuple[int, str]]
) -> None:
    approved(with_funding(settled(*inside)), enter(linear_desk()))
    word = refused(with_funding(settled(*outside)), enter(linear_desk()))
    assert word.rule == FUNDING
    assert word.limit == "<= +0.05 % in 8 h for longs"
    approved(with_funding(settled(*outside)), enter(linear_desk(), SELL))  # shorts are paid
    approved(with_funding(settled(*outside)), enter(linear_desk(), SELL), BOTH)


@pytest.mark.parametrize(("inside", "outside"), RATES)
def test_the_mirrored_rule_for_shorts_is_a_switch(
    inside: list[tuple[int, str]], outside: list[tuple[int, str]]
) -> None:
    inside, outside = ([(hours, str(-D(rate))) for hours, rate in rates] for rates in (inside, outside))
    approved(with_funding(settled(*outside)), enter(linear_desk(), SELL))
    approved(with_funding(settled(*inside)), enter(linear_desk(), SELL), BOTH)
    word = refused(with_funding(settled(*outside)), enter(linear_desk(), SELL), BOTH)
    assert (word.rule, word.limit) == (FUNDING, ">= -0.05 % in 8 h for shorts")
    approved(with_funding(settled(*outside)), enter(linear_desk()), BOTH)


def test_a_refusal_says_when_enough_has_left_the_window() -> None:
    """NOW is 22:13:20 UTC. Without the first, 0.0007 are left; without the first two, 0.0002."""
    history = settled((6, "0.0001"), (4, "0.0005"), (1, "0.0002"))
    word = refused(with_funding(history), enter(linear_desk()))
    assert word.found == "+0.08 % in 3 settlements"
    assert word.would_pass == "from 02:13:20 UTC, when the 18:13:20 UTC settlement leaves the window"


def test_a_stamp_that_is_some_milliseconds_late_counts_as_its_second() -> None:
    history = FundingHistory(since_ns=0, until_ns=NOW)
    history.settle(NOW - EIGHT_H + 7 * MS, D("0.01"))
    assert funding_passes(with_funding(history)), "it is 8 h old: not in (now - 8 h, now]"
    assert not funding_passes(with_funding(history, NOW - NS_PER_S))


MIDNIGHT = NOW - NOW % (24 * HOUR_NS)  # a settlement of every interval
JITTERS_MS = (0, 1, 7, -3, 10, 2, 0, -1, 4)


def regular(every: int, rate: Decimal, extra: str = "0") -> FundingHistory:
    """A day of settlements each ``every`` hours up to MIDNIGHT, with jitter; the last + ``extra``."""
    history = FundingHistory(since_ns=0, until_ns=MIDNIGHT + 8 * HOUR_NS)
    for back in range(24 // every):
        jitter = JITTERS_MS[back % len(JITTERS_MS)] * MS
        history.settle(MIDNIGHT - back * every * HOUR_NS + jitter, rate if back else rate + D(extra))
    return history


@pytest.mark.parametrize("every", [1, 2, 4, 8])
def test_a_window_holds_eight_hours_of_settlements_whatever_the_interval(every: int) -> None:
    """8 of 1 h, 2 of 4 h, 1 of 8 h, from the second of one settlement to the second before the next."""
    rate, count = D("0.0005") * every / 8, 8 // every
    for after_ns in (0, NS_PER_S, every * HOUR_NS - NS_PER_S):
        now = MIDNIGHT + after_ns
        assert funding_passes(with_funding(regular(every, rate), now))
        desk = with_funding(regular(every, rate, UNIT), now)
        finding = review(desk, enter(desk))[1][FUNDING]
        assert not finding.passed
        assert finding.found == f"+0.050001 % in {count} settlement{'s' * (count > 1)}"


@pytest.mark.parametrize("every", [1, 2, 4, 8])
@pytest.mark.parametrize("jitter_ms", [-2, 0, 9])
def test_the_next_settlement_of_each_interval_is_missing_until_it_is_told(every: int, jitter_ms: int) -> None:
    """It is due by the announced second; its own stamp may be some milliseconds off."""
    history, due = regular(every, D("0.0005") * every / 8), MIDNIGHT + every * HOUR_NS
    history.announce(due, MIDNIGHT + NS_PER_S)
    assert funding_passes(with_funding(history, due - 1))
    assert not funding_passes(with_funding(history, due))
    history.settle(due + jitter_ms * MS, D("0.0005") * every / 8)
    assert funding_passes(with_funding(history, due)), "one came, one left"
    history.settle(due + jitter_ms * MS, D("0.0005") * every / 8 + D(UNIT))
    assert not funding_passes(with_funding(history, due))


def test_an_interval_that_is_shortened_brings_more_settlements_into_the_window() -> None:
    """The venue goes from 8 h to 1 h: at 05:00 the one of midnight and five more count."""
    history = regular(8, D("0.0002"))
    for hour in range(1, 6):
        history.settle(MIDNIGHT + hour * HOUR_NS + 3 * MS, D("0.00006"))
    at_five = MIDNIGHT + 5 * HOUR_NS
    assert funding_passes(with_funding(history, at_five))
    history.settle(at_five + 3 * MS, D("0.00006001"))
    desk = with_funding(history, at_five)
    assert review(desk, enter(desk))[1][FUNDING].found == "+0.050001 % in 6 settlements"
    assert not funding_passes(desk)


Change = Callable[[FundingHistory], None]


def changed(**values: int) -> Change:
    def change(history: FundingHistory) -> None:
        for name, value in values.items():
            setattr(history, name, value)

    return change


@pytest.mark.parametrize(
    ("whole", "missing", "words"),
    [
        (changed(), changed(until_ns=0), "never read"),
        (changed(since_ns=NOW - EIGHT_H), changed(since_ns=NOW - EIGHT_H + 1), "does not reach back"),
        (changed(until_ns=NOW - 300 * NS_PER_S), changed(until_ns=NOW - 300 * NS_PER_S - 1), "s old"),
        (changed(due_ns=NOW + 1), changed(due_ns=NOW), "22:13:20 UTC settlement is not known"),
        (lambda h: h.settle(NOW - EIGHT_H, D("NaN")), lambda h: h.settle(NOW, D("NaN")), "reach back"),
    ],
)
def test_an_incomplete_history_refuses(whole: Change, missing: Change, words: str) -> None:
    history, holed = settled(), settled()
    whole(history)
    missing(holed)
    approved(with_funding(history), enter(linear_desk()))
    word = refused(with_funding(holed), enter(linear_desk()))
    assert word.rule == FUNDING
    assert words in word.found
    assert word.would_pass
    assert not funding_passes(with_funding(holed), SELL, BOTH)
    approved(with_funding(holed), enter(linear_desk(), SELL))


# -- funding: the law ---------------------------------------------------------------------------

rates = st.lists(
    st.tuples(st.integers(0, 40_000), st.integers(-9, 9), st.integers(-80_000, 80_000)), max_size=12
)


@given(rates, st.integers(0, 200_000), st.sampled_from([BUY, SELL]))
def test_longs_and_shorts_pass_exactly_when_the_sum_of_the_window_permits(
    rows: list[tuple[int, int, int]], limit: int, side: Side
) -> None:
    """Against whole numbers: seconds before NOW, jitter in ms, rates and limit in 1e-8."""
    history = FundingHistory(since_ns=0, until_ns=NOW)
    kept = {}
    for second, jitter, rate in rows:
        at_ms = NOW // MS - second * 1000 + (abs(jitter) if second == 0 else jitter)
        history.settle(at_ms * MS, Decimal(rate).scaleb(-8))
        kept[at_ms] = (second, rate)
    total = sum(rate for second, rate in kept.values() if second < 8 * 3600)
    expected = total <= limit if side is BUY else -total <= limit
    settings = RiskSettings(funding_gate=Decimal(limit).scaleb(-8), funding_gate_shorts=True)
    assert funding_passes(with_funding(history, NOW), side, settings) is expected


# -- funding: the real history ------------------------------------------------------------------

SHORT, LONG = (
    "binance_usdm/{}_USDT_USDT-8h-funding_rate.parquet",
    "BTC-USDT_binance_bybit_8h_2020_2024.parquet",
)
CASES = [  # file, limit, whether that market ever reached it
    *((SHORT.format(base), "0.0005", False) for base in ("BTC", "SOL", "BNB")),  # the calm spring of 2025
    *((SHORT.format(base), "0.00005", True) for base in ("BTC", "SOL", "BNB")),
    (LONG, "0.0005", True),  # the bull market of 2021
    (LONG, "0.001", True),
]


@pytest.mark.recording
@pytest.mark.parametrize(("name", "limit", "reached"), CASES)
def test_decisions_on_the_real_history_are_those_of_pandas(
    recordings: Path, name: str, limit: str, reached: bool
) -> None:
    """At every minute from 2 before to 2 after each settlement: its coming, and the last one's leaving."""
    frame = _real_rates(recordings / "funding" / name)
    table = pd.Series(frame["exact"].to_numpy(), index=frame["date"].dt.round("1s"))
    stamps = pd.DatetimeIndex(frame["date"]).as_unit("ns").asi8.tolist()
    history, desk, settings = FundingHistory(since_ns=0), linear_desk(), RiskSettings(funding_gate=D(limit))
    only(desk).settlements, refusals = history, 0
    for second, rates in table.groupby(level=0):
        for minutes in (-2, -1, 0, 1, 2):
            now = second + pd.Timedelta(minutes=minutes)
            desk.now_ns = history.until_ns = now.as_unit("ns").value
            if not minutes:  # it has just been told, with the stamp that the venue gave it
                for rate in rates:
                    history.settle(stamps.pop(0), rate)
            window = table[(table.index > now - pd.Timedelta(hours=8)) & (table.index <= now)]
            expected = sum(window, D(0)) <= D(limit)
            assert funding_passes(desk, BUY, settings) is expected, now
            refusals += not expected
    assert not stamps
    assert bool(refusals) is reached


def _real_rates(path: Path) -> pd.DataFrame:
    """Columns ``date`` (UTC, with the venue's jitter) and ``exact`` (Decimal); ascending."""
    frame = pd.read_parquet(path)
    if "venue" in frame:
        frame = frame[frame["venue"] == "binance"].rename(columns={"time_utc": "date"})
        frame = frame[(frame["date"] >= "2021-01-01") & (frame["date"] < "2021-05-01")]
    frame = frame.sort_values("date")
    return frame.assign(exact=[Decimal(repr(float(rate))) for rate in frame["funding_rate"]])


# -- open interest ------------------------------------------------------------------------------

OFF = RiskSettings(open_interest_gate=False)


def with_interest(history: OpenInterestHistory) -> Desk:
    desk = linear_desk()
    only(desk).interest = history
    return desk


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (("950",), ("949.999",)),  # 5 % below 1000
        (("2000", "1900"), ("2000", "1899.999")),
        (("2000", *["1000"] * 13), ("2000", *["1000"] * 12)),  # what was in force an hour ago counts
        (("0.1", "1000"), ("1000", "0")),
    ],
)
def test_open_interest_may_fall_to_the_limit_and_not_below(
    inside: tuple[str, ...], outside: tuple[str, ...], side: Side
) -> None:
    approved(with_interest(interest(*inside)), enter(linear_desk(), side))
    word = refused(with_interest(interest(*outside)), enter(linear_desk(), side))
    assert word.rule == INTEREST
    assert word.limit == "at most 5 % below the highest of 3600 s"
    assert word.would_pass.startswith(">= ")
    approved(with_interest(interest(*outside)), enter(linear_desk(), side), OFF)


def reads(*ages_s: float) -> OpenInterestHistory:
    history = OpenInterestHistory()
    for age in ages_s:
        history.take(NOW - int(age * NS_PER_S), D(100))
    return history


@pytest.mark.parametrize(
    ("whole", "missing", "words"),
    [
        (interest(), OpenInterestHistory(), "never read"),
        (reads(*range(180, 3781, 300)), reads(*range(181, 3782, 300)), "181.0 s old"),
        (reads(*range(0, 3601, 300)), reads(*range(0, 3600, 300)), "known for 3300.0 s only"),
        (reads(0, 900, 1800, 2700, 3600), reads(0, 901, 1801, 2701, 3601), "unknown for 901 s"),
    ],
)
def test_an_open_interest_that_is_not_known_refuses(
    whole: OpenInterestHistory, missing: OpenInterestHistory, words: str
) -> None:
    approved(with_interest(whole), enter(linear_desk()))
    word = refused(with_interest(missing), enter(linear_desk()))
    assert (word.rule, word.found) == (INTEREST, words)
    approved(with_interest(missing), enter(linear_desk()), OFF)


def test_a_contract_that_nobody_holds_is_refused() -> None:
    word = refused(with_interest(interest(*["0"] * 25)), enter(linear_desk()))
    assert word.found == "no open interest"


@given(
    st.lists(st.tuples(st.integers(0, 899), st.integers(0, 10**6)), min_size=1, max_size=40),
    st.integers(0, 1000),
    st.integers(300, 7200),
)
def test_open_interest_passes_exactly_when_its_fall_within_the_window_permits(
    steps: list[tuple[int, int]], per_mille: int, window_s: int
) -> None:
    """Against a second-by-second table of the amount in force."""
    history, age, told = OpenInterestHistory(), 0, {}
    for gap, amount in steps:
        told[age] = amount
        age += gap + 1
    for back, amount in told.items():
        history.take(NOW - back * NS_PER_S, D(amount))
    settings = RiskSettings(open_interest_drop=D(per_mille) / 1000, open_interest_window_s=window_s)
    _, findings = review(with_interest(history), enter(linear_desk()), settings)
    in_force, amounts = None, []
    for back in range(max(told), -1, -1):
        in_force = told.get(back, in_force)
        if back <= window_s and in_force is not None:
            amounts.append(in_force)
    covered = max(told) >= window_s
    fits = bool(max(amounts)) and 1 - Fraction(told[0], max(amounts)) <= Fraction(per_mille, 1000)
    assert findings[INTEREST].passed is (covered and fits)


# -- settings and gauges ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("funding_gate", "-0.0001"),
        ("open_interest_drop", "1.01"),
        ("open_interest_window_s", 14_401),
        ("open_interest_max_age_s", 4.9),
    ],
)
def test_settings_outside_their_range_are_refused_with_it(name: str, bad: object) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.* from .* to "):
        tuned(RiskSettings(), {name: bad})


def test_both_are_shown_as_gauges_and_as_blockers() -> None:
    desk, gate = linear_desk(), RiskGate(RiskSettings())
    only(desk).settlements, only(desk).interest = settled((1, "0.0006")), interest("900")
    shown = {row.rule: row for row in gate.gauges(desk)}
    assert shown[FUNDING].found == "BTC/USDT:USDT: +0.06 % in 1 settlement"
    assert shown[INTEREST].found == "BTC/USDT:USDT: 10.00 % below: 900 of 1000 BTC"
    names = [row.rule for row in gate.blockers("BTC/USDT:USDT", desk)]
    assert names == [FUNDING, INTEREST]
