"""Endpoints of the public market, of either product."""

from __future__ import annotations

from collections.abc import Callable

from contractdesk.exchange.terms import Listing
from contractdesk.exchange.wire.binance import market
from contractdesk.exchange.wire.binance.api import Call, Endpoint, Endpoints
from contractdesk.exchange.wire.binance.errors import MESSAGES, ApiError
from contractdesk.exchange.wire.binance.params import Params
from contractdesk.exchange.wire.binance.product import COINM, PERPETUAL, pair_of
from contractdesk.exchange.wire.binance.streams import INTERVALS_S
from contractdesk.exchange.wire.binance.text import Json

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
HOUR_NS = 3_600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
INTEREST_DAYS = 30  # for so long open interest is told
HISTORY_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")


def ping(_: Call) -> Json:
    return {}


def time(call: Call) -> Json:
    return {"serverTime": call.face.ms(call.now_ns)}


def exchange_info(call: Call) -> Json:
    listings, now_ms = call.listings.values(), call.face.ms(call.now_ns)
    return market.exchange_info(call.product, listings, call.api.limits.quota, now_ms, call.exchange.status)


def depth(call: Call) -> Json:
    listing = call.listing()
    limit = call.params.integer("limit") or 500
    if limit not in DEPTH_LIMITS:
        raise ApiError(-4021, f"Limit {limit} is not valid.")
    book = call.exchange.book(listing.symbol, limit)
    return market.depth(book, listing.instrument, call.now_ns, call.face)


def depth_weight(params: Params) -> int:
    limit = params.integer("limit") or 500
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def trades(call: Call) -> list[Json]:
    listing = call.listing()
    rows = call.exchange.trades(listing.symbol, call.params.limit(500, 1_000))
    return [market.trade_row(row, listing.instrument, call.face) for row in rows]


def agg_trades(call: Call) -> list[Json]:
    """By id or by time, never by both; no longer stretch of time than an hour."""
    listing, from_id = call.listing(), call.params.integer("fromId")
    start_ns, end_ns = call.since_ns(), call.until_ns()
    if from_id is not None and (start_ns is not None or end_ns is not None):
        raise ApiError(-1128)
    if start_ns is not None and end_ns is not None and end_ns - start_ns > HOUR_NS + NS_PER_MS:
        raise ApiError(-1127, MESSAGES[-1127].format(1))
    limit = call.params.limit(500, 1_000)
    rows = call.exchange.agg_trades(
        listing.symbol, from_id=from_id, start_ns=start_ns, end_ns=end_ns, limit=limit
    )
    return [market.agg_row(row, listing.instrument, call.face) for row in rows]


def klines(call: Call) -> list[list[object]]:
    listing = call.listing()
    interval = call.params.need("interval")
    if interval not in INTERVALS_S:
        raise ApiError(-1120)
    length_ns = INTERVALS_S[interval] * NS_PER_S
    face = call.face.bars(length_ns)
    start, end = call.params.integer("startTime"), call.params.integer("endTime")
    start_ns = None if start is None else face.ns(start)
    end_ns = call.now_ns if end is None else min(face.ns(end + 1) - 1, call.now_ns)
    limit = call.params.limit(500, 1_500)
    if start_ns is not None and call.product is COINM:  # which tells the last bars of the stretch
        start_ns = max(start_ns, end_ns - end_ns % length_ns - (limit - 1) * length_ns)
    bars = call.exchange.klines(listing.symbol, interval, start_ns=start_ns, end_ns=end_ns, limit=limit)
    return [market.kline_row(bar, listing.instrument, face) for bar in bars]


def klines_weight(params: Params) -> int:
    limit = params.limit(500, 1_500)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1_000 else 10


def premium_index(call: Call) -> object:
    def row(symbol: str) -> Json:
        return market.premium_index(call.exchange.mark(symbol), call.listings[symbol].instrument, call.face)

    return _each(call, row)


def funding_rate(call: Call) -> list[Json]:
    listing = call.optional_listing()
    symbols = [listing.symbol] if listing else list(call.listings)
    start_ns, limit = call.since_ns(), call.params.limit(100, 1_000)
    rows = [
        row
        for symbol in symbols
        for row in call.exchange.funding_rates(symbol, start_ns=start_ns, end_ns=call.until_ns(), limit=limit)
    ]
    rows.sort(key=lambda row: row.ts_ns)
    rows = rows[-limit:] if start_ns is None else rows[:limit]
    return [market.funding_row(row, call.face) for row in rows]


def funding_info(call: Call) -> list[Json]:
    return [market.funding_info(symbol) for symbol in call.listings]


def open_interest(call: Call) -> Json:
    listing = call.listing()
    amount = call.exchange.open_interest(listing.symbol)
    return market.open_interest(listing.instrument, amount, call.face.ms(call.now_ns))


