"""Public market rows as the REST endpoints show them.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.limits import Quota
from contractdesk.exchange.model import AggTrade, BookView, FundingRate, Kline, Mark, Trade
from contractdesk.exchange.terms import Listing
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


def exchange_info(listings: Iterable[Listing], quota: Quota, server_ms: int) -> Json:
    rows = list(listings)
    return {
        "timezone": "UTC",
        "serverTime": server_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, quota.weight_1m),
            _rate_limit("ORDERS", "MINUTE", 1, quota.orders_1m),
            _rate_limit("ORDERS", "SECOND", 10, quota.orders_10s),
        ],
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for asset in sorted({row.asset for row in rows})
        ],
        "symbols": [_symbol(row) for row in rows],
    }


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> Json:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _symbol(listing: Listing) -> Json:
    terms = listing.instrument
    return {
        "symbol": terms.venue_symbol,
        "pair": terms.venue_symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        "status": "TRADING",
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


def _filters(listing: Listing) -> list[Json]:
    terms, band = listing.instrument, listing.terms.band
    step = {"stepSize": plain(terms.lot_size), "minQty": plain(terms.min_size)}
    return [
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
        {"filterType": "MIN_NOTIONAL", "notional": plain(terms.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": f"{1 + band:.4f}",
            "multiplierDown": f"{1 - band:.4f}",
            "multiplierDecimal": "4",
        },
    ]


def depth(book: BookView, terms: Instrument, now_ns: int, face: Face) -> Json:
    return {
        "lastUpdateId": book.last_update_id,
        "E": face.ms(now_ns),
        "T": face.ms(book.ts_ns),
        "bids": [level(terms, tick, lots) for tick, lots in book.bids],
        "asks": [level(terms, tick, lots) for tick, lots in book.asks],
    }


def trade_row(trade: Trade, terms: Instrument, face: Face) -> Json:
    return {
        "id": trade.trade_id,
        "price": price(terms, trade.price),
        "qty": size(terms, trade.quantity),
        "quoteQty": plain(terms.quote_notional(trade.quantity, trade.price)),
        "time": face.ms(trade.ts_ns),
        "isBuyerMaker": trade.buyer_is_maker,
        "isRPITrade": False,
    }


def agg_row(trade: AggTrade, terms: Instrument, face: Face) -> Json:
    return {
        "a": trade.agg_id,
        "p": price(terms, trade.price),
        "q": size(terms, trade.quantity),
        "nq": size(terms, trade.quantity),
        "f": trade.first_trade_id,
        "l": trade.last_trade_id,
        "T": face.ms(trade.ts_ns),
        "m": trade.buyer_is_maker,
    }


def kline_row(bar: Kline, terms: Instrument, face: Face) -> list[object]:
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


def premium_index(mark: Mark, face: Face) -> Json:
    return {
        "symbol": mark.symbol,
        "markPrice": money(mark.mark_price),
        "indexPrice": money(mark.index_price),
        "estimatedSettlePrice": money(mark.index_price),
        "lastFundingRate": money(mark.funding_rate),
        "interestRate": "0.00010000",
        "nextFundingTime": face.ms(mark.next_funding_ns),
        "time": face.ms(mark.ts_ns),
    }


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
    quote_volume: Decimal
    first_id: int
    last_id: int
    trades: int

    @property
    def change(self) -> Decimal:
        return self.last - self.open

    @property
    def change_percent(self) -> Decimal:
        return self.change / self.open * 100 if self.open else Decimal(0)

    @property
    def average(self) -> Decimal:
        return self.quote_volume / self.volume if self.volume else self.last


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
        quote_volume=sum((bar.quote_volume for bar in bars), Decimal(0)),
        first_id=max(0, last.trade_id - trades + 1),
        last_id=last.trade_id,
        trades=trades,
    )


def ticker_24h(day: Day, terms: Instrument, face: Face) -> Json:
    return {
        "symbol": day.symbol,
        "priceChange": price(terms, day.change),
        "priceChangePercent": f"{day.change_percent:.3f}",
        "weightedAvgPrice": price(terms, day.average),
        "lastPrice": price(terms, day.last),
        "lastQty": size(terms, day.last_quantity),
        "openPrice": price(terms, day.open),
        "highPrice": price(terms, day.high),
        "lowPrice": price(terms, day.low),
        "volume": size(terms, day.volume),
        "quoteVolume": plain(day.quote_volume),
        "openTime": face.ms(day.open_ns),
        "closeTime": face.ms(day.close_ns),
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }


def book_ticker(book: BookView, terms: Instrument, face: Face) -> Json:
    bid = level(terms, *book.bids[0]) if book.bids else ["0", "0"]
    ask = level(terms, *book.asks[0]) if book.asks else ["0", "0"]
    return {
        "lastUpdateId": book.last_update_id,
        "symbol": book.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
        "time": face.ms(book.ts_ns),
    }
