"""The venue's picture against ours: missed fills, drift, external positions, lost streams."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.commands import (
    Notify,
    PlaceStop,
    QueryOrder,
    ReadVenueState,
    SubmitOrder,
)
from contractdesk.domain.events import (
    FundingPaid,
    PositionReported,
    ReadFailed,
    StreamLost,
    StreamName,
    StreamRestored,
    TimePassed,
    VenueOrder,
    VenueStateRead,
    WalletChanged,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.orders import OrderRole, OrderStatus
from contractdesk.domain.views import TradingState
from contractdesk.engine import client_ids
from contractdesk.engine.checkpoint import decode_desk, encode_desk
from contractdesk.engine.engine import Engine
from tests.engine.bench import CONFIG, NS_PER_S, SYMBOL, Bench, D, enter


def stop_row(bench: Bench, client_id: str) -> VenueOrder:
    request = bench.tracked(client_id).order.request
    return VenueOrder(
        client_id=client_id,
        venue_id="v",
        symbol=SYMBOL,
        side=request.side,
        type=request.type,
        status=OrderStatus.WORKING,
        size=request.size,
        filled=ZERO,
        price=None,
        trigger_price=request.trigger_price,
        reduce_only=True,
    )


def next_picture(bench: Bench, size: str, **more: object) -> None:
    """Wait for the next ReadVenueState and answer it."""
    for _ in range(400):
        reads = [c for c in bench.advance(0.1) if isinstance(c, ReadVenueState)]
        if reads:
            bench.picture(reads[-1].request_id, D(size), **more)
            return
    raise AssertionError("nothing was read")


def test_an_external_position_is_noted_at_start_and_left_alone() -> None:
    bench = Bench(started=False)
    bench.start(bench.account(D("1.5")))
    assert bench.market.external_size == D("1.5")
    assert bench.market.position.flat
    assert bench.engine.view.state is TradingState.ACTIVE
    assert "external_position" in bench.codes
    assert not bench.all(PlaceStop)
    rows = bench.engine.snapshot().positions
    assert [(row.origin, row.size) for row in rows] == [("external", D("1.5"))]


def test_fills_from_before_the_ledger_are_not_booked() -> None:
    bench = Bench(started=False)
    old = client_ids.make("b0t0", 0, 1, OrderRole.ENTRY)
    made = bench.make_fill(old, "0.02")
    account = bench.account(D("0.02"))
    bench.start()
    bench.picture(0, D("0.02"), fills=(made,), account=account)
    assert bench.market.position.flat
    assert bench.market.external_size == D("0.02")


def test_cadence_is_thirty_seconds_flat_and_ten_in_position() -> None:
    bench = Bench()
    times = []
    for _ in range(1000):
        if any(isinstance(c, ReadVenueState) for c in bench.advance(0.1)):
            times.append(bench.now_ns)
            bench.picture(bench.last(ReadVenueState).request_id, bench.market.position.size)
    gaps = {round((b - a) / NS_PER_S) for a, b in pairwise(times)}
    assert gaps == {30}


def test_fills_without_end_do_not_spend_the_rate_limit_on_readings() -> None:
    """One fill a second for a minute: a reading every three seconds, and one after the last."""
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    times: list[int] = []
    for tenth in range(700):
        if tenth % 10 == 0 and tenth < 600:
            bench.fill(entry, "0.0001")
        if any(isinstance(c, ReadVenueState) for c in bench.advance(0.1)):
            times.append(bench.now_ns)
            bench.picture(bench.last(ReadVenueState).request_id, bench.market.position.size)
    gaps = [(b - a) / NS_PER_S for a, b in pairwise(times)]
    assert min(gaps) >= 3
    assert 18 <= len(times) <= 22, gaps


def test_conditional_orders_that_a_reading_left_out_still_count() -> None:
    bench = Bench(config=replace(CONFIG, max_conditional=200))
    bench.feed(
        VenueStateRead(
            ts_ns=bench.now_ns,
            request_id=0,
            account=bench.account(),
            orders=(),
            fills=(),
            conditional_elsewhere=7,
        )
    )
    assert bench.engine._desk.conditional_room == 200 - 7


def test_missed_fills_are_booked_from_the_picture_and_protected() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.accept(entry)
    made = bench.make_fill(entry, "0.02")
    next_picture(bench, "0.02", fills=(made,))
    assert bench.market.position.size == D("0.02")
    assert bench.market.drift is None
    assert bench.now(PlaceStop)


def test_an_order_that_is_not_shown_is_asked_for() -> None:
    bench = Bench()
    stop = bench.open()
    next_picture(bench, "0.02", orders=())
    queries = [c for c in bench.advance(0.01) if isinstance(c, QueryOrder)]
    assert [query.client_id for query in queries] == [stop]
    assert queries[0].conditional


def test_drift_is_believed_only_after_two_reads_two_seconds_apart() -> None:
    bench = Bench()
    stop = bench.open("0.02")
    orders = (stop_row(bench, stop),)
    next_picture(bench, "0.02", orders=orders)
    next_picture(bench, "0.015", orders=orders)
    assert "drift" not in bench.codes
    assert bench.market.position.size == D("0.02")
    seen_ns = bench.now_ns
    next_picture(bench, "0.015", orders=orders)
    assert bench.now_ns >= seen_ns + 2 * NS_PER_S
    assert "drift" in bench.codes
    assert bench.market.position.size == D("0.015")  # somebody else closed 0.005 of ours
    assert bench.last(PlaceStop).size == D("0.015")
    assert bench.engine.view.state is TradingState.REDUCING
    assert bench.engine.snapshot().fills[-1].client_id == "drift"


def test_a_surplus_is_external_and_stays_unguarded() -> None:
    bench = Bench()
    stop = bench.open("0.02")
    orders = (stop_row(bench, stop),)
    for _ in range(3):
        next_picture(bench, "0.5", orders=orders)
    assert bench.market.position.size == D("0.02")
    assert bench.market.external_size == D("0.48")
    assert bench.market.guarded == D("0.02")


def test_no_drift_while_something_is_in_flight() -> None:
    bench = Bench()
    bench.enter("0.02")
    for _ in range(3):
        next_picture(bench, "0.02")
    assert "drift" not in bench.codes


def test_a_failed_read_proves_nothing() -> None:
    bench = Bench()
    bench.open("0.02")
    reads = [c for c in bench.advance(1.5) if isinstance(c, ReadVenueState)]
    request_id = reads[0].request_id
    bench.feed(ReadFailed(ts_ns=bench.now_ns, request_id=request_id, what="state", reason="timeout"))
    assert bench.market.position.size == D("0.02")
    assert bench.market.guarded == D("0.02")
    again = [c for c in bench.advance(2.5) if isinstance(c, ReadVenueState)]
    assert len(again) == 1


def test_an_answer_to_a_question_given_up_is_ignored() -> None:
    bench = Bench()
    bench.open("0.02")
    bench.picture(999, ZERO)
    assert bench.market.drift is None
    assert bench.market.position.size == D("0.02")


def test_foreign_fills_close_what_is_external_first_and_then_ours() -> None:
    bench = Bench()
    bench.open("0.02")
    apply = bench.engine._executions.apply
    apply(bench.make_fill("web_1", "0.01"))
    assert bench.market.external_size == D("0.01")
    apply(bench.make_fill("web_2", "-0.015"))
    assert bench.market.external_size == 0
    assert bench.market.position.size == D("0.015")
    bench.feed(TimePassed(ts_ns=bench.now_ns))
    assert bench.last(PlaceStop).size == D("0.015")
    assert "closed_elsewhere" in bench.codes


def test_what_the_venue_closes_by_force_halts_and_the_stop_fits_what_is_left() -> None:
    bench = Bench()
    bench.open("0.02")
    forced = replace(bench.make_fill("autoclose-1", "-0.005"), forced=True)
    bench.engine._executions.apply(forced)
    assert bench.engine.view.state is TradingState.HALTED
    assert "by the venue, by force" in bench.engine.view.state_reason
    bench.feed(TimePassed(ts_ns=bench.now_ns))
    assert bench.last(PlaceStop).size == D("0.015")


def test_entries_wait_while_the_private_stream_is_lost() -> None:
    bench = Bench()
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="cut"))
    bench.alive()
    bench.ask(enter())
    assert not bench.all(SubmitOrder)
    assert bench.engine.snapshot().refusals[-1].rule == "freshness_stream"
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    assert not bench.engine.view.private_stream_ready  # connected is not reconciled
    next_picture(bench, "0")
    assert bench.engine.view.private_stream_ready
    bench.alive()
    bench.ask(enter())
    assert bench.all(SubmitOrder)


def test_other_streams_say_it_by_symbol() -> None:
    bench = Bench()
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PUBLIC, reason="cut"))
    assert bench.engine.view.private_stream_ready


def test_a_pushed_size_that_differs_has_everything_read() -> None:
    bench = Bench()
    bench.feed(
        PositionReported(
            ts_ns=bench.now_ns, symbol=SYMBOL, size=D(1), entry_price=D(1), venue_ns=bench.now_ns
        )
    )
    assert [c for c in bench.advance(1.1) if isinstance(c, ReadVenueState)]
    assert bench.market.position.flat


def test_a_sleep_is_followed_by_a_reconciliation_before_anything_is_judged() -> None:
    bench = Bench()
    entry = bench.enter("0.02").approved.request.client_id
    bench.fill(entry, "0.02")
    stop = bench.last(PlaceStop)
    bench.now_ns += 600 * NS_PER_S
    bench.feed(TimePassed(ts_ns=bench.now_ns))
    assert bench.market.guard.flatten_reason == ""
    assert not bench.engine.view.private_stream_ready
    next_picture(bench, "0.02", orders=(stop_row(bench, stop.client_id),))
    assert bench.market.guarded == D("0.02")
    assert bench.engine.view.private_stream_ready


def test_what_was_in_flight_when_the_desk_died_is_asked_for() -> None:
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    bench.now_ns += 60 * NS_PER_S
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="restart"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    bench.picture(0)
    assert bench.tracked(entry).order.status is OrderStatus.UNKNOWN
    assert [c for c in bench.advance(0.3) if isinstance(c, QueryOrder)]
    assert bench.engine.view.private_stream_ready


def test_the_fence_of_what_was_in_flight_counts_from_when_the_account_was_taken() -> None:
    """Its sender was dead then, however long it has taken since to see the venue."""
    bench = Bench()
    entry = bench.enter().approved.request.client_id
    bench.now_ns += 60 * NS_PER_S
    fences = []
    for taken_ns in (0, bench.now_ns - 4 * NS_PER_S):
        state = decode_desk(bench.engine.checkpoint())
        state.config = replace(state.config, taken_ns=taken_ns)
        again = Engine.restore(encode_desk(state), {})
        bench.engine, kept = again, bench.engine
        bench.picture(0)
        fences.append(bench.tracked(entry).fence_ns)
        bench.engine = kept
    assert fences[0] - fences[1] == 4 * NS_PER_S


def test_funding_is_booked_once_and_only_on_our_share() -> None:
    bench = Bench()
    bench.open("0.02")
    bench.engine._executions.apply(bench.make_fill("web", "0.02"))
    paid = FundingPaid(
        ts_ns=bench.now_ns, symbol=SYMBOL, amount=D("-0.12"), payment_id="f1", venue_ns=bench.now_ns
    )
    bench.feed(paid)
    bench.feed(paid)
    assert bench.market.position.funding == D("-0.06")


def test_equity_is_the_wallet_and_what_the_marks_say() -> None:
    bench = Bench()
    bench.open("0.02")
    bench.mark(D(30_500))
    shown = bench.engine.snapshot()
    assert shown.unrealized_pnl == D(10)  # 0.02 x 500
    assert shown.equity == D(10_010)
    bench.feed(
        WalletChanged(
            ts_ns=bench.now_ns,
            asset="USDT",
            wallet_balance=D(9_999),
            change=ZERO,
            cause="ORDER",
            venue_ns=bench.now_ns,
        )
    )
    assert bench.engine.snapshot().equity == D(10_009)


def test_leverage_is_taken_from_the_account() -> None:
    bench = Bench()
    held = VenuePosition(symbol=SYMBOL, size=ZERO, entry_price=ZERO, unrealized_pnl=Decimal(0), leverage=D(7))
    bench.answer_account(positions=(held,)) if bench.advance(0.01) else None
    bench.answer_account(positions=(held,))
    assert bench.market.leverage == D(7)
    assert not [c for c in bench.all(Notify) if c.code == "drift"]
