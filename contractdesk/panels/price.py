"""The price chart: candles, what was done at them, the stop's trail and the strategy's lines, on a canvas."""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import traitlets

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar, timeframe_ns
from contractdesk.domain.orders import Order, OrderRole
from contractdesk.domain.views import DeskSnapshot, Overlay, SymbolSnapshot
from contractdesk.engine.client_ids import parse
from contractdesk.panels import formats
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.focus import Focus
from contractdesk.panels.live import LiveWidget, script, style
from contractdesk.panels.memo import Memo
from contractdesk.panels.stop_trail import StopTrail

MAX_SAMPLES: Final = 600  # of the last price, where there are no bars: at 2 Hz five minutes
MAX_FILLS: Final = 200
MAX_LEVELS: Final = 20
MAX_OVERLAYS: Final = 6

_KINDS: Final = {
    OrderRole.ENTRY: "entry",
    OrderRole.EXIT: "exit",
    OrderRole.FLATTEN: "exit",
    OrderRole.STOP: "stop",
    OrderRole.TAKE_PROFIT: "profit",
}


class PriceChart(LiveWidget):
    """One message a refresh. Times are UTC ms, prices in ticks; bars travel only when one was added.

    ``bars``: rows of five doubles (opening time, open, high, low, close); ``trail``: rows of two (time, last
    price), where the symbol has no bars. ``stops`` are steps (time, price or None). The chart remembers no
    more than it samples itself, both bounded.
    """

    _esm = script("ink.js", "price.js")
    _css = style("price.css")

    terms = traitlets.Dict().tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    bars = traitlets.Bytes(b"").tag(sync=True)
    forming: Any = traitlets.List().tag(sync=True)
    trail = traitlets.Bytes(b"").tag(sync=True)
    overlays: Any = traitlets.List().tag(sync=True)
    overlay_values = traitlets.Bytes(b"").tag(sync=True)
    stops: Any = traitlets.List().tag(sync=True)
    fills: Any = traitlets.List().tag(sync=True)
    refused: Any = traitlets.List().tag(sync=True)
    levels: Any = traitlets.List().tag(sync=True)
    last: Any = traitlets.Float(None, allow_none=True).tag(sync=True)

    period_ns = 500 * NS_PER_MS

    def __init__(self, desk: DeskFace, focus: Focus | None = None, *, pulse: Pulse | None = None) -> None:
        self._focus = focus or Focus()
        self._stops = StopTrail()
        self._symbol = ""
        self._samples: deque[tuple[float, float]] = deque(maxlen=MAX_SAMPLES)
        self._bars: Memo[tuple[tuple[Bar, ...], Instrument], bytes] = Memo()
        self._lines: Memo[tuple[tuple[Overlay, ...], Instrument], bytes] = Memo()
        self._fills: Memo[tuple[tuple[Fill, ...], Instrument], list[dict[str, Any]]] = Memo()
        super().__init__(desk, pulse=pulse)

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        symbol = self._focus.on(snapshot)
        view = snapshot.symbols.get(symbol)
        if view is None:
            blank = {"symbol": "", "label": self.desk.label}
            return {"terms": blank, "note": "no symbol", "bars": b"", "trail": b"", "forming": []}
        if symbol != self._symbol:
            self._symbol = symbol
            self._samples.clear()
        return self._of_bars(snapshot, view) | self._of_deeds(snapshot, view)

    def _of_bars(self, snapshot: DeskSnapshot, view: SymbolSnapshot) -> dict[str, Any]:
        """The market and the strategy's lines."""
        terms, candles = view.instrument, view.candles
        closed = candles.closed if candles else ()
        lines = candles.overlays[:MAX_OVERLAYS] if candles else ()
        funding = formats.signed_percent(view.funding_rate, 4)
        return {
            "terms": self._terms(snapshot, view),
            "note": f"{formats.price(terms, view.last)} · funding {funding}",
            "bars": self._bars.of((closed, terms), lambda: _packed(closed, terms)),
            "forming": _row(candles.forming, terms) if candles and candles.forming else [],
            "trail": b"" if candles else self._sampled(snapshot, view),
            "overlays": [{"name": line.name, "count": len(line.values)} for line in lines],
            "overlay_values": self._lines.of((lines, terms), lambda: _packed_lines(lines, terms)),
            "last": _ticks(terms, view.last),
        }

    def _of_deeds(self, snapshot: DeskSnapshot, view: SymbolSnapshot) -> dict[str, Any]:
        """What the desk did, holds and was refused."""
        terms, symbol = view.instrument, view.instrument.symbol
        steps = self._stops.saw(snapshot, symbol)
        refused = (row.ts_ns for row in snapshot.refusals if row.symbol == symbol)
        return {
            "stops": [[_ms(at, snapshot), _ticks(terms, price)] for at, price in steps],
            "fills": self._fills.of((snapshot.fills, terms), lambda: _marks(snapshot.fills, terms)),
            "refused": [_ms(at, snapshot) for at in refused][-MAX_FILLS:],
            "levels": list(_levels(snapshot, terms))[:MAX_LEVELS],
        }

    def _terms(self, snapshot: DeskSnapshot, view: SymbolSnapshot) -> dict[str, Any]:
        instrument, zone = view.instrument, formats.zone_of(self.desk.display_tz)
        timeframe = view.candles.timeframe if view.candles else ""
        return {
            "symbol": instrument.symbol,
            "label": self.desk.label,
            "timeframe": timeframe,
            "step": timeframe_ns(timeframe) // NS_PER_MS if timeframe else 0,
            "tick": formats.mantissa_of(instrument.tick_size),
            "decimals": formats.decimals_of(instrument.tick_size),
            "zone": formats.suffix(snapshot.ts_ns, zone),
            "ahead": formats.offset_ns(snapshot.ts_ns, zone) // NS_PER_MS,
        }

    def _sampled(self, snapshot: DeskSnapshot, view: SymbolSnapshot) -> bytes:
        """The trail of the last price, one sample longer if time has gone on."""
        at, price = snapshot.ts_ns / NS_PER_MS, _ticks(view.instrument, view.last)
        if price is not None and (not self._samples or at > self._samples[-1][0]):
            self._samples.append((at, price))
        return _doubles(number for sample in self._samples for number in sample)


