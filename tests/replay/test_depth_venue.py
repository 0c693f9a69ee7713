"""The venue of a replay with recorded depth: level by level, behind those ahead, and told as it was heard."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import numpy as np
import pytest

from contractdesk.domain.events import OrderExpired, OrderRejected
from contractdesk.domain.fills import Liquidity
from contractdesk.domain.orders import Side
from contractdesk.replay import TouchFill
from contractdesk.replay.depth_rows import Message, What
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.runner import Outcome
from contractdesk.replay.ticks import Ticks
from contractdesk.strategy import Context, enter_long, exit_position
from contractdesk.strategy.base import Wish
from tests.replay.depth_worlds import (
    BTC,
    ETH,
    MS,
    T0,
    BarQuoter,
    BookQuoter,
    Market,
    message,
    replay,
    script,
    snapshot,
    ticks,
)

D = Decimal
BIDS, ASKS = [(999, 50), (998, 60), (990, 900)], [(1001, 5), (1002, 5), (1004, 100)]
QUIET = [(ms, 1000, 1) for ms in range(0, 4_000, 100)]  # trades between the touches: they reach nobody
AWAKE = [message(ms) for ms in range(1_500, 4_000, 100)]  # the desk hears that the book is alive
STOP = D("95.0")


def prices(outcome: Outcome) -> list[tuple[int, int]]:
    """(ticks, lots) of each fill."""
    return [(int(fill.price * 10), int(fill.signed_size * 1000)) for fill in outcome.fills]


def world(*more: Message, first: Message | None = None) -> list[list[Message]]:
    start = first or snapshot(0, BIDS, ASKS)
    rows = sorted([start, *AWAKE, *more], key=lambda each: each.venue_ns)
    heard, last = [], 0
    for each in rows:
        last = max(each.heard_ns, last + 1)
        heard.append(Message(each.venue_ns, last, each.what, each.bids, each.asks, last_id=each.last_id))
    return [heard]


def traded(*more: tuple[int, int, int]) -> Ticks:
    return ticks(sorted([*QUIET, *more]))


def buy(lots: int, limit: str | None = None, *, post_only: bool = False) -> object:
    return enter_long(BTC, size=D(lots) / 1000, stop=STOP, limit=limit, post_only=post_only)


def test_a_market_order_is_filled_level_by_level_when_it_comes() -> None:
    outcome = replay(script((2_000, buy(12))), traded(), [world()])  # type: ignore[arg-type]
    assert prices(outcome) == [(1001, 5), (1002, 5), (1004, 2)]
    assert {fill.liquidity for fill in outcome.fills} == {Liquidity.TAKER}
    # heard 5 ms after 2,000; 30 to read the account, 20 on the way; no trade is waited for
    assert {(fill.venue_ns - T0) / MS for fill in outcome.fills} == {2_055}


def test_what_a_limit_leaves_rests_at_its_price_with_nobody_ahead() -> None:
    outcome = replay(script((2_000, buy(12, "100.2"))), traded((2_070, 1002, 1)), [world()])  # type: ignore[arg-type]
    assert prices(outcome) == [(1001, 5), (1002, 5), (1002, 1), (1002, 1)]
    assert [fill.liquidity.value for fill in outcome.fills] == ["taker", "taker", "maker", "maker"]


def test_what_we_took_is_gone_until_the_level_is_told_anew() -> None:
    again = message(2_750, asks=[(1001, 4)])
    orders = (2_000, buy(3)), (2_300, buy(4)), (2_800, buy(4))
    outcome = replay(script(*orders), traded(), [world(again)])  # type: ignore[arg-type]
    assert prices(outcome) == [(1001, 3), (1001, 2), (1002, 2), (1001, 4)]


def test_a_post_only_order_that_the_book_crosses_is_rejected() -> None:
    """The last trade is at 100.0; that 100.1 is asked, only the book says."""
    outcome = replay(script((2_000, buy(3, "100.1", post_only=True))), traded(), [world()])  # type: ignore[arg-type]
    assert [report.would_take for report in outcome.reports if isinstance(report, OrderRejected)] == [True]
    assert not outcome.fills


def test_a_book_that_is_too_thin_fills_what_it_holds() -> None:
    recorded = RecordedBook(iter([[snapshot(0, BIDS, ASKS)]]))
    recorded.catch_up(T0 + MS)
    assert recorded.walk(500, buy=True) == ASKS
    assert recorded.holds(110, buy=True, limit=0)
    assert not recorded.holds(111, buy=True, limit=0)
    assert not recorded.holds(11, buy=True, limit=1002)


def test_a_walk_goes_on_beyond_the_levels_that_it_looks_at_first() -> None:
    asks = [(1_001 + step, 2) for step in range(300)]
    recorded = RecordedBook(iter([[snapshot(0, BIDS, asks)]]))
    recorded.catch_up(T0 + MS)
    assert recorded.walk(599, buy=True) == [*asks[:299], (1_300, 1)]


def test_levels_that_a_trade_has_swept_fill_no_stop() -> None:
    """A trade at 99.0 triggers the stop at 99.5; that bids above it are gone, the book has not said yet."""
    stop = enter_long(BTC, size=D("0.02"), stop=D("99.5"))
    lower = snapshot(0, [(999, 50), (990, 12), (988, 900)], ASKS)
    trades = traded((3_050, 990, 5), (3_060, 990, 1))
    outcome = replay(script((2_000, stop)), trades, [world(first=lower)])
    assert prices(outcome)[-2:] == [(990, -7), (988, -13)]  # 12 - 5 are left at 99.0


def test_a_resting_order_waits_behind_what_the_book_shows() -> None:
    """50 ahead; 30 trade, 10 of the 20 that are left are cancelled, and of 12 that trade 2 are for us."""
    depth = message(2_310, bids=[(999, 20)]), message(2_350, bids=[(999, 10)])
    trades = traded((2_300, 999, 30), (2_400, 999, 12), (2_500, 999, 1))
    outcome = replay(script((2_000, buy(3, "99.9", post_only=True))), trades, [world(*depth)])  # type: ignore[arg-type]
    assert prices(outcome) == [(999, 2), (999, 1)]
    assert [(fill.venue_ns - T0) / MS for fill in outcome.fills] == [2_400, 2_500]


def test_trades_come_before_the_depth_of_the_same_millisecond() -> None:
    """Else the 50 that trade would be taken for cancelled first, and then for traded."""
    trades = traded((2_300, 999, 50), (2_400, 999, 1))
    depth = message(2_300, bids=[(999, 0)])
    outcome = replay(script((2_000, buy(3, "99.9", post_only=True))), trades, [world(depth)])  # type: ignore[arg-type]
    assert [(fill.venue_ns - T0) / MS for fill in outcome.fills] == [2_400]


def test_whoever_comes_to_our_price_trades_with_us() -> None:
    """Nothing trades; the other side shows 2 lots at our price, then 5 more."""
    depth = message(2_300, bids=[(999, 0)], asks=[(999, 2)]), message(2_400, asks=[(999, 7)])
    outcome = replay(script((2_000, buy(6, "99.9", post_only=True))), traded(), [world(*depth)])  # type: ignore[arg-type]
    assert prices(outcome) == [(999, 2), (999, 4)]
    assert {fill.liquidity for fill in outcome.fills} == {Liquidity.MAKER}


def test_no_more_than_what_trades_beyond_its_price_fills_an_order() -> None:
    trades = traded((2_300, 998, 2), (2_400, 997, 9))
    outcome = replay(script((2_000, buy(6, "99.9", post_only=True))), trades, [world()])  # type: ignore[arg-type]
    assert prices(outcome) == [(999, 2), (999, 4)]


def test_other_models_of_the_queue_stay_what_they_are() -> None:
    trades = traded((2_300, 999, 1), (2_400, 999, 1))
    orders = script((2_000, buy(3, "99.9", post_only=True)))  # type: ignore[arg-type]
    assert prices(replay(orders, trades, [world()], queue=TouchFill())) == [(999, 1), (999, 1)]


def test_without_a_valid_book_nothing_is_entered_and_the_next_trade_fills_the_way_out() -> None:
    """The exit is on its way while the book becomes invalid: it waits for the trade at 2,200."""
    orders = (2_000, buy(3)), (2_090, exit_position(BTC)), (2_500, buy(3))
    broken = message(2_110, what=What.INVALID), message(2_095)
    outcome = replay(script(*orders), traded(), [world(*broken)])  # type: ignore[arg-type]
    assert [(fill.venue_ns - T0) / MS for fill in outcome.fills] == [2_055, 2_200]
    assert prices(outcome)[1] == (999, -3)  # the trade's 100.0, and the slippage model's tick
    assert not outcome.engine.view.symbols[BTC].book.valid


def test_a_strategy_sees_the_recorded_touch_when_it_was_heard() -> None:
    seen = []

    def look(ctx: Context) -> Wish:
        seen.append((ctx.view.now_ns, ctx.symbol(BTC).book.top(2)))

    replay(script((2_500, look)), traded(), [world(message(2_510, asks=[(1001, 0)]))])
    assert seen == [(T0 + 2_505 * MS, ([(999, 50), (998, 60)], [(1001, 5), (1002, 5)]))]


def test_an_order_ends_where_the_book_holds_no_more() -> None:
    thin = snapshot(0, [(999, 50), (998, 60)], [(1001, 500), (1002, 500)])
    gone = message(2_200, bids=[(999, 5), (998, 0)])
    outcome = replay(
        script((2_000, buy(20)), (2_500, exit_position(BTC))), traded(), [world(gone, first=thin)]
    )  # type: ignore[arg-type]
    expired = [report for report in outcome.reports if isinstance(report, OrderExpired)]
    assert expired
    assert prices(outcome)[1] == (999, -5)


# -- the law of the replay, with books ----------------------------------------------------------


def told(outcome: Outcome) -> list[object]:
    books = [outcome.engine.view.symbols[symbol].book for symbol in outcome.engine.view.symbols]
    return [
        outcome.commands,
        outcome.fills,
        outcome.reports,
        outcome.refusals,
        outcome.notices,
        [(book.valid, book.levels()) for book in books],
    ]


def cut(rows: list[Message], size: int) -> list[list[Message]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


@pytest.mark.parametrize("seed", range(12))
def test_the_horizon_does_what_every_event_does(seed: int) -> None:
    """However books and trades are cut into batches, and whether each is told or only the last of many."""
    dice = Random(seed)  # noqa: S311  (a market's dice, not a secret)
    markets = [Market(dice, 15), Market(dice, 15)]
    parts = [ticks(market.trades, place) for place, market in enumerate(markets)]
    columns = [np.concatenate(pair) for pair in zip(*(part._columns for part in parts), strict=True)]
    order = np.argsort(columns[0], kind="stable")
    trades = Ticks(*(column[order] for column in columns))
    second = markets[1].heard if dice.random() < 0.7 else None
    kind = dice.choice([BookQuoter, BarQuoter])
    runs = []
    for size, every in ((10_000, False), (dice.randint(1, 9), False), (dice.randint(10, 90), True)):
        strategy = kind([BTC, ETH], timeframe="1s", seed=seed, eager=0.05 if kind is BookQuoter else 0.9)
        books = [cut(markets[0].heard, size), None if second is None else cut(second, size)]
        runs.append(replay(strategy, trades, books, every=every))
    assert runs[0].fills
    assert told(runs[1]) == told(runs[0])
    assert told(runs[2]) == told(runs[0])


@pytest.mark.parametrize("seed", range(6))
def test_what_rests_is_filled_by_no_more_than_has_come_to_its_price(seed: int) -> None:
    """All maker fills at a price: at most what traded there or beyond, and what the other side showed."""
    market = Market(Random(seed), 40)  # noqa: S311
    strategy = BookQuoter([BTC], timeframe="1s", seed=seed, eager=0.1)
    outcome = replay(strategy, ticks(market.trades), [[market.heard]])
    for fill in outcome.fills:
        if fill.liquidity is not Liquidity.MAKER:
            continue
        side, at = (Side.BUY if fill.signed_size > 0 else Side.SELL), int(fill.price * 10)
        lots = sum(
            row[2] for row in market.trades if T0 + row[0] * MS == fill.venue_ns
            and (row[1] <= at if side is Side.BUY else row[1] >= at)
        )  # fmt: skip
        shown = [each for each in market.messages if each.venue_ns + 1 == fill.venue_ns]
        assert shown or abs(fill.signed_size) * 1000 <= lots
