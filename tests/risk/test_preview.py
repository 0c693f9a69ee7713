"""Previews, gauges and blockers: the gate's measurements without an order."""

from __future__ import annotations

import pytest

from contractdesk.domain.intents import Intent, IntentKind, SizePreview
from contractdesk.domain.orders import OrderStatus, Side
from contractdesk.domain.views import TradingState
from contractdesk.errors import ConfigError
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.settings import OnTrip, RiskSettings, tuned
from tests.domain.terms import LINEAR
from tests.risk.desks import NOW, NS_PER_S, D, approved, enter, inverse_desk, linear_desk, only, order

BUY, SELL = Side.BUY, Side.SELL


def preview(desk: object, intent: Intent, *, risk: str | None = None, cap: str = "0.03") -> SizePreview:
    gate = RiskGate(RiskSettings(size_cap=D(cap)))
    return gate.preview(intent, desk, timeframe="1m", risk=None if risk is None else D(risk))


def test_the_size_for_a_risk_loses_at_most_that_at_the_stop() -> None:
    desk = linear_desk()
    # limit 60,000, stop 59,000: 1000 + 0.04 % x (60,000 + 59,000) = 1047.6 a contract; 50 / 1047.6 = 0.0477
    shown = preview(desk, enter(desk, limit="60000", stop="59000"), risk="0.005", cap="10")
    assert (shown.size, shown.binding, shown.refusal) == (D("0.047"), "risk", "")
    assert shown.loss_at_stop == D("49.2372")  # 0.047 x 1047.6
    assert (shown.notional, shown.initial_margin, shown.fee) == (D(2820), D(282), D("1.128"))
    assert shown.price == 60_000
    assert shown.stop_price == 59_000
    assert shown.liquidation_price is None  # 10,000 hold 0.047 BTC down to zero


def test_the_cap_binds_first_at_its_default() -> None:
    desk = linear_desk()
    shown = preview(desk, enter(desk, limit="60000", stop="59000"), risk="0.005")
    assert (shown.size, shown.binding) == (D("0.005"), "size_cap")
    assert shown.loss_at_stop == D("5.238")


def test_the_margin_binds_where_little_is_available() -> None:
    desk = linear_desk(available="12.1")  # 6.024 a lot of 0.001
    shown = preview(desk, enter(desk, limit="60000", stop="59000"), risk="0.005")
    assert (shown.size, shown.binding, shown.refusal) == (D("0.002"), "margin", "")


def test_a_requested_size_is_shown_as_it_stands_with_its_refusal() -> None:
    desk = linear_desk()
    shown = preview(desk, enter(desk, size="0.006", limit="60000"))
    assert (shown.size, shown.binding) == (D("0.006"), "requested")
    assert shown.refusal == (
        "size_cap: 3.60 % of equity (360.00 USDT); limit <= 3 % of equity (300.00 USDT); "
        "would pass: size <= 0.005"
    )
    smaller = preview(desk, enter(desk, size="0.002", limit="60000"), risk="0.005")
    assert (smaller.size, smaller.binding) == (D("0.002"), "requested")


def test_a_plain_preview_is_what_the_gate_would_approve() -> None:
    for desk in (linear_desk(), inverse_desk()):
        for side in Side:
            shown, word = preview(desk, enter(desk, side)), approved(desk, enter(desk, side))
            assert (shown.size, shown.price, shown.stop_price) == (
                word.request.size,
                word.worst_price,
                word.stop_price,
            )
            assert (shown.binding, shown.refusal) == ("size_cap", "")


def test_the_venues_maximum_binds_an_unsized_entry() -> None:
    desk = linear_desk("100000000")
    shown = preview(desk, enter(desk), cap="10")
    assert (shown.size, shown.binding) == (D(120), "max_size")
    assert preview(desk, enter(desk, limit="60000"), cap="10").size == D(1000)


def test_inverse_loss_at_the_stop() -> None:
    desk = inverse_desk()
    # 15 x 100 USD @ 50,000, stop 49,500: 1500/49,500 - 1500/50,000 = 0.000303030, fees 0.05 % of both
    shown = preview(desk, enter(desk, limit="50000", stop="49500"))
    assert shown.size == 15
    assert shown.loss_at_stop == D("0.00033318")


def test_a_leveraged_preview_shows_where_it_would_be_liquidated() -> None:
    desk = linear_desk("6000")
    shown = preview(desk, enter(desk, size="1", limit="60000", stop="59000"), cap="10")
    assert shown.liquidation_price == D("54245.22613065")


def test_an_old_account_does_not_refuse_a_preview_but_a_halt_does() -> None:
    desk = linear_desk()
    desk.account_ns = NOW - 60 * NS_PER_S
    assert preview(desk, enter(desk)).refusal == ""
    desk.state = TradingState.HALTED
    assert preview(desk, enter(desk)).refusal.startswith("trading_state: HALTED")


def test_what_cannot_be_known_is_an_empty_preview_with_its_reason() -> None:
    desk = linear_desk()
    only(desk).mark = None
    shown = preview(desk, enter(desk))
    assert shown.size == 0
    assert shown.refusal.startswith("freshness_mark")
    unknown = preview(desk, Intent(kind=IntentKind.ENTER, symbol="X"))
    assert unknown.refusal.startswith("symbol: X is not on this desk")


