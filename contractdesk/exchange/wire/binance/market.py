"""Public market rows as the REST endpoints show them.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
https://developers.binance.com/docs/derivatives/coin-margined-futures/market-data/rest-api
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.limits import Quota
from contractdesk.exchange.model import AggTrade, BookView, FundingRate, Kline, Mark, Trade
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.wire.binance.product import (
    COINM,
    PERPETUAL,
    USDM,
    Product,
    pair_of,
    paired,
    product_of,
    worth_of,
)
from contractdesk.exchange.wire.binance.text import (
    Face,
    Json,
    decimals,
    level,
    money,
    plain,
    price,
    price_decimals,
    size,
)
from contractdesk.exchange.words import SymbolStatus

PERPETUAL_DELIVERY_MS = 4_133_404_800_000
ONBOARD_MS = 1_569_398_400_000
ORDER_TYPES = [
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]


def exchange_info(
    product: Product,
    listings: Iterable[Listing],
    quota: Quota,
    server_ms: int,
    status: Callable[[str], SymbolStatus] = lambda _: SymbolStatus.TRADING,
) -> Json:
    rows = list(listings)
    limits = [
        _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, quota.weight_1m),
        _rate_limit("ORDERS", "MINUTE", 1, quota.orders_1m),
    ]
    info: Json = {
        "timezone": "UTC",
        "serverTime": server_ms,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": [_symbol(row, status(row.symbol)) for row in rows],
    }
    if product is USDM:
        limits.append(_rate_limit("ORDERS", "SECOND", 10, quota.orders_10s))
        info["futuresType"] = "U_MARGINED"
        info["assets"] = [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in sorted({row.asset for row in rows})
        ]
    return info


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> Json:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _symbol(listing: Listing, status: SymbolStatus) -> Json:
    terms = listing.shown
    return {
        "symbol": terms.venue_symbol,
        "pair": pair_of(terms),
        "contractType": PERPETUAL,
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        **_trading(terms, status),
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": terms.base,
        "quoteAsset": terms.quote,
        "marginAsset": terms.settle,
        "pricePrecision": price_decimals(terms),
        "quantityPrecision": decimals(terms.lot_size),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": f"{listing.terms.liquidation_fee:.6f}",
        "marketTakeBound": f"{listing.terms.band:.2f}",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(listing),
        "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "permissionSets": ["GRID", "COPY"],
    }


def _trading(terms: Instrument, status: SymbolStatus) -> Json:
    if product_of(terms) is COINM:
        return {
            "contractStatus": status.value,
            "contractSize": int(terms.contract_size),
            "equalQtyPrecision": 4,
        }
    return {"status": status.value}


def _filters(listing: Listing) -> list[Json]:
    terms, band = listing.shown, listing.terms.band
    step = {"stepSize": plain(terms.lot_size), "minQty": plain(terms.min_size)}
    rows: list[Json] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": price(terms, terms.tick_size),
            "maxPrice": "4529764",
            "tickSize": price(terms, terms.tick_size),
        },
        {"filterType": "LOT_SIZE", **step, "maxQty": plain(terms.max_size)},
        {"filterType": "MARKET_LOT_SIZE", **step, "maxQty": plain(terms.max_market_size)},
        {"filterType": "MAX_NUM_ORDERS", "limit": listing.terms.max_open_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 200},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": f"{1 + band:.4f}",
            "multiplierDown": f"{1 - band:.4f}",
            "multiplierDecimal": "4",
        },
    ]
    if terms.min_notional:
        rows.append({"filterType": "MIN_NOTIONAL", "notional": plain(terms.min_notional)})
    return rows


def depth(book: BookView, terms: Instrument, now_ns: int, face: Face) -> Json:
    row: Json = {
        "lastUpdateId": book.last_update_id,
        "E": face.ms(now_ns),
        "T": face.ms(book.ts_ns),
        "bids": [level(terms, tick, lots) for tick, lots in book.bids],
        "asks": [level(terms, tick, lots) for tick, lots in book.asks],
    }
    return {"symbol": book.symbol, **paired(terms, row)} if product_of(terms) is COINM else row


def trade_row(trade: Trade, terms: Instrument, face: Face) -> Json:
    product = product_of(terms)
    row: Json = {
        "id": trade.trade_id,
        "price": price(terms, trade.price),
        "qty": size(terms, trade.quantity),
        f"{product.worth.lower()}Qty": plain(worth_of(terms, trade.quantity, trade.price)),
        "time": face.ms(trade.ts_ns),
        "isBuyerMaker": trade.buyer_is_maker,
    }
    return {**row, "isRPITrade": False} if product is USDM else row


def agg_row(trade: AggTrade, terms: Instrument, face: Face) -> Json:
    row: Json = {
        "a": trade.agg_id,
        "p": price(terms, trade.price),
        "q": size(terms, trade.quantity),
        "f": trade.first_trade_id,
        "l": trade.last_trade_id,
        "T": face.ms(trade.ts_ns),
        "m": trade.buyer_is_maker,
    }
    return {**row, "nq": size(terms, trade.quantity)} if product_of(terms) is USDM else row


def kline_row(bar: Kline, terms: Instrument, face: Face) -> list[object]:
    """``face``: the one for bars of this length."""
    return [
        face.ms(bar.open_ns),
        price(terms, bar.open),
        price(terms, bar.high),
        price(terms, bar.low),
        price(terms, bar.close),
        size(terms, bar.volume),
        face.ms(bar.close_ns) - 1,
        plain(bar.quote_volume),
        bar.trades,
        size(terms, bar.taker_buy_volume),
        plain(bar.taker_buy_quote_volume),
        "0",
    ]


def premium_index(mark: Mark, terms: Instrument, face: Face) -> Json:
    row: Json = {
        "symbol": mark.symbol,
        "markPrice": money(mark.mark_price),
        "indexPrice": money(mark.index_price),
        "estimatedSettlePrice": money(mark.index_price),
        "lastFundingRate": money(mark.funding_rate),
        "interestRate": "0.00010000",
        "nextFundingTime": face.ms(mark.next_funding_ns),
        "time": face.ms(mark.ts_ns),
    }
    return paired(terms, row)


def funding_row(funding: FundingRate, face: Face) -> Json:
    return {
        "symbol": funding.symbol,
        "fundingTime": face.ms(funding.ts_ns),
        "fundingRate": money(funding.rate),
        "markPrice": money(funding.mark_price),
    }


def funding_info(symbol: str) -> Json:
    return {
        "symbol": symbol,
        "adjustedFundingRateCap": "0.02000000",
        "adjustedFundingRateFloor": "-0.02000000",
        "fundingIntervalHours": 8,
        "disclaimer": False,
        "updateTime": ONBOARD_MS,
    }


def open_interest(terms: Instrument, amount: Decimal, now_ms: int) -> Json:
    """USDⓈ-M in base units, COIN-M in contracts."""
    row: Json = {"symbol": terms.venue_symbol, "openInterest": size(terms, amount), "time": now_ms}
    return {**paired(terms, row), "contractType": PERPETUAL} if product_of(terms) is COINM else row


def past_interest(terms: Instrument, amount: Decimal, mark: Decimal, time_ms: int) -> Json:
    """One row of openInterestHist; the value is in quote, or COIN-M's in base."""
    named: Json = {"symbol": terms.venue_symbol}
    if product_of(terms) is COINM:
        named = {"pair": pair_of(terms), "contractType": PERPETUAL}
    return {
        **named,
        "sumOpenInterest": money(amount),
        "sumOpenInterestValue": money(worth_of(terms, amount, mark)),
        "timestamp": time_ms,
    }


