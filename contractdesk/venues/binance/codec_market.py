"""Binance futures market frames to facts; pure.

https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams
Combined (``{"stream", "data"}``) and raw frames are both understood. What is not understood raises
VenueProtocolError: the caller quarantines and counts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

import msgspec
from msgspec import Struct, field

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.events import BarClosed, LiquidationPrinted, MarkPriced, TradePrinted
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.market import Bar, pack_levels
from contractdesk.domain.orders import Side
from contractdesk.errors import VenueProtocolError
from contractdesk.venues.book_sync import DepthDelta, DepthSnapshot

VENUE = "binance"
Levels = list[tuple[str, str]]


class DepthUpdate(Struct, tag_field="e", tag="depthUpdate"):
    symbol: str = field(name="s")
    time_ms: int = field(name="T")
    first_id: int = field(name="U")
    last_id: int = field(name="u")
    previous_id: int = field(name="pu")
    bids: Levels = field(name="b")
    asks: Levels = field(name="a")


class AggTrade(Struct, tag_field="e", tag="aggTrade"):
    symbol: str = field(name="s")
    id: int = field(name="a")
    price: Decimal = field(name="p")
    size: Decimal = field(name="q")
    time_ms: int = field(name="T")
    maker_bought: bool = field(name="m")


class Trade(Struct, tag_field="e", tag="trade"):
    symbol: str = field(name="s")
    id: int = field(name="t")
    price: Decimal = field(name="p")
    size: Decimal = field(name="q")
    time_ms: int = field(name="T")
    maker_bought: bool = field(name="m")


class MarkPriceUpdate(Struct, tag_field="e", tag="markPriceUpdate"):
    symbol: str = field(name="s")
    event_ms: int = field(name="E")
    mark: Decimal = field(name="p")
    index: Decimal = field(name="i")
    rate: str = field(name="r")  # empty for contracts without funding
    next_funding_ms: int = field(name="T")


class KlineBody(Struct):
    open_ms: int = field(name="t")
    timeframe: str = field(name="i")
    open: Decimal = field(name="o")
    high: Decimal = field(name="h")
    low: Decimal = field(name="l")
    close: Decimal = field(name="c")
    volume: Decimal = field(name="v")
    closed: bool = field(name="x")


class KlineUpdate(Struct, tag_field="e", tag="kline"):
    symbol: str = field(name="s")
    kline: KlineBody = field(name="k")


class ForcedOrder(Struct):
    symbol: str = field(name="s")
    side: str = field(name="S")
    size: Decimal = field(name="z")  # filled so far
    price: Decimal = field(name="ap")
    time_ms: int = field(name="T")


class ForceOrder(Struct, tag_field="e", tag="forceOrder"):
    order: ForcedOrder = field(name="o")


class BookTicker(Struct, tag_field="e", tag="bookTicker"):
    """Known, typed and not used: the book says it all."""

    symbol: str = field(name="s")
    update_id: int = field(name="u")
    bid: Decimal = field(name="b")
    ask: Decimal = field(name="a")


MarketUpdate = (
    DepthUpdate | AggTrade | Trade | MarkPriceUpdate | KlineUpdate | ForceOrder | BookTicker
)  # fmt: skip


class WsError(Struct):
    code: int = 0
    msg: str = ""


class Ack(Struct, frozen=True):
    """The answer to a SUBSCRIBE or UNSUBSCRIBE; ``error`` is None when it was granted."""

    id: int
    error: str | None = None


class _Envelope(Struct):
    stream: str = ""
    data: MarketUpdate | None = None
    id: int | None = None
    error: WsError | None = None


class _Snapshot(Struct):
    update_id: int = field(name="lastUpdateId")
    bids: Levels
    asks: Levels
    time_ms: int = field(name="T", default=0)


SymbolFact = DepthDelta | TradePrinted | MarkPriced | BarClosed | LiquidationPrinted
MarketFact = SymbolFact | Ack
_envelope = msgspec.json.Decoder(_Envelope)
_raw = msgspec.json.Decoder(MarketUpdate)
_snapshot = msgspec.json.Decoder(_Snapshot)
RAW_PREFIX = b'{"e":'


def decode_market(frame: bytes, instruments: Mapping[str, Instrument], ts_ns: int) -> MarketFact | None:
    """One frame as one fact; None for what is understood and says nothing (an open kline).

    ``instruments`` by the venue's own symbol. Raises VenueProtocolError.
    """
    try:
        if frame.startswith(RAW_PREFIX):
            return _translate(_raw.decode(frame), instruments, ts_ns)
        envelope = _envelope.decode(frame)
        if envelope.data is not None:
            return _translate(envelope.data, instruments, ts_ns)
        if envelope.id is None:
            raise VenueProtocolError(VENUE, frame)
        error = envelope.error
        return Ack(envelope.id, None if error is None else f"{error.code}: {error.msg}")
    except (msgspec.DecodeError, KeyError, ValueError, InvalidOperation) as unfit:
        raise VenueProtocolError(VENUE, frame) from unfit


def decode_snapshot(body: bytes, instrument: Instrument) -> DepthSnapshot:
    """The answer of ``GET depth``. Raises VenueProtocolError."""
    try:
        snapshot = _snapshot.decode(body)
        return DepthSnapshot(
            symbol=instrument.symbol,
            update_id=snapshot.update_id,
            bids=_levels(snapshot.bids, instrument),
            asks=_levels(snapshot.asks, instrument),
            venue_ns=snapshot.time_ms * NS_PER_MS,
        )
    except (msgspec.DecodeError, ValueError, InvalidOperation) as unfit:
        raise VenueProtocolError(VENUE, body) from unfit


def _translate(update: MarketUpdate, instruments: Mapping[str, Instrument], ts_ns: int) -> MarketFact | None:
    match update:
        case DepthUpdate():
            return _delta(update, instruments[update.symbol])
        case AggTrade() | Trade():
            return _print(update, instruments[update.symbol], ts_ns)
        case MarkPriceUpdate():
            return _mark(update, instruments[update.symbol], ts_ns)
        case KlineUpdate(kline=kline):
            return _bar(kline, instruments[update.symbol], ts_ns) if kline.closed else None
        case ForceOrder(order=order):
            return _liquidation(order, instruments[order.symbol], ts_ns)
        case BookTicker():
            return None


def _delta(update: DepthUpdate, instrument: Instrument) -> DepthDelta:
    return DepthDelta(
        symbol=instrument.symbol,
        first_id=update.first_id,
        last_id=update.last_id,
        previous_id=update.previous_id,
        bids=_levels(update.bids, instrument),
        asks=_levels(update.asks, instrument),
        venue_ns=update.time_ms * NS_PER_MS,
    )


def _levels(levels: Iterable[tuple[str, str]], instrument: Instrument) -> bytes:
    return pack_levels(_level(price, size, instrument) for price, size in levels)


def _level(price: str, size: str, instrument: Instrument) -> tuple[int, int]:
    ticks, lots = instrument.to_ticks(Decimal(price)), instrument.to_lots(Decimal(size))
    if ticks <= 0 or lots < 0:
        raise ValueError(f"no such level: {size} at {price}")
    return ticks, lots


def _print(update: AggTrade | Trade, instrument: Instrument, ts_ns: int) -> TradePrinted:
    return trade_printed(
        instrument,
        trade_id=update.id,
        price=update.price,
        size=update.size,
        maker_bought=update.maker_bought,
        time_ms=update.time_ms,
        ts_ns=ts_ns,
    )


def trade_printed(
    instrument: Instrument,
    *,
    trade_id: int,
    price: Decimal,
    size: Decimal,
    maker_bought: bool,
    time_ms: int,
    ts_ns: int,
) -> TradePrinted:
    """A print from stream or REST; ``ValueError`` for the blank ones with price or size zero."""
    if not (price.is_finite() and price > 0 and size.is_finite() and size > 0):
        raise ValueError(f"no such trade: {size} at {price}")
    return TradePrinted(
        ts_ns=ts_ns,
        symbol=instrument.symbol,
        trade_id=trade_id,
        price=price,
        size=size,
        taker=Side.SELL if maker_bought else Side.BUY,
        venue_ns=time_ms * NS_PER_MS,
    )


def _mark(update: MarkPriceUpdate, instrument: Instrument, ts_ns: int) -> MarkPriced:
    if not (update.mark.is_finite() and update.mark > 0):
        raise ValueError(f"no such mark: {update.mark}")
    return MarkPriced(
        ts_ns=ts_ns,
        symbol=instrument.symbol,
        mark=update.mark,
        index=update.index,
        funding_rate=Decimal(update.rate) if update.rate else ZERO,
        next_funding_ns=update.next_funding_ms * NS_PER_MS,
        venue_ns=update.event_ms * NS_PER_MS,
    )


def _bar(kline: KlineBody, instrument: Instrument, ts_ns: int) -> BarClosed:
    bar = Bar(
        open_ns=kline.open_ms * NS_PER_MS,
        open=kline.open,
        high=kline.high,
        low=kline.low,
        close=kline.close,
        volume=kline.volume,
    )
    return BarClosed(ts_ns=ts_ns, symbol=instrument.symbol, timeframe=kline.timeframe, bar=bar)


def _liquidation(order: ForcedOrder, instrument: Instrument, ts_ns: int) -> LiquidationPrinted:
    return LiquidationPrinted(
        ts_ns=ts_ns,
        symbol=instrument.symbol,
        side=Side(order.side.lower()),
        size=order.size,
        price=order.price,
        venue_ns=order.time_ms * NS_PER_MS,
    )