@pytest.mark.parametrize(("held", "side"), [("0.002", SELL), ("-0.002", BUY)])
def test_a_preview_against_what_is_held_says_that_it_would_be_refused(held: str, side: Side) -> None:
    """The cap has room for that side, the position's one stop has not: the verdict names the stop's rule."""
    desk = linear_desk()
    only(desk).hold(held, "60000")
    shown = preview(desk, enter(desk, side))
    assert (shown.size, shown.binding) == (preview(linear_desk(), enter(desk, side)).size, "size_cap")
    assert shown.refusal.startswith(f"hard_stop: position of {held} in the other direction")
    assert "would pass: close_position() first" in shown.refusal
    same = SELL if side is BUY else BUY
    assert preview(desk, enter(desk, same)).refusal == ""


@pytest.mark.parametrize("risk", ["0", "-0.01", "1.01", "NaN"])
def test_a_risk_outside_its_range_is_an_error(risk: str) -> None:
    with pytest.raises(ConfigError, match=r"a fraction of equity"):
        preview(linear_desk(), enter(linear_desk()), risk=risk)


# -- gauges and blockers ------------------------------------------------------------------------


def test_gauges_show_every_rules_value_and_name_the_worst_symbol() -> None:
    desk, gate = linear_desk(), RiskGate(RiskSettings())
    only(desk).hold("0.002", "60000")
    only(desk).guarded = D("0.002")
    rows = {row.rule: row for row in gate.gauges(desk)}
    assert set(rows) == {
        "breaker", "trading_state", "margin_mode", "freshness_symbol", "freshness_book", "freshness_mark",
        "freshness_stream", "freshness_loop", "freshness_clock", "funding_gate", "open_interest",
        "size_cap", "margin", "margin_guard", "hard_stop", "trailing_stop",
    }  # fmt: skip
    assert all(row.passed for row in rows.values())
    assert rows["size_cap"].found == "BTC/USDT:USDT: 1.20 % of equity (120.00 USDT)"
    assert rows["hard_stop"].found == "1 of 1 positions protected"
    only(desk).guarded = D(0)
    only(desk).ready = False
    rows = {row.rule: row for row in gate.gauges(desk)}
    assert rows["hard_stop"].found == "BTC/USDT:USDT: 0.002 without a stop"
    assert rows["freshness_symbol"].found.startswith("BTC/USDT:USDT: not ready")


def test_the_breakers_gauge_names_what_would_be_cancelled_and_what_becomes_of_the_rest() -> None:
    desk = linear_desk()

    def then(on_trip: OnTrip) -> str:
        rows = RiskGate(RiskSettings(on_trip=on_trip)).gauges(desk)
        return next(row.then for row in rows if row.rule == "breaker")

    assert then(OnTrip.HALT) == then(OnTrip.FLATTEN) == "HALTED"
    desk.working = [
        order(LINEAR, BUY, "0.001", "59000", filled="0.0005"),
        order(LINEAR, SELL, "0.002", "61000"),
    ]
    gone = "2 entries cancelled (buy 0.0005 BTC/USDT:USDT at 59000 and sell 0.002 BTC/USDT:USDT at 61000)"
    assert then(OnTrip.HALT) == f"HALTED, {gone}"
    only(desk).hold("0.002", "60000")
    assert then(OnTrip.HALT) == f"HALTED, {gone}, BTC/USDT:USDT left under its stop"
    assert then(OnTrip.FLATTEN) == f"HALTED, {gone}, BTC/USDT:USDT closed"


def test_gauges_of_a_desk_that_knows_nothing() -> None:
    desk, gate = linear_desk(), RiskGate(RiskSettings())
    desk.account, desk.symbols = None, {}
    assert [row.rule for row in gate.gauges(desk)] == ["breaker", "hard_stop"]
    desk = linear_desk()
    only(desk).leverage = D(0)
    desk.working = [order(LINEAR, BUY, "0.001", None, status=OrderStatus.IN_FLIGHT)]
    assert not next(row for row in gate.gauges(desk) if row.rule == "margin").passed


def test_blockers_are_what_would_refuse_any_entry() -> None:
    desk, gate = linear_desk(), RiskGate(RiskSettings())
    assert gate.blockers(LINEAR.symbol, desk) == ()
    desk.private_stream_ready = False
    only(desk).hold("0.005", "60000")
    assert [row.rule for row in gate.blockers(LINEAR.symbol, desk)] == ["freshness_stream", "size_cap"]
    assert [row.rule for row in gate.blockers("X", desk)] == ["symbol"]


# -- settings -----------------------------------------------------------------------------------


def test_settings_are_tuned_within_their_ranges() -> None:
    changed = tuned(RiskSettings(), {"size_cap": 0.05, "margin_check": False, "book_max_age_s": 1})
    assert (changed.size_cap, changed.margin_check, changed.book_max_age_s) == (D("0.05"), False, 1.0)
    assert tuned(changed, {"size_cap": "0.04"}).size_cap == D("0.04")
    assert tuned(changed, {}) == changed
    assert tuned(changed, {"mark_max_age_s": D(3)}).mark_max_age_s == 3.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size_cap": "10.1"}, "size_cap=10.1 is not permitted: it must be from 0 to 10"),
        ({"size_cap": -1}, "from 0 to 10"),
        ({"size_cap": "NaN"}, "from 0 to 10"),
        ({"size_cap": "three"}, "it must be a Decimal from 0 to 10"),
        ({"margin_check": "yes"}, "it must be a bool"),
        ({"max_intents_per_s": 0}, "from 1 to 10000"),
        ({"stop_deadline_s": 6}, "flatten_deadline_s must be at least stop_deadline_s"),
        ({"stop_deadline": 6}, "there is no risk setting 'stop_deadline'; there are: account_max_age_s"),
    ],
)
def test_a_setting_out_of_range_is_an_error_that_names_it(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        tuned(RiskSettings(), changes)
