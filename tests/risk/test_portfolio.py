"""The limits over the whole desk: off unless set, and exact where they are."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.orders import Side
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.settings import RiskSettings
from tests.domain.terms import LINEAR
from tests.risk.desks import NOW, NS_PER_S, D, approved, enter, linear_desk, only, order, refused

HOUR = 3600 * NS_PER_S


def test_they_are_off_by_default_and_then_not_shown() -> None:
    desk = linear_desk()
    desk.entry_times, desk.day_change = [NOW] * 5000, D(-1)
    assert approved(desk, enter(desk))
    shown = {row.rule for row in RiskGate(RiskSettings()).gauges(desk)}
    assert not shown & {"gross_exposure", "entry_rate", "daily_loss"}


def test_gross_exposure_adds_up_both_directions() -> None:
    settings = RiskSettings(size_cap=D(1), max_gross_exposure=D("0.12"))
    desk = linear_desk()
    only(desk).hold("0.005", "60000")  # 300
    desk.working = [
        order(LINEAR, Side.SELL, "0.005", "60000"),  # 300, the other way
        order(LINEAR, Side.BUY, "0.005", "60000"),
    ]
    assert approved(desk, enter(desk, size="0.005", limit="60000"), settings)  # 1,200 of 10,000
    word = refused(desk, enter(desk, size="0.006", limit="60000"), settings)
    assert (word.rule, word.found, word.limit) == (
        "gross_exposure", "12.60 % of equity (1260.00 USDT)", "<= 12 % of equity",
    )  # fmt: skip
    gauge = next(row for row in RiskGate(settings).gauges(desk) if row.rule == "gross_exposure")
    assert (gauge.found, gauge.left) == ("9.00 % of equity (900.00 USDT)", "300.00 USDT")


def test_what_nobody_watches_is_not_taken_for_nothing() -> None:
    settings, desk = RiskSettings(size_cap=D(1), max_gross_exposure=D("0.12")), linear_desk()
    assert desk.account is not None
    row = VenuePosition(
        symbol="ETH/USDT:USDT", size=D(100), entry_price=D(3000), unrealized_pnl=D(0), leverage=D(10),
        settle="USDT",
    )  # fmt: skip
    desk.account = replace(desk.account, positions=(row,))
    word = refused(desk, enter(desk, size="0.005", limit="60000"), settings)
    assert (word.rule, word.found) == ("gross_exposure", "ETH/USDT:USDT is held and not watched")
    desk.account = replace(desk.account, positions=(replace(row, settle="BTC"),))
    assert approved(desk, enter(desk, size="0.005", limit="60000"), settings)


def test_entries_an_hour() -> None:
    settings = RiskSettings(max_entries_per_hour=2)
    desk = linear_desk()
    desk.entry_times = [NOW - HOUR, NOW - 600 * NS_PER_S]  # the first one has just left the hour
    assert approved(desk, enter(desk), settings)
    desk.entry_times = [NOW - HOUR + NS_PER_S, NOW - 600 * NS_PER_S]
    word = refused(desk, enter(desk), settings)
    assert (word.rule, word.found, word.limit, word.would_pass) == (
        "entry_rate", "2 in the last hour", "< 2 entries an hour", "1 s of waiting",
    )  # fmt: skip


@pytest.mark.parametrize(("change", "passes"), [("-0.0499", True), ("-0.05", False), ("0.2", True)])
def test_daily_loss(change: str, *, passes: bool) -> None:
    settings = RiskSettings(max_daily_loss=D("0.05"))
    desk = linear_desk()
    desk.day_change = D(change)
    if passes:
        assert approved(desk, enter(desk), settings)
    else:
        assert refused(desk, enter(desk), settings).rule == "daily_loss"


def test_what_is_not_measured_is_refused() -> None:
    desk = linear_desk()
    desk.day_change = None
    assert refused(desk, enter(desk), RiskSettings(max_daily_loss=D("0.05"))).found == "nothing measured yet"
    desk = linear_desk()
    only(desk).hold("0.005", "60000")
    only(desk).mark = None
    findings = refused(desk, enter(desk), RiskSettings(max_gross_exposure=D(1))).findings
    assert not next(f for f in findings if f.rule == "gross_exposure").passed
