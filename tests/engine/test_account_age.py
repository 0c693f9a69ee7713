"""How old the account is that entries and the margin guard are measured by."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.commands import ReadAccount, ReduceOrder, SubmitOrder
from contractdesk.domain.events import (
    IntentAsked,
    StreamLost,
    StreamName,
    StreamRestored,
    VenueSilenced,
    WalletChanged,
)
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import AtrStop, IntentKind
from contractdesk.engine.engine import Engine
from tests.engine.bench import CONFIG, NS_PER_S, SYMBOL, Bench, D, enter, wish
from tests.engine.test_breaker import later

WIDE = replace(CONFIG, risk=replace(CONFIG.risk, size_cap=D(10)))


def withdrawn(bench: Bench, left: str = "1000") -> None:
    bench.feed(
        WalletChanged(
            ts_ns=bench.now_ns, asset="USDT", wallet_balance=D(left), change=D(left) - 10_000,
            cause="WITHDRAW", venue_ns=bench.now_ns,
        )
    )  # fmt: skip


def picture_asked(bench: Bench) -> int:
    """A picture of the venue is under way; its number."""
    bench.feed(StreamLost(ts_ns=bench.now_ns, stream=StreamName.PRIVATE, reason="test"))
    bench.feed(StreamRestored(ts_ns=bench.now_ns, stream=StreamName.PRIVATE))
    bench.advance(1)
    read = bench.engine._desk.state_read
    assert read is not None
    return read.request_id


def test_a_picture_asked_for_before_money_went_measures_no_entry() -> None:
    bench = Bench(config=WIDE)
    request = picture_asked(bench)
    bench.now_ns += NS_PER_S // 10
    withdrawn(bench)
    bench.now_ns += NS_PER_S // 10
    bench.picture(request)  # of before: 10,000
    bench.alive()
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=enter("0.5")))
    assert not bench.all(SubmitOrder)
    bench.answer_account(wallet_balance=D(1_000), available=D(1_000))
    assert not bench.all(SubmitOrder)


def test_a_late_picture_does_not_unwind_what_a_newer_account_has_shown_to_be_well() -> None:
    bench = Bench(config=WIDE)
    bench.open("0.02")
    request = picture_asked(bench)
    bench.advance(4)
    bench.answer_account(initial_margin=D(5_000))
    held = VenuePosition(
        symbol=SYMBOL, size=D("0.02"), entry_price=D(30_000), unrealized_pnl=ZERO, leverage=D(10)
    )
    late = replace(bench.account(), initial_margin=D(9_000), positions=(held,))
    bench.picture(request, account=late)
    assert bench.engine.view.account is not None
    assert bench.engine.view.account.initial_margin == D(5_000)
    assert not bench.all(ReduceOrder)


def test_while_the_venue_demands_silence_the_account_is_not_read() -> None:
    bench = Bench(config=WIDE)
    bench.open("0.02")
    until = bench.now_ns + 120 * NS_PER_S
    bench.feed(VenueSilenced(ts_ns=bench.now_ns, status=418, until_ns=until))
    before = len(bench.all(ReadAccount))
    bench.advance(100)
    withdrawn(bench)
    assert len(bench.all(ReadAccount)) == before
    bench.advance(25)
    assert len(bench.all(ReadAccount)) > before


def test_a_burst_of_changes_is_one_question() -> None:
    bench = Bench(config=WIDE)
    bench.advance(1)
    before = len(bench.all(ReadAccount))
    for left in range(9_980, 10_000):
        withdrawn(bench, str(left))
    bench.advance(1)
    assert len(bench.all(ReadAccount)) == before + 1


def test_the_profit_of_another_currency_is_no_equity_of_ours() -> None:
    stranger = VenuePosition(
        symbol="ETH/USD:ETH", size=D(10), entry_price=D(3_000), unrealized_pnl=D(-9_999), leverage=D(5),
        settle="ETH",
    )  # fmt: skip
    bench = Bench(config=WIDE, started=False)
    bench.start(replace(bench.account(), positions=(stranger,)))
    later(bench, 1)
    assert bench.engine.snapshot().equity == D(10_000)
    assert bench.engine.view.breaker_reason == ""


@pytest.mark.parametrize(
    "spec",
    [
        AtrStop(multiple=D("NaN")), AtrStop(multiple=D("Infinity")), AtrStop(multiple=D(-2)),
        AtrStop(period=0), AtrStop(period=5_000), AtrStop(period=2.5), 5,
    ],
    ids=str,
)  # fmt: skip
def test_an_atr_stop_that_cannot_be_reckoned_is_refused_and_harms_nothing(spec: object) -> None:
    bench = Bench(config=WIDE)
    bench.open("0.02")
    trail = bench.market.trail
    bench.ask(wish(IntentKind.MOVE_STOP, trail=True, trail_by=spec))
    assert bench.engine.snapshot().refusals[-1].rule == "intent"
    assert bench.market.trail == trail
    if isinstance(spec, AtrStop):
        bench.ask(replace(enter("0.01"), stop=spec))
        assert bench.engine.snapshot().refusals[-1].rule == "intent"
    later(bench, 1, "30100")


def test_what_a_wish_books_is_sampled_in_the_same_event() -> None:
    bench = Bench(config=WIDE, started=False)
    shown = VenuePosition(
        symbol=SYMBOL, size=D("0.3"), entry_price=D(29_000), unrealized_pnl=ZERO, leverage=D(10)
    )
    bench.start(replace(bench.account(), positions=(shown,)))
    later(bench, 1)
    bench.now_ns += NS_PER_S
    bench.ask(wish(IntentKind.ADOPT, stop=enter().stop))
    assert not bench.engine._core.measuring
    again = Engine.restore(bench.engine.checkpoint(), {})
    assert again.checkpoint() == bench.engine.checkpoint()


@pytest.mark.parametrize(("how", "reads"), [({}, 1), ({"unheard": True}, 0), ({"would_take": True}, 0)])
def test_after_an_entry_that_the_venue_has_refused_the_next_is_measured_by_a_new_account(
    how: dict[str, bool], reads: int
) -> None:
    """What we measured it by is not what the venue did; unless it was about the price, or not looked at."""
    bench = Bench()
    refused = bench.enter("0.002").approved.request.client_id
    bench.now_ns += NS_PER_S // 10
    bench.reject(refused, **how)
    before = len(bench.all(ReadAccount))
    bench.feed(IntentAsked(ts_ns=bench.now_ns, who="tester", intent=enter("0.001")))
    assert len(bench.all(ReadAccount)) - before == reads
    assert len(bench.all(SubmitOrder)) == 2 - reads
