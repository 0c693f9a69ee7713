"""A wish made concrete: the prices and the size that every rule judges.

What cannot be known (no mark, no ATR, no equity) is None or zero, and the rule that needs it refuses.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.instrument import ContractKind, Instrument, Rounding
from contractdesk.domain.intents import AtrStop, FixedStop, Intent, StopSpec
from contractdesk.domain.orders import Order, OrderRequest, OrderRole, OrderType, Side, TimeInForce
from contractdesk.domain.views import DeskView, SymbolView


class Proposal(Struct, frozen=True, kw_only=True):
    """One entry, ready to be reviewed; prices are in quote per base, on the tick where they are sent."""

    intent: Intent
    intent_id: int
    strategy_id: str
    client_id: str
    signal_ns: int
    instrument: Instrument
    side: Side
    size: Decimal  # contracts, on the lot grid; zero where nothing fits
    price: Decimal | None  # the limit; None at market
    entry_price: Decimal | None  # expected: the limit, or the far touch
    worst_price: Decimal | None  # at which the notional is largest: the cap and the margin use it
    adverse_price: Decimal | None  # the worst execution: liquidation and loss at the stop use it
    stop_price: Decimal | None

    @property
    def sized(self) -> bool:
        """True when the wish named its size, in whatever unit."""
        intent = self.intent
        return any(value is not None for value in (intent.size, intent.notional, intent.amount))

    @property
    def taker(self) -> bool:
        """True when the order may take liquidity."""
        return self.intent.time_in_force is not TimeInForce.GTX

    def request(self) -> OrderRequest:
        return OrderRequest(
            client_id=self.client_id,
            symbol=self.intent.symbol,
            side=self.side,
            type=OrderType.MARKET if self.price is None else OrderType.LIMIT,
            size=self.size,
            role=OrderRole.ENTRY,
            price=self.price,
            time_in_force=self.intent.time_in_force,
            strategy_id=self.strategy_id,
            intent_id=self.intent_id,
        )


# -- prices -------------------------------------------------------------------------------------


def mark_of(item: SymbolView) -> Decimal | None:
    """The mark price, where there is one to reckon with."""
    mark = item.mark
    return mark if mark is not None and mark.is_finite() and mark > 0 else None


def far_touch(item: SymbolView, side: Side) -> Decimal | None:
    """The best price that an order of ``side`` could take; the mark where the book is not valid."""
    ticks = item.book.best_ask if side is Side.BUY else item.book.best_bid
    if not item.book.valid or ticks is None:
        return mark_of(item)
    return item.instrument.from_ticks(ticks)


def adverse_price(item: SymbolView, side: Side, limit: Decimal | None, collar: Decimal) -> Decimal | None:
    """The worst execution: the limit, or for a market order the far touch moved by the collar."""
    if limit is not None:
        return limit
    touch = far_touch(item, side)
    return None if touch is None else touch * (1 + side.sign * collar)


def worst_price(item: SymbolView, side: Side, limit: Decimal | None, collar: Decimal) -> Decimal | None:
    """The worse, for the notional, of the mark and the worst execution; None without a mark."""
    mark, execution = mark_of(item), adverse_price(item, side, limit, collar)
    if mark is None or execution is None:
        return None
    worse = max if item.instrument.kind is ContractKind.LINEAR else min
    return worse(mark, execution)


def worst_of_order(item: SymbolView, order: Order, collar: Decimal) -> Decimal | None:
    return worst_price(item, order.request.side, order.request.price, collar)


def limit_on_grid(instrument: Instrument, side: Side, limit: Decimal | None) -> Decimal | None:
    """The limit on its tick, never worse than asked: a buy lower, a sell higher."""
    if limit is None:
        return None
    return instrument.round_price(limit, Rounding.DOWN if side is Side.BUY else Rounding.UP)


def stop_on_grid(
    stop: StopSpec | None, item: SymbolView, view: DeskView, side: Side, entry: Decimal | None, timeframe: str
) -> Decimal | None:
    """The stop's price on its tick, rounded away from the entry; None where it cannot be known."""
    match stop:
        case None:
            return None
        case FixedStop(price=price):
            exact = price
        case AtrStop():
            atr = view.atr(item.instrument.symbol, stop.timeframe or timeframe, stop.period)
            if atr is None or entry is None:
                return None
            exact = entry - side.sign * stop.multiple * atr
    return item.instrument.round_price(exact, Rounding.DOWN if side is Side.BUY else Rounding.UP)
