"""What is shown and told: snapshots, stories, previews, checkpoints."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.commands import CancelOrder, PlaceStop, ReduceOrder
from contractdesk.domain.events import FlattenAsked, FundingPaid, FundingSettled, HaltAsked, MarkPriced
from contractdesk.domain.intents import AtrStop, IntentKind
from contractdesk.domain.orders import OrderStatus
from contractdesk.domain.views import TradingState
from contractdesk.engine.checkpoint import VERSION, decode_desk, encode_desk
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import Limits
from contractdesk.errors import StorageError
from contractdesk.strategy.funding import ledger
from tests.engine.bench import MARK, NS_PER_S, START, SYMBOL, Bench, D, enter, wish


def test_a_snapshot_shows_the_position_its_stop_and_its_result() -> None:
    bench = Bench()
    bench.open("0.02", "29000")
    bench.mark(D(30_100))
    shown = bench.engine.snapshot(depth=5)
    (position,) = shown.positions
    assert (position.size, position.entry_price, position.stop_price) == (D("0.02"), MARK, D(29_000))
    assert (position.guarded, position.unrealized_pnl, position.notional) == (D("0.02"), D(2), D(602))
    assert (position.fees, position.origin) == (D("0.1"), "own")
    assert (shown.protected_fraction, shown.naked_s) == (D(1), 0.0)
    assert [order.status for order in shown.orders] == [OrderStatus.WORKING, OrderStatus.FILLED]
    assert shown.symbols[SYMBOL].book_valid
    assert len(shown.symbols[SYMBOL].bids) == 16
    assert {finding.rule for finding in shown.risk} >= {"trading_state", "size_cap"}


def test_a_snapshot_has_what_the_funding_ledger_needs() -> None:
    bench = Bench()
    hour = 3600 * NS_PER_S
    next_ns = START - START % (4 * hour) + 4 * hour
    for back, rate in ((3, "0.0004"), (2, "0.0002"), (1, "0.0001")):
        settled_ns = next_ns - back * 4 * hour + 2_000_000
        bench.feed(FundingSettled(ts_ns=START, symbol=SYMBOL, rate=D(rate), funding_ns=settled_ns))
    bench.open("0.02", "29000")
    paid = FundingPaid(
        ts_ns=bench.now_ns, symbol=SYMBOL, payment_id="p", amount=D("-0.06"), venue_ns=bench.now_ns
    )
    bench.feed(paid)
    bench.feed(
        MarkPriced(
            ts_ns=START + 1, symbol=SYMBOL, mark=MARK, index=MARK, funding_rate=D("0.0003"),
            next_funding_ns=next_ns, venue_ns=START + 1,
        )
    )  # fmt: skip
    restored = Engine.restore(bench.engine.checkpoint(), {})
    for shown in (bench.engine.snapshot(), restored.snapshot()):
        item = shown.symbols[SYMBOL]
        assert (item.funding_interval_ns, item.settled_rates) == (4 * hour, D("0.0003"))
        assert (shown.positions[0].accrued_funding, shown.funding_limit) == (D("-0.06"), D("0.0005"))
        (row,) = ledger(shown)
        assert (row.predicted, row.interval_hours) == (D("-0.18"), 4)  # 600 USDT x 0.03 %


def test_naked_contracts_are_counted_by_the_second() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.fill(entry, "0.02")
    bench.advance(1.5)
    shown = bench.engine.snapshot()
    assert shown.naked_s == pytest.approx(1.5)
    assert shown.protected_fraction == 0


def test_a_snapshot_never_changes_the_engine() -> None:
    bench = Bench()
    bench.open()
    before = bench.engine.checkpoint()
    bench.engine.snapshot()
    bench.engine.why_not(SYMBOL)
    stop = AtrStop(period=5)
    preview = bench.engine.preview(wish(IntentKind.ENTER, stop=stop))
    assert preview.refusal
    assert bench.engine.checkpoint() == before


def test_the_story_goes_from_the_signal_to_the_stop() -> None:
    bench = Bench()
    stop = bench.open("0.02", "29000")
    fill = bench.engine.snapshot().fills[0]
    for asked in (fill.client_id, f"v-{fill.client_id}", fill.trade_id, "1"):
        story = bench.engine.why(asked)
        assert story is not None
        assert story.order is not None
        assert story.order.request.client_id == fill.client_id
        assert [order.request.client_id for order in story.stops] == [stop]
        assert story.decision is not None
        assert all(finding.passed for finding in story.decision.findings)
        words = " | ".join(story.lines)
        for word in ("signal: by hand (tester)", "passed size_cap", "fill t1: +0.02", "stop order"):
            assert word in words
    assert bench.engine.why("nobody") is None
    assert bench.engine.why("") is None


def test_the_story_of_a_refusal_names_the_rule() -> None:
    bench = Bench()
    bench.alive()
    bench.ask(enter("5"))
    story = bench.engine.why("1")
    assert story is not None
    assert story.refusal is not None
    assert story.refusal.rule == "size_cap"
    assert story.order is None
    assert "refused by size_cap" in story.lines[-1]


def test_why_not_is_empty_when_nothing_blocks() -> None:
    bench = Bench()
    assert bench.engine.why_not(SYMBOL) == ()
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    assert [finding.rule for finding in bench.engine.why_not(SYMBOL)] == ["trading_state"]


def test_the_preview_is_what_the_gate_would_say() -> None:
    bench = Bench()
    preview = bench.engine.preview(enter("0.02"))
    assert (preview.size, preview.binding, preview.refusal) == (D("0.02"), "requested", "")


def test_what_grows_is_bounded() -> None:
    bench = Bench()
    for _ in range(Limits.REFUSALS + 5):
        bench.ask(wish(IntentKind.MOVE_STOP))
    shown = bench.engine.snapshot()
    assert len(shown.refusals) == Limits.REFUSALS
    for _ in range(Limits.NOTICES + 5):
        bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester"))
    assert len(bench.engine.snapshot().notices) == Limits.NOTICES


def test_closed_orders_are_forgotten_oldest_first() -> None:
    bench = Bench()
    first = bench.enter().approved.request.client_id
    bench.reject(first, would_take=True)
    for _ in range(Limits.ORDERS):
        bench.reject(bench.enter().approved.request.client_id, would_take=True)
    assert bench.engine.why(first) is None
    assert len(bench.engine._desk.orders_by_id) == Limits.ORDERS


def test_a_checkpoint_keeps_everything() -> None:
    bench = Bench()
    bench.open()
    bench.feed(FlattenAsked(ts_ns=bench.now_ns, who="tester"))
    restored = Engine.restore(bench.engine.checkpoint(), {})
    assert restored.snapshot() == bench.engine.snapshot()
    assert restored.view.state is TradingState.REDUCING
    order = bench.last(ReduceOrder)
    bench.engine = restored
    bench.fill(order.client_id, "-0.02")
    assert bench.market.position.flat
    assert bench.now(CancelOrder)
    assert len(bench.all(PlaceStop)) == 1


@pytest.mark.parametrize("data", [b"", b"nonsense", msgspec.msgpack.encode({"version": VERSION, "desk": {}})])
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(StorageError, match="not a checkpoint"):
        Engine.restore(data, {})


def test_a_checkpoint_of_another_version_is_refused() -> None:
    with pytest.raises(StorageError, match="version 0"):
        Engine.restore(msgspec.msgpack.encode({"version": 0}), {})


def test_an_exact_cost_of_thousands_of_digits_survives_a_checkpoint() -> None:
    """So it is with an inverse position after thousands of fills without going flat."""
    bench = Bench()
    desk = decode_desk(bench.engine.checkpoint())
    cost = Fraction(-(10**5000) - 1, 7)
    market = desk.symbols[SYMBOL]
    market.position = replace(market.position, size=D(-1), cost=cost)
    assert decode_desk(encode_desk(desk)).symbols[SYMBOL].position.cost == cost


def test_the_version_before_is_read_and_its_halt_is_kept() -> None:
    """It wrote an exact cost in decimal digits."""
    bench = Bench()
    bench.open("0.02")
    bench.feed(HaltAsked(ts_ns=bench.now_ns, who="tester", reason="a storm"))
    cost = bench.market.position.cost
    before = msgspec.msgpack.decode(bench.engine.checkpoint())
    before["version"] = 3
    before["desk"]["symbols"][SYMBOL]["position"]["cost"] = [str(cost.numerator), str(cost.denominator)]
    bench.engine = Engine.restore(msgspec.msgpack.encode(before), {})
    assert bench.engine.view.state is TradingState.HALTED
    assert bench.market.position.cost == cost


def test_a_liquidation_price_is_that_of_this_position_or_none() -> None:
    """The account was read before the position turned: what it shows is the other direction's."""
    bench = Bench()
    bench.open("0.02")
    shown = VenuePosition(
        symbol=SYMBOL, size=D("0.02"), entry_price=D(30_000), unrealized_pnl=D(0), leverage=D(10),
        liquidation_price=D(20_000),
    )  # fmt: skip
    bench.advance(3)
    bench.answer_account(positions=(shown,))
    assert bench.engine.snapshot().positions[0].liquidation_price == D(20_000)
    bench.fill(bench.enter("0.01").approved.request.client_id, "0.01")
    assert bench.engine.snapshot().positions[0].liquidation_price is None