class Day(Struct, frozen=True, kw_only=True):
    """Statistics over the last 24 hours, from the bars."""

    symbol: str
    open_ns: int
    close_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    last_quantity: Decimal
    volume: Decimal
    turnover: Decimal  # in quote, or COIN-M's in base
    first_id: int
    last_id: int
    trades: int

    @property
    def change(self) -> Decimal:
        return self.last - self.open

    @property
    def change_percent(self) -> Decimal:
        return self.change / self.open * 100 if self.open else Decimal(0)

    def average(self, terms: Instrument) -> Decimal:
        """By volume; the last price where nothing traded."""
        if not self.volume:
            return self.last
        units = self.volume * terms.contract_size
        return units / self.turnover if product_of(terms) is COINM else self.turnover / units


def day_of(symbol: str, bars: list[Kline], last: Trade, now_ns: int) -> Day:
    """Fold the bars of a day (ascending, never empty)."""
    trades = sum(bar.trades for bar in bars)
    return Day(
        symbol=symbol,
        open_ns=bars[0].open_ns,
        close_ns=now_ns,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        last=last.price,
        last_quantity=last.quantity,
        volume=sum((bar.volume for bar in bars), Decimal(0)),
        turnover=sum((bar.quote_volume for bar in bars), Decimal(0)),
        first_id=max(0, last.trade_id - trades + 1),
        last_id=last.trade_id,
        trades=trades,
    )


def ticker_24h(day: Day, terms: Instrument, face: Face) -> Json:
    row: Json = {
        "symbol": day.symbol,
        "priceChange": price(terms, day.change),
        "priceChangePercent": f"{day.change_percent:.3f}",
        "weightedAvgPrice": price(terms, day.average(terms)),
        "lastPrice": price(terms, day.last),
        "lastQty": size(terms, day.last_quantity),
        "openPrice": price(terms, day.open),
        "highPrice": price(terms, day.high),
        "lowPrice": price(terms, day.low),
        "volume": size(terms, day.volume),
        f"{product_of(terms).worth.lower()}Volume": plain(day.turnover),
        "openTime": face.ms(day.open_ns),
        "closeTime": face.ms(day.close_ns),
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }
    return paired(terms, row)


def book_ticker(book: BookView, terms: Instrument, face: Face) -> Json:
    bid = level(terms, *book.bids[0]) if book.bids else ["0", "0"]
    ask = level(terms, *book.asks[0]) if book.asks else ["0", "0"]
    row: Json = {
        "lastUpdateId": book.last_update_id,
        "symbol": book.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        "time": face.ms(book.ts_ns),
    }
    return paired(terms, row)


def ticker_price(last: Trade, terms: Instrument, face: Face) -> Json:
    row: Json = {"symbol": last.symbol, "price": price(terms, last.price), "time": face.ms(last.ts_ns)}
    return {**row, "ps": pair_of(terms)} if product_of(terms) is COINM else row