def open_interest_history(call: Call) -> list[Json]:
    """Rows at the period's multiples; the values are at the present mark.

    One path for both products: COIN-M asks by pair and contract type, and has no symbol.
    """
    listing = _by_pair(call) or call.listing()
    period = call.params.need("period")
    if period not in HISTORY_PERIODS:
        raise ApiError(-1130, "Data sent for parameter 'period' is not valid.")
    start_ns = call.since_ns()
    if start_ns is not None and start_ns < call.now_ns - INTEREST_DAYS * DAY_NS:
        raise ApiError(-1130, "parameter 'startTime' is invalid.")
    rows = call.exchange.open_interest_history(
        listing.symbol,
        INTERVALS_S[period] * NS_PER_S,
        start_ns=start_ns,
        end_ns=call.until_ns(),
        limit=call.params.limit(30, 500),
    )
    mark = call.exchange.mark(listing.symbol).mark_price
    terms = listing.instrument
    return [market.past_interest(terms, amount, mark, call.face.ms(ts_ns)) for ts_ns, amount in rows]


def _by_pair(call: Call) -> Listing | None:
    """COIN-M's perpetual of the stated ``pair``; None where no pair is stated."""
    pair = call.params.text("pair")
    if pair is None:
        return None
    if call.params.need("contractType") == PERPETUAL:
        for listing in COINM.listed(call.exchange.listings).values():
            if pair_of(listing.instrument) == pair:
                return listing
    raise ApiError(-1121)


def ticker_24h(call: Call) -> object:
    def row(symbol: str) -> Json | None:
        last = call.exchange.trades(symbol, 1)
        bars = call.exchange.klines(symbol, "1m", start_ns=call.now_ns - DAY_NS, limit=1_441)
        if not last or not bars:
            return None
        day = market.day_of(symbol, bars, last[-1], call.now_ns)
        return market.ticker_24h(day, call.listings[symbol].instrument, call.face)

    return _each(call, row)


def book_ticker(call: Call) -> object:
    def row(symbol: str) -> Json:
        terms = call.listings[symbol].instrument
        return market.book_ticker(call.exchange.book(symbol, 1), terms, call.face)

    return _each(call, row)


def ticker_price(call: Call) -> object:
    def row(symbol: str) -> Json | None:
        last = call.exchange.trades(symbol, 1)
        if not last:
            return None
        return market.ticker_price(last[-1], call.listings[symbol].instrument, call.face)

    return _each(call, row)


def _each(call: Call, row: Callable[[str], Json | None]) -> object:
    """One object for a named symbol (COIN-M: a list of it), a list of all without one."""
    listing = call.optional_listing()
    if listing is not None:
        found = row(listing.symbol)
        if found is None:
            raise ApiError(-1000, f"{listing.symbol} has not traded yet.")
        return [found] if call.product.lists else found
    pair = call.params.text("pair")
    symbols = [symbol for symbol, each in call.listings.items() if pair in (None, pair_of(each.instrument))]
    return [found for symbol in symbols if (found := row(symbol)) is not None]


def _by_symbol(one: int, everything: int) -> Callable[[Params], int]:
    return lambda params: one if params.text("symbol") else everything


# By what follows the product's root; both products have these.
PUBLIC: Endpoints = {
    ("GET", "v1/ping"): Endpoint(ping),
    ("GET", "v1/time"): Endpoint(time),
    ("GET", "v1/exchangeInfo"): Endpoint(exchange_info),
    ("GET", "v1/depth"): Endpoint(depth, depth_weight),
    ("GET", "v1/trades"): Endpoint(trades, 5),
    ("GET", "v1/aggTrades"): Endpoint(agg_trades, 20),
    ("GET", "v1/klines"): Endpoint(klines, klines_weight),
    ("GET", "v1/premiumIndex"): Endpoint(premium_index, _by_symbol(1, 10)),
    ("GET", "v1/fundingRate"): Endpoint(funding_rate, 0),
    ("GET", "v1/fundingInfo"): Endpoint(funding_info, 0),
    ("GET", "v1/openInterest"): Endpoint(open_interest),
    ("GET", "v1/ticker/24hr"): Endpoint(ticker_24h, _by_symbol(1, 40)),
    ("GET", "v1/ticker/bookTicker"): Endpoint(book_ticker, _by_symbol(2, 5)),
    ("GET", "v1/ticker/price"): Endpoint(ticker_price, _by_symbol(1, 2)),
}
PUBLIC_USDM: Endpoints = {("GET", "v2/ticker/price"): Endpoint(ticker_price, _by_symbol(1, 2))}
PUBLIC_COINM: Endpoints = {("GET", "v1/premiumIndex"): Endpoint(premium_index, 10)}
DATA: Endpoints = {("GET", "/futures/data/openInterestHist"): Endpoint(open_interest_history, 0)}
