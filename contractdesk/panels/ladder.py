"""The order-book ladder: 20 levels a side on a canvas, ten times a second, fed by bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import traitlets

from contractdesk.clock import NS_PER_MS, Clock, SystemClock
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import Order, OrderRole, OrderStatus, Side
from contractdesk.domain.views import DeskSnapshot, PositionRow, SymbolSnapshot
from contractdesk.panels import formats, gist
from contractdesk.panels.base import DeskFace, Pulse
from contractdesk.panels.focus import Focus
from contractdesk.panels.hand import Hand
from contractdesk.panels.live import LiveWidget, script, style

LEVELS_A_SIDE: Final = 20
_LEVEL_BYTES: Final = 16  # two int64
MAX_MARKS: Final = 60


class Ladder(LiveWidget):
    """Depth of one symbol with own orders, entry, stop, liquidation, mark and last on it.

    ``bids``/``asks`` are (ticks, lots) as little-endian int64, best first; ``terms`` says how the
    browser writes them; ``marks`` are prices in ticks (fractions allowed, for averages and marks).
    ``hand`` is the trading side of it: off at first, and on LIVE until a cell permits it.
    """

    _esm = script("ink.js", "ladder_view.js", "ladder_hand.js", "ladder_ticket.js", "ladder.js")
    _css = style("ladder.css")

    bids = traitlets.Bytes(b"").tag(sync=True)
    asks = traitlets.Bytes(b"").tag(sync=True)
    terms = traitlets.Dict().tag(sync=True)
    marks: Any = traitlets.List().tag(sync=True)
    foot: Any = traitlets.List().tag(sync=True)
    quote = traitlets.Dict().tag(sync=True)
    hand = traitlets.Dict().tag(sync=True)

    period_ns = (
        50 * NS_PER_MS
    )  # pictures come ten times a second: each is shown as it comes, whatever its phase

    def __init__(
        self,
        desk: DeskFace,
        focus: Focus | None = None,
        *,
        pulse: Pulse | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._focus = focus or Focus()
        self._hand = Hand(desk, clock or SystemClock())
        super().__init__(desk, pulse=pulse, clock=clock)

    def permit(self, trading: bool | None) -> Ladder:  # noqa: FBT001  (one flag, that of the caller)
        """Let its Trade switch be turned on (True: also on LIVE) or not (False); None leaves it as it is."""
        self._hand.permit(trading)
        return self

    def refresh(self, snapshot: DeskSnapshot) -> int:
        self._hand.pictured(self.seq + 1)
        return super().refresh(snapshot)

    def values(self, snapshot: DeskSnapshot) -> Mapping[str, Any]:
        symbol = self._focus.on(snapshot)
        view = snapshot.symbols.get(symbol)
        if view is None:
            terms = {"symbol": "", "label": self.desk.label}
            return {"bids": b"", "asks": b"", "terms": terms, "hand": self._hand.values(snapshot, symbol)}
        position = next((row for row in snapshot.positions if row.symbol == symbol), None)
        limit = LEVELS_A_SIDE * _LEVEL_BYTES
        return {
            "bids": view.bids[:limit],
            "asks": view.asks[:limit],
            "terms": _terms(view.instrument, tuple(snapshot.symbols), self.desk.label),
            "marks": list(_marks(snapshot, view, position))[:MAX_MARKS],
            "foot": _foot(snapshot, view.instrument, position),
            "quote": _quote(view),
            "hand": self._hand.values(snapshot, symbol),
        }

    def clicked(self, content: Mapping[str, Any]) -> None:
        symbol = content.get("symbol")
        if isinstance(symbol, str):
            self._focus.choose(symbol)
        else:
            self._hand.heard(content, self._focus.on(self.desk.snapshot))


def _terms(instrument: Instrument, symbols: tuple[str, ...], label: str) -> dict[str, Any]:
    """Ticks and lots become text in the browser by these integers, so no float is ever printed."""
    return {
        "symbol": instrument.symbol,
        "symbols": list(symbols),
        "label": label,
        "quote": instrument.quote,
        "settle": instrument.settle,
        "unit": formats.unit(instrument),
        "tick": formats.mantissa_of(instrument.tick_size),
        "priceDecimals": formats.decimals_of(instrument.tick_size),
        "lot": formats.mantissa_of(instrument.lot_size),
        "sizeDecimals": formats.decimals_of(instrument.lot_size),
    }


def _quote(view: SymbolSnapshot) -> dict[str, Any]:
    spoiled = "" if view.book_valid else "book invalid: resyncing"
    return {
        "last": formats.price(view.instrument, view.last),
        "lastTicks": _ticks(view.instrument, view.last),
        "mark": formats.price(view.instrument, view.mark),
        "age": formats.duration(view.feed_age_ms),
        "trouble": spoiled or ("" if view.ready else view.not_ready_reason or "not ready"),
    }


def _ticks(instrument: Instrument, price: Decimal | None) -> float | None:
    return None if price is None else float(price / instrument.tick_size)


def _marks(
    snapshot: DeskSnapshot, view: SymbolSnapshot, position: PositionRow | None
) -> Iterator[dict[str, Any]]:
    instrument = view.instrument
    for order in snapshot.orders:
        if order.status.open and order.request.symbol == instrument.symbol:
            mark = _order_mark(order, instrument)
            if mark is not None:
                yield mark
    if position is not None and position.size:
        yield {"kind": "entry", "text": "ENTRY", "ticks": _ticks(instrument, position.entry_price)}
        if position.liquidation_price is not None:
            yield {"kind": "liq", "text": "LIQ", "ticks": _ticks(instrument, position.liquidation_price)}
    if view.mark is not None:
        yield {"kind": "mark", "text": "MARK", "ticks": _ticks(instrument, view.mark)}


_ORDER_TEXT: Final = {OrderRole.STOP: "STOP", OrderRole.TAKE_PROFIT: "TP"}
_ROLE_WORDS: Final = {
    OrderRole.ENTRY: "entry",
    OrderRole.EXIT: "exit, reduce-only",
    OrderRole.STOP: "stop",
    OrderRole.TAKE_PROFIT: "take-profit",
    OrderRole.FLATTEN: "closing order",
}
_LETTER: Final = {Side.BUY: "B", Side.SELL: "S"}


def _order_mark(order: Order, instrument: Instrument) -> dict[str, Any] | None:
    request = order.request
    price = request.trigger_price if request.type.conditional else request.price
    if price is None:
        return None
    size = formats.size(instrument, order.remaining)
    letter = "X" if request.role is OrderRole.EXIT else _LETTER[request.side]
    by = f", {request.strategy_id}" if request.strategy_id else ""
    return {
        "kind": "stop" if request.role is OrderRole.STOP else "order",
        "text": _ORDER_TEXT.get(request.role) or f"{letter} {size}",
        "side": request.side.value,
        "ticks": _ticks(instrument, price),
        "id": request.client_id,
        "role": request.role.name.lower(),
        "tip": f"{_ROLE_WORDS[request.role]}: {request.side.value} {size}"
        f" at {formats.price(instrument, price)}{by}",
        "drag": request.role is OrderRole.STOP
        or (request.role is OrderRole.ENTRY and not request.strategy_id),
        "asked": order.status in (OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN),  # the venue has not answered
    }


_FLAT: Final = (("Position", "flat"), ("uPnL", formats.NONE), ("Stop", formats.NONE))


def _foot(
    snapshot: DeskSnapshot, instrument: Instrument, position: PositionRow | None
) -> list[dict[str, str]]:
    """What stands under the book: the position, then its stop with the distance from the mark."""
    if position is None or not position.size:
        return [{"name": name, "text": text, "tone": "muted"} for name, text in _FLAT]
    side, tone = ("long", "buy") if position.size > 0 else ("short", "sell")
    size = formats.size(instrument, abs(position.size))
    pnl = formats.signed(position.unrealized_pnl, formats.cash_places(snapshot.asset))
    held = f"{side} {size} @ {formats.price(instrument, position.entry_price)}"
    return [
        {"name": "Position", "text": held, "tone": tone},
        {"name": "uPnL", "text": f"{pnl} {snapshot.asset}", "tone": _tone(position.unrealized_pnl)},
        _stop_line(instrument, position),
    ]


def _tone(value: Decimal) -> str:
    return "gain" if value > 0 else "loss" if value < 0 else "muted"


def _stop_line(instrument: Instrument, position: PositionRow) -> dict[str, str]:
    if not gist.ours(position):
        return {"name": "Stop", "text": "external: not ours", "tone": "muted"}
    if position.stop_price is None:
        return {"name": "Stop", "text": "none", "tone": "alarm"}
    text = formats.price(instrument, position.stop_price)
    if position.mark:
        text += f" ({formats.signed_percent(position.stop_price / position.mark - 1)})"
    naked = position.guarded < abs(position.size)
    return {"name": "Stop", "text": text + (" partial" if naked else ""), "tone": "alarm" if naked else ""}