def _packed(bars: tuple[Bar, ...], terms: Instrument) -> bytes:
    return _doubles(number for bar in bars for number in _row(bar, terms))


def _packed_lines(lines: tuple[Overlay, ...], terms: Instrument) -> bytes:
    return _doubles(value for line in lines for value in _in_ticks(line.values, terms))


def _marks(fills: tuple[Fill, ...], terms: Instrument) -> list[dict[str, Any]]:
    return [_fill(fill, terms) for fill in fills if fill.symbol == terms.symbol][-MAX_FILLS:]


def _row(bar: Bar, terms: Instrument) -> list[float]:
    prices = (bar.open, bar.high, bar.low, bar.close)
    return [bar.open_ns / NS_PER_MS, *_in_ticks(map(float, prices), terms)]


def _in_ticks(prices: Iterable[float], terms: Instrument) -> Iterator[float]:
    """To the thousandth of a tick: what is on the grid comes out whole, though floats divide."""
    tick = float(terms.tick_size)
    return (round(price / tick, 3) for price in prices)


def _ticks(terms: Instrument, price: Decimal | None) -> float | None:
    return None if price is None else float(price / terms.tick_size)


def _doubles(numbers: Iterable[float]) -> bytes:
    """Little-endian, as the browser's typed arrays read them."""
    flat = list(numbers)
    return struct.pack(f"<{len(flat)}d", *flat)


def _ms(ts_ns: int, snapshot: DeskSnapshot) -> float:
    """A moment of ours on the venue's clock, which the bars are of; an offset that is no number is none."""
    offset_ms = snapshot.clock_offset_ms
    return ts_ns / NS_PER_MS + (offset_ms if math.isfinite(offset_ms) else 0.0)


def _fill(fill: Fill, terms: Instrument) -> dict[str, Any]:
    side = "buy" if fill.signed_size > 0 else "sell"
    return {
        "at": fill.venue_ns / NS_PER_MS,
        "ticks": _ticks(terms, fill.price),
        "side": side,
        "kind": kind_of(fill),
        "text": f"{side} {formats.size(terms, fill.size)} @ {formats.price(terms, fill.price)}",
    }


def kind_of(fill: Fill) -> str:
    """Why it was done, by our own order's id: entry, exit, stop or profit; "other" for orders of others."""
    own = parse(fill.client_id)
    return _KINDS[own.role] if own else "other"


def _levels(snapshot: DeskSnapshot, terms: Instrument) -> Iterator[dict[str, Any]]:
    """Prices that lie across the chart: entry, stop and liquidation of the position, orders that rest."""
    held = next((row for row in snapshot.positions if row.symbol == terms.symbol and row.size), None)
    if held is not None:
        named = (("entry", held.entry_price), ("stop", held.stop_price), ("liq", held.liquidation_price))
        yield from (
            {"kind": kind, "text": kind.upper(), "ticks": _ticks(terms, price)}
            for kind, price in named
            if price is not None
        )
    for order in snapshot.orders:
        if order.status.open and order.request.symbol == terms.symbol:
            yield from _order(order, terms)


def _order(order: Order, terms: Instrument) -> Iterator[dict[str, Any]]:
    request = order.request
    price = request.trigger_price if request.type.conditional else request.price
    if price is not None and request.role is not OrderRole.STOP:
        kind = "profit" if request.role is OrderRole.TAKE_PROFIT else "order"
        text = "TP" if kind == "profit" else f"{request.side.value} {formats.size(terms, order.remaining)}"
        yield {"kind": kind, "text": text, "ticks": _ticks(terms, price), "side": request.side.value}
