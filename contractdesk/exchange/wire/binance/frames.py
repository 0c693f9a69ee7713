"""Public market events as the WebSocket streams show them.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams
COIN-M's carry ``st`` and ``ps`` where the venue's own frames were seen to (2026-09).
"""

from __future__ import annotations

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.model import AggTrade, BookView, Kline, Mark, Order, Trade
from contractdesk.exchange.wire.binance.market import Day
from contractdesk.exchange.wire.binance.product import USDM, marked, pair_of, product_of
from contractdesk.exchange.wire.binance.text import (
    Face,
    Json,
    average,
    level,
    money,
    plain,
    price,
    size,
)


def trade_frame(trade: Trade, terms: Instrument, face: Face) -> Json:
    return {
        "e": "trade",
        "E": face.ms(trade.ts_ns),
        "T": face.ms(trade.ts_ns),
        "s": trade.symbol,
        "t": trade.trade_id,
        "p": price(terms, trade.price),
        "q": size(terms, trade.quantity),
        "X": "MARKET",
        "m": trade.buyer_is_maker,
    }


def agg_frame(trade: AggTrade, terms: Instrument, face: Face) -> Json:
    frame: Json = {
        "e": "aggTrade",
        "E": face.ms(trade.ts_ns),
        "s": trade.symbol,
        "a": trade.agg_id,
        "p": price(terms, trade.price),
        "q": size(terms, trade.quantity),
        "f": trade.first_trade_id,
        "l": trade.last_trade_id,
        "T": face.ms(trade.ts_ns),
        "m": trade.buyer_is_maker,
    }
    return {**frame, "nq": size(terms, trade.quantity)} if product_of(terms) is USDM else frame


def mark_frame(mark: Mark, terms: Instrument, face: Face) -> Json:
    return {
        "e": "markPriceUpdate",
        "E": face.ms(mark.ts_ns),
        "s": mark.symbol,
        "p": money(mark.mark_price),
        "ap": money(mark.mark_price),
        "P": money(mark.index_price),
        "i": money(mark.index_price),
        "r": money(mark.funding_rate),
        "T": face.ms(mark.next_funding_ns),
        "st": product_of(terms).number,
    }


def ticker_frame(book: BookView, terms: Instrument, now_ns: int, face: Face) -> Json:
    """bookTicker."""
    bid = level(terms, *book.bids[0]) if book.bids else ["0", "0"]
    ask = level(terms, *book.asks[0]) if book.asks else ["0", "0"]
    frame: Json = {
        "e": "bookTicker",
        "u": book.last_update_id,
        "s": book.symbol,
        "b": bid[0],
        "B": bid[1],
        "a": ask[0],
        "A": ask[1],
        "T": face.ms(book.ts_ns),
        "E": face.ms(now_ns),
    }
    return marked(terms, frame)


def partial_frame(book: BookView, shown_id: int, terms: Instrument, now_ns: int, face: Face) -> Json:
    """depth5, depth10, depth20: the best levels, whole."""
    frame: Json = {
        "e": "depthUpdate",
        "E": face.ms(now_ns),
        "T": face.ms(book.ts_ns),
        "s": book.symbol,
        "U": shown_id + 1,
        "u": book.last_update_id,
        "pu": shown_id,
        "b": [level(terms, tick, lots) for tick, lots in book.bids],
        "a": [level(terms, tick, lots) for tick, lots in book.asks],
    }
    return marked(terms, frame)


def kline_frame(
    bar: Kline, symbol: str, interval: str, terms: Instrument, now_ns: int, face: Face, *, closed: bool
) -> Json:
    bars = face.bars(bar.close_ns - bar.open_ns)
    return {
        "e": "kline",
        "E": face.ms(now_ns),
        "s": symbol,
        "k": {
            "t": bars.ms(bar.open_ns),
            "T": bars.ms(bar.close_ns) - 1,
            "s": symbol,
            "i": interval,
            "f": -1,  # trade ids of a bar are not kept
            "L": -1,
            "o": price(terms, bar.open),
            "c": price(terms, bar.close),
            "h": price(terms, bar.high),
            "l": price(terms, bar.low),
            "v": size(terms, bar.volume),
            "n": bar.trades,
            "x": closed,
            "q": plain(bar.quote_volume),
            "V": size(terms, bar.taker_buy_volume),
            "Q": plain(bar.taker_buy_quote_volume),
            "B": "0",
        },
    }


def force_frame(order: Order, terms: Instrument, face: Face) -> Json:
    stamp = face.ms(order.updated_ns)
    product = product_of(terms)
    detail: Json = {
        "s": order.symbol,
        "S": order.side.value,
        "o": order.type.value,
        "f": order.time_in_force.value,
        "q": size(terms, order.quantity),
        "p": price(terms, order.price),
        "ap": average(order.average_price),
        "X": order.status.value,
        "l": size(terms, order.executed),
        "z": size(terms, order.executed),
        "T": stamp,
    }
    if product is not USDM:
        detail["ps"] = pair_of(terms)
    return {"e": "forceOrder", "E": stamp, "o": detail, "st": product.number}


def day_frame(day: Day, terms: Instrument, face: Face) -> Json:
    """24hrTicker."""
    frame: Json = {
        "e": "24hrTicker",
        "E": face.ms(day.close_ns),
        "s": day.symbol,
        "p": price(terms, day.change),
        "P": f"{day.change_percent:.3f}",
        "w": price(terms, day.average(terms)),
        "c": price(terms, day.last),
        "Q": size(terms, day.last_quantity),
        "o": price(terms, day.open),
        "h": price(terms, day.high),
        "l": price(terms, day.low),
        "v": size(terms, day.volume),
        "q": plain(day.turnover),
        "O": face.ms(day.open_ns),
        "C": face.ms(day.close_ns),
        "F": day.first_id,
        "L": day.last_id,
        "n": day.trades,
        "st": USDM.number,
    }
    return marked(terms, frame)


def mini_frame(day: Day, terms: Instrument, face: Face) -> Json:
    """24hrMiniTicker."""
    frame: Json = {
        "e": "24hrMiniTicker",
        "E": face.ms(day.close_ns),
        "s": day.symbol,
        "c": price(terms, day.last),
        "o": price(terms, day.open),
        "h": price(terms, day.high),
        "l": price(terms, day.low),
        "v": size(terms, day.volume),
        "q": plain(day.turnover),
        "st": USDM.number,
    }
    return marked(terms, frame)
