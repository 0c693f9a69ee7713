"""Margin, hard stop, freshness, state, slippage and terms: one unit inside and one outside."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from contractdesk.domain.account import Account, VenuePosition
from contractdesk.domain.intents import FixedStop, Intent, IntentKind
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import OrderStatus, OrderType, Side, TimeInForce
from contractdesk.domain.views import TradingState
from contractdesk.errors import EngineFault
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.settings import RiskSettings
from tests.domain.terms import LINEAR
from tests.risk.desks import (
    NOW,
    NS_PER_S,
    D,
    Desk,
    account,
    approved,
    book,
    enter,
    inverse_desk,
    linear_desk,
    only,
    order,
    refused,
    review,
)

BUY, SELL = Side.BUY, Side.SELL
TWO_S = 2 * NS_PER_S
RAISED = RiskSettings(size_cap=D(10))


# -- the gate itself ----------------------------------------------------------------------------


def test_an_approval_carries_the_order_as_it_will_be_sent() -> None:
    desk = linear_desk()
    word = approved(desk, enter(desk, SELL, size="0.004", limit="60000.04"))
    request = word.request
    assert (request.side, request.type, request.size, request.price) == (
        SELL,
        OrderType.LIMIT,
        D("0.004"),
        D("60000.1"),  # a sell rounds up: never worse than asked
    )
    assert (request.client_id, request.strategy_id, request.intent_id) == ("cd1", "s", 7)
    assert not request.reduce_only
    assert word.signal_ns == NOW - 5


def test_every_rule_is_measured_even_after_one_has_failed() -> None:
    desk = linear_desk()
    desk.state = TradingState.HALTED
    _, findings = review(desk, enter(desk, size="1", stop="70000"))
    assert len(findings) == len(RiskGate(RiskSettings()).rules)
    failed = [finding.rule for finding in findings.values() if not finding.passed]
    assert failed == ["trading_state", "size_cap", "hard_stop"]
    word = refused(desk, enter(desk, size="1", stop="70000"))
    assert (word.rule, word.found, word.limit, word.would_pass) == (
        "trading_state",
        "HALTED",
        "ACTIVE",
        "resume()",
    )
    assert word.ts_ns == NOW
    assert len(word.findings) == len(findings)


@pytest.mark.parametrize("kind", [IntentKind.EXIT, IntentKind.MOVE_STOP, IntentKind.CANCEL])
def test_what_is_no_entry_is_never_reviewed(kind: IntentKind) -> None:
    with pytest.raises(EngineFault, match="only entries are reviewed"):
        review(linear_desk(), Intent(kind=kind, symbol=LINEAR.symbol))


def test_a_symbol_that_is_not_there_is_refused_with_those_that_are() -> None:
    word = refused(linear_desk(), Intent(kind=IntentKind.ENTER, symbol="ETH/USDT:USDT"))
    assert (word.rule, word.would_pass) == ("symbol", "one of BTC/USDT:USDT")


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_entries_need_an_active_desk(state: TradingState) -> None:
    desk = linear_desk()
    desk.state = state
    assert refused(desk, enter(desk)).rule == "trading_state"


# -- equity and freshness -----------------------------------------------------------------------

Change = Callable[[Desk], None]


def changed(**values: object) -> Change:
    def change(desk: Desk) -> None:
        for name, value in values.items():
            setattr(desk if hasattr(desk, name) else only(desk), name, value)

    return change


FRESH = [
    ("equity", changed(account_ns=NOW - TWO_S), changed(account_ns=NOW - TWO_S - 1)),
    ("equity", changed(account=account("0.01")), changed(account=account("0"))),
    ("equity", changed(account=account("1")), changed(account=account("-1"))),
    ("equity", changed(account_ns=NOW), changed(account_ns=0)),
    ("equity", changed(account=account("1")), changed(account=None)),
    ("freshness_book", changed(book_alive_ns=NOW - TWO_S), changed(book_alive_ns=NOW - TWO_S - 1)),
    ("freshness_book", changed(book_alive_ns=NOW + 9), changed(book_alive_ns=0)),
    ("freshness_book", changed(), lambda desk: only(desk).book.invalidate()),
    ("freshness_book", changed(), changed(book=book(LINEAR, "60000.1", "60000.1"))),
    ("freshness_mark", changed(mark_ns=NOW - 5 * NS_PER_S), changed(mark_ns=NOW - 5 * NS_PER_S - 1)),
    (
        "freshness_mark",
        changed(mark_venue_ns=NOW - 5 * NS_PER_S),
        changed(mark_venue_ns=NOW - 5 * NS_PER_S - 1),
    ),
    ("freshness_mark", changed(), changed(mark_valid=False)),
    ("freshness_mark", changed(), changed(mark=None)),
    ("freshness_mark", changed(), changed(mark=D(0))),
    ("freshness_mark", changed(), changed(mark=D("NaN"))),
    ("freshness_stream", changed(), changed(private_stream_ready=False)),
    ("freshness_symbol", changed(), changed(ready=False, not_ready_reason="backfill of trades")),
    ("freshness_loop", changed(loop_lag_ms=2000.0), changed(loop_lag_ms=2000.1)),
    ("freshness_loop", changed(), changed(loop_lag_ms=float("nan"))),
    ("freshness_clock", changed(clock_offset_ms=-5000.0), changed(clock_offset_ms=-5000.1)),
    ("freshness_clock", changed(clock_offset_ms=5000.0), changed(clock_offset_ms=5000.1)),
    ("freshness_clock", changed(), changed(clock_offset_ms=float("nan"))),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "inside", "outside"), FRESH)
def test_freshness_holds_to_the_limit_and_not_beyond(rule: str, inside: Change, outside: Change) -> None:
    good, bad = linear_desk(), linear_desk()
    inside(good), outside(bad)
    intent = enter(linear_desk(), size="0.004")
    assert review(good, intent)[1][rule].passed
    finding = review(bad, intent)[1][rule]
    assert not finding.passed
    assert finding.would_pass
    assert refused(bad, intent).rule in {rule, "freshness_mark", "equity"}


@pytest.mark.parametrize("mark", [None, D(0), D(-1), D("NaN"), D("Infinity")])
def test_without_a_usable_mark_nothing_breaks_and_nothing_passes(mark: Decimal | None) -> None:
    for desk in (linear_desk(), inverse_desk()):
        intents = [enter(desk), enter(desk, limit="50000", stop="49000"), enter(desk, notional="1")]
        only(desk).hold("1", "50000")
        only(desk).mark = mark
        for intent in intents:
            assert refused(desk, intent).rule == "freshness_mark"
            assert RiskGate(RAISED).preview(intent, desk, timeframe="1m").refusal
        assert RiskGate(RAISED).gauges(desk)


def test_words_of_staleness() -> None:
    desk = linear_desk()
    changed(ready=False, not_ready_reason="backfill of trades")(desk)
    assert refused(desk, enter(desk)).found == "not ready: backfill of trades"
    stale = linear_desk()
    stale.account_ns = NOW - 3_200_000_000
    assert refused(stale, enter(stale)).found == "10000.00 USDT, 3.2 s old"


# -- margin -------------------------------------------------------------------------------------


def test_margin_and_fees_must_fit_into_what_is_available() -> None:
    # 0.005 @ 60,000 = 300; margin at 10x is 30, the taker fee 0.12: 30.12
    desk = linear_desk(available="30.12")
    assert approved(desk, enter(desk, size="0.005", limit="60000"))
    poor = linear_desk(available="30.11")
    word = refused(poor, enter(poor, size="0.005", limit="60000"))
    assert (word.rule, word.found, word.limit, word.would_pass) == (
        "margin",
        "30.12 USDT needed",
        "<= 30.11 USDT available",
        "size <= 0.004",
    )
    assert approved(poor, enter(poor, size="0.004", limit="60000"))
    assert approved(poor, enter(poor, size="0.005", limit="60000"), RiskSettings(margin_check=False))


def test_a_maker_pays_the_makers_fee() -> None:
    desk = linear_desk(available="30.06")
    intent = enter(desk, size="0.005", limit="60000")
    assert refused(desk, intent).rule == "margin"
    passive = Intent(
        kind=intent.kind,
        symbol=intent.symbol,
        size=intent.size,
        limit=intent.limit,
        stop=intent.stop,
        time_in_force=TimeInForce.GTX,
    )
    assert approved(desk, passive).request.time_in_force is TimeInForce.GTX


def test_what_the_snapshot_cannot_know_is_counted_once_and_only_until_it_knows() -> None:
    desk = linear_desk(available="30.12")
    desk.working = [order(LINEAR, SELL, "0.001", "60000", status=OrderStatus.IN_FLIGHT)]
    assert refused(desk, enter(desk, size="0.005", limit="60000")).found == "36.15 USDT needed"
    desk.working = [order(LINEAR, SELL, "0.001", "60000", created_ns=NOW + 1)]
    assert refused(desk, enter(desk, size="0.005", limit="60000")).found == "36.15 USDT needed"
    desk.working = [order(LINEAR, SELL, "0.001", "60000", created_ns=NOW - 1)]  # in the snapshot
    assert approved(desk, enter(desk, size="0.005", limit="60000"))


def test_a_position_that_grew_since_the_snapshot_is_counted() -> None:
    desk = linear_desk(available="24.20")
    only(desk).hold("0.001", "60000")
    assert refused(desk, enter(desk, size="0.004", limit="60000")).found == "30.10 USDT needed"
    desk.account = seen(desk, "0.001", "24.20")
    assert approved(desk, enter(desk, size="0.004", limit="60000"))


def seen(desk: Desk, size: str, available: str) -> Account:
    """The account as a snapshot that knows of the position."""
    row = VenuePosition(
        symbol=LINEAR.symbol, size=D(size), entry_price=D(60_000), unrealized_pnl=D(0), leverage=D(10)
    )
    return Account(
        asset="USDT",
        wallet_balance=D(10_000),
        unrealized_pnl=D(0),
        initial_margin=D(0),
        maintenance_margin=D("0.24"),
        available=D(available),
        positions=(row,),
    )


def test_the_tiers_leverage_binds_where_it_is_lower() -> None:
    desk = linear_desk("100000000")
    only(desk).leverage = D(125)
    # 600,000 in all is in the tier of 50x: 12,000 margin and 240 fees
    word = review(desk, enter(desk, size="10", limit="60000"), RAISED)[1]["margin"]
    assert word.found == "12240.00 USDT needed"


def test_an_unknown_leverage_is_refused() -> None:
    desk = linear_desk()
    only(desk).leverage = D(0)
    assert refused(desk, enter(desk)).rule == "margin"


# -- slippage and the venue's terms -------------------------------------------------------------


def test_a_market_entry_must_find_its_size_before_the_collar() -> None:
    desk = linear_desk("1000000")
    only(desk).book = book(LINEAR, "59999.9", "60000.1", lots=100)  # 0.1 BTC each side
    assert approved(desk, enter(desk, size="0.1"))
    word = refused(desk, enter(desk, size="0.101"))
    assert (word.rule, word.found) == ("slippage", "the book is too thin")
    assert approved(desk, enter(desk, size="0.101", limit="60000.1"))


def test_the_depth_beyond_the_collar_does_not_count() -> None:
    desk = linear_desk("1000000")
    item = only(desk)
    ticks = [(LINEAR.to_ticks(D(price)), 10) for price in ("60000.1", "60300.1", "60300.2")]
    item.book.apply_snapshot(pack_levels([(599_999, 100)]), pack_levels(ticks), 2)
    assert approved(desk, enter(desk, size="0.02"))  # to 60,300.1, the collar being 60,300.1005
    assert refused(desk, enter(desk, size="0.021")).found == "reaches 60300.2"


def test_a_fixed_stop_off_the_grid_is_rounded_away_from_the_entry() -> None:
    desk = linear_desk()
    intent = Intent(kind=IntentKind.ENTER, symbol=LINEAR.symbol, stop=FixedStop(D("59000.07")))
    assert approved(desk, intent).stop_price == D("59000.0")
