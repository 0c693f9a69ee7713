"""What one symbol has printed: trades, aggregated trades and bars, bounded, in ticks and lots."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from decimal import Decimal
from itertools import islice

from contractdesk.domain.market import timeframe_ns
from contractdesk.exchange.rows import AggTrade, Kline, Trade
from contractdesk.exchange.terms import Listing

NS_PER_S = 1_000_000_000
NS_PER_MIN = 60 * NS_PER_S
TRADES_KEPT = 100_000
BARS_KEPT = 20_000


class BarRow:
    """A bar that still grows, in ticks, lots and turnover."""

    __slots__ = ("buy_lots", "buy_quote", "close", "count", "high", "lots", "low", "open", "open_ns", "quote")

    def __init__(self, open_ns: int, tick: int) -> None:
        self.open_ns = open_ns
        self.open = self.high = self.low = self.close = tick
        self.lots = self.buy_lots = self.count = 0
        self.quote = self.buy_quote = Decimal(0)

    def add(self, tick: int, lots: int, quote: Decimal, *, buyer_is_maker: bool) -> None:
        self.high = max(self.high, tick)
        self.low = min(self.low, tick)
        self.close = tick
        self.count += 1
        self.lots += lots
        self.quote += quote
        if not buyer_is_maker:
            self.buy_lots += lots
            self.buy_quote += quote

    def absorb(self, later: BarRow) -> None:
        """Extend this bar by one that follows it."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.count += later.count
        self.lots += later.lots
        self.quote += later.quote
        self.buy_lots += later.buy_lots
        self.buy_quote += later.buy_quote


class BarSeries:
    """Bars of one base length in which something traded, oldest first."""

    def __init__(self, length_ns: int) -> None:
        self.length_ns = length_ns
        self.rows: list[BarRow] = []

    def add(self, ts_ns: int, tick: int, lots: int, quote: Decimal, *, buyer_is_maker: bool) -> None:
        open_ns = ts_ns - ts_ns % self.length_ns
        if not self.rows or self.rows[-1].open_ns < open_ns:
            self.append(BarRow(open_ns, tick))
        self.rows[-1].add(tick, lots, quote, buyer_is_maker=buyer_is_maker)

    def append(self, row: BarRow) -> None:
        self.rows.append(row)
        if len(self.rows) > 2 * BARS_KEPT:
            del self.rows[:BARS_KEPT]

    def folded(self, start_ns: int, end_ns: int, length_ns: int) -> list[BarRow]:
        """Bars of ``length_ns`` with an opening in [start, end); those without trades repeat a close."""
        bars: list[BarRow] = []
        first = bisect_left(self.rows, start_ns, key=lambda row: row.open_ns)
        previous = self.rows[first - 1].close if first else None
        open_ns = start_ns
        for row in islice(self.rows, first, None):
            if row.open_ns >= end_ns:
                break
            bucket = row.open_ns - row.open_ns % length_ns
            if previous is not None:
                bars += _quiet(open_ns, bucket, length_ns, previous)
            if not bars or bars[-1].open_ns != bucket:
                bars.append(BarRow(bucket, row.open))
            bars[-1].absorb(row)
            previous, open_ns = row.close, bucket + length_ns
        if previous is not None:
            bars += _quiet(open_ns, end_ns, length_ns, previous)
        return bars


def _quiet(start_ns: int, end_ns: int, length_ns: int, tick: int) -> list[BarRow]:
    return [BarRow(open_ns, tick) for open_ns in range(start_ns, end_ns, length_ns)]


class Prints:
    """Trades and bars of one symbol; ids count from 1."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.aggregated: deque[AggTrade] = deque(maxlen=TRADES_KEPT)
        self.seconds = BarSeries(NS_PER_S)
        self.minutes = BarSeries(NS_PER_MIN)
        self.last_tick = 0  # 0: nothing has traded
        self._trade_id = 0
        self._agg_id = 0

    def trade(self, ts_ns: int, tick: int, lots: int, *, buyer_is_maker: bool) -> Trade:
        """Record one print."""
        self._trade_id += 1
        self.last_tick = tick
        quote = self._listing.turnover(lots, tick)
        self.seconds.add(ts_ns, tick, lots, quote, buyer_is_maker=buyer_is_maker)
        self.minutes.add(ts_ns, tick, lots, quote, buyer_is_maker=buyer_is_maker)
        trade = Trade(
            symbol=self._listing.symbol,
            trade_id=self._trade_id,
            price=self._listing.price(tick),
            quantity=self._listing.quantity(lots),
            buyer_is_maker=buyer_is_maker,
            ts_ns=ts_ns,
        )
        self.trades.append(trade)
        return trade

    def aggregate(self, parts: list[Trade]) -> AggTrade:
        """Sum up the prints of one taker at one price (never empty, consecutive)."""
        self._agg_id += 1
        summed = AggTrade(
            symbol=self._listing.symbol,
            agg_id=self._agg_id,
            price=parts[0].price,
            quantity=sum((part.quantity for part in parts), Decimal(0)),
            first_trade_id=parts[0].trade_id,
            last_trade_id=parts[-1].trade_id,
            buyer_is_maker=parts[0].buyer_is_maker,
            ts_ns=parts[-1].ts_ns,
        )
        self.aggregated.append(summed)
        return summed

    def klines(self, interval: str, start_ns: int | None, end_ns: int, limit: int) -> list[Kline]:
        """At most ``limit`` bars up to ``end_ns`` (inclusive), from ``start_ns`` on if given.

        ValueError for an interval that is not a number and one of s, m, h, d.
        """
        length_ns = timeframe_ns(interval)
        series = self.minutes if length_ns % NS_PER_MIN == 0 else self.seconds
        last_open = end_ns - end_ns % length_ns
        if start_ns is None:
            first_open = last_open - (limit - 1) * length_ns
        else:
            first_open = -(-start_ns // length_ns) * length_ns
            last_open = min(last_open, first_open + (limit - 1) * length_ns)
        bars = series.folded(first_open, last_open + length_ns, length_ns)
        return [self._kline(row, length_ns) for row in bars]

    def agg_trades(
        self, from_id: int | None, start_ns: int | None, end_ns: int | None, limit: int
    ) -> list[AggTrade]:
        """By id or by time, oldest first; the latest ones where nothing but ``limit`` is given."""
        rows = list(self.aggregated)
        if from_id is not None:
            rows = rows[bisect_left(rows, from_id, key=lambda row: row.agg_id) :]
        if start_ns is not None:
            rows = rows[bisect_left(rows, start_ns, key=lambda row: row.ts_ns) :]
        if end_ns is not None:
            rows = rows[: bisect_left(rows, end_ns + 1, key=lambda row: row.ts_ns)]
        return rows[-limit:] if from_id is None and start_ns is None else rows[:limit]

    def latest(self, limit: int) -> list[Trade]:
        return list(islice(self.trades, max(0, len(self.trades) - limit), None))

    def _kline(self, row: BarRow, length_ns: int) -> Kline:
        price, quantity = self._listing.price, self._listing.quantity
        return Kline(
            open_ns=row.open_ns,
            close_ns=row.open_ns + length_ns,
            open=price(row.open),
            high=price(row.high),
            low=price(row.low),
            close=price(row.close),
            volume=quantity(row.lots),
            quote_volume=row.quote,
            trades=row.count,
            taker_buy_volume=quantity(row.buy_lots),
            taker_buy_quote_volume=row.buy_quote,
        )
