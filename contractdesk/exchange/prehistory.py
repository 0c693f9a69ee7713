"""What a generated market printed before it opened: minutes of bars, then trades second by second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from contractdesk.exchange.prints import NS_PER_MIN, NS_PER_S, BarRow, Prints
from contractdesk.exchange.terms import Listing

if TYPE_CHECKING:
    from random import Random  # the flow's own, seeded

TRADED_MINUTES = 15  # the last ones, told by their trades
TRADES_A_SECOND = 2
SUB_MOVES = 6  # price moves within a bar of which only the bar is kept
LOTS_NOTIONAL = 4_000.0  # mean of a trade, in quote


class Past(NamedTuple):
    """How far back, and how restless."""

    minutes: int  # of bars before the first trade
    volatility: float  # of the mid, a square-root second


def recall(prints: Prints, listing: Listing, random: Random, mid: float, past: Past, start_ns: int) -> None:
    """Fill ``prints`` with a past that ends at ``mid`` (ticks) and ``start_ns``."""
    trades_from = start_ns - start_ns % NS_PER_MIN - TRADED_MINUTES * NS_PER_MIN
    seconds = (start_ns - trades_from) // NS_PER_S
    moves = seconds * TRADES_A_SECOND
    path = _backwards(random, mid, past.minutes * SUB_MOVES + moves, moves, past.volatility)
    for minute in range(past.minutes):
        row = BarRow(trades_from - (past.minutes - minute) * NS_PER_MIN, _tick(path[minute * SUB_MOVES]))
        for price in path[minute * SUB_MOVES : (minute + 1) * SUB_MOVES]:
            _trade_into(row, listing, random, _tick(price))
        prints.minutes.append(row)
    gap_ns = NS_PER_S // TRADES_A_SECOND
    for number, price in enumerate(path[past.minutes * SUB_MOVES :]):
        ts_ns = trades_from + number * gap_ns + random.randrange(gap_ns)
        lots = _lots(listing, random, _tick(price))
        trade = prints.trade(
            min(ts_ns, start_ns - 1), _tick(price), lots, buyer_is_maker=random.random() < 0.5
        )
        prints.aggregate([trade])


def _backwards(random: Random, last: float, count: int, fine: int, volatility: float) -> list[float]:
    """``count`` prices that end at ``last``; the last ``fine`` are trades, the others moves of bars."""
    coarse_sigma = volatility * math.sqrt(60 / SUB_MOVES)
    fine_sigma = volatility * math.sqrt(1 / TRADES_A_SECOND)
    path = [last]
    for step in range(1, count):
        sigma = fine_sigma if step < fine else coarse_sigma
        path.append(path[-1] / math.exp(random.gauss(0, sigma)))
    return path[::-1]


def _trade_into(row: BarRow, listing: Listing, random: Random, tick: int) -> None:
    lots = _lots(listing, random, tick) * 20
    row.add(tick, lots, listing.turnover(lots, tick), buyer_is_maker=random.random() < 0.5)


def _lots(listing: Listing, random: Random, tick: int) -> int:
    return max(1, round(random.expovariate(1 / LOTS_NOTIONAL) / float(listing.quote_value(1, tick))))


def _tick(price: float) -> int:
    return max(1, round(price))
