"""What an order must satisfy before it may be matched; each check raises its own Refused."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

from contractdesk.exchange import margin
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.margin import OpenOrder
from contractdesk.exchange.rows import Mark
from contractdesk.exchange.terms import Listing
from contractdesk.exchange.words import (
    MarginMode,
    PositionMode,
    PositionSide,
    Reason,
    Refused,
    Side,
    SymbolStatus,
)

HIGHEST_SELL = 10  # times the mark
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


def client_id(text: str) -> None:
    """Binance's own pattern; empty means that the exchange makes one up."""
    if text and not CLIENT_ID.fullmatch(text):
        raise Refused(Reason.BAD_CLIENT_ID, text)


def mode(account: Account, symbol: str, position_side: PositionSide) -> None:
    """Only one-way, cross-margined trading is supported, and says so."""
    hedge = account.position_mode is PositionMode.HEDGE
    if hedge == (position_side is PositionSide.BOTH):
        raise Refused(Reason.POSITION_SIDE_MISMATCH, position_side.value)
    if hedge or account.margin_mode[symbol] is MarginMode.ISOLATED:
        raise Refused(Reason.MODE_UNSUPPORTED, symbol)


def status(floor: Floor, symbol: str, *, reducing: bool) -> None:
    """What the contract's status permits."""
    now = floor.status(symbol)
    if not now.accepts:
        raise Refused(Reason.SYMBOL_HALTED, now.value)
    if now is SymbolStatus.PRE_SETTLE and not reducing:
        raise Refused(Reason.ONLY_REDUCING, now.value)


def ticks(listing: Listing, price: Decimal | None) -> int:
    """A price that must be there, positive and on the grid."""
    if price is None:
        raise Refused(Reason.PRICE_MISSING)
    return grid_ticks(listing, price)


def grid_ticks(listing: Listing, price: Decimal) -> int:
    if not price.is_finite() or price <= 0:
        raise Refused(Reason.PRICE_NOT_POSITIVE, str(price))
    if price % listing.shown.tick_size:
        raise Refused(Reason.OFF_TICK, f"{price} is not a multiple of {listing.shown.tick_size}")
    return int(price / listing.instrument.tick_size)


def lots(listing: Listing, quantity: Decimal | None, *, market: bool) -> int:
    """A quantity that must be there, positive, on the grid and within the instrument's limits."""
    terms = listing.shown
    if quantity is None:
        raise Refused(Reason.QUANTITY_MISSING)
    if not quantity.is_finite() or quantity <= 0:
        raise Refused(Reason.QUANTITY_NOT_POSITIVE, str(quantity))
    if quantity < terms.min_size:
        raise Refused(Reason.QUANTITY_TOO_SMALL, f"{quantity} < {terms.min_size}")
    largest = terms.max_market_size if market else terms.max_size
    if quantity > largest:
        raise Refused(Reason.QUANTITY_TOO_LARGE, f"{quantity} > {largest}")
    if quantity % terms.lot_size:
        raise Refused(Reason.OFF_LOT, f"{quantity} is not a multiple of {terms.lot_size}")
    return int(quantity / listing.instrument.lot_size)


def min_notional(listing: Listing, lots: int, tick: int) -> None:
    """The detail of the refusal is the least notional allowed."""
    if listing.quote_value(lots, tick) < listing.shown.min_notional:
        raise Refused(Reason.BELOW_MIN_NOTIONAL, str(listing.shown.min_notional))


def band(listing: Listing, side: Side, tick: int, mark: Mark) -> None:
    """A limit may not lie further through the mark than the listing's band, nor absurdly high.

    The detail of the refusal is the limit that would pass.
    """
    price, width = listing.price(tick), listing.terms.band
    highest = mark.mark_price * (1 + width if side is Side.BUY else HIGHEST_SELL)
    if price > highest:
        raise Refused(Reason.PRICE_ABOVE_BAND, str(_on_grid(listing, highest, ROUND_FLOOR)))
    lowest = mark.mark_price * (1 - width)
    if side is Side.SELL and price < lowest:
        raise Refused(Reason.PRICE_BELOW_BAND, str(_on_grid(listing, lowest, ROUND_CEILING)))


def _on_grid(listing: Listing, price: Decimal, rounding: str) -> Decimal:
    return listing.price(int((price / listing.instrument.tick_size).to_integral_value(rounding)))


def margin_for(
    floor: Floor, account: Account, symbol: str, new: OpenOrder, *, replaces: int = 0, market: bool = False
) -> None:
    """The new order's initial margin, loss on opening and (market) fee must be covered.

    An order that does not raise the symbol's requirement always passes: it reduces.
    """
    listing = floor.listings[symbol]
    before = margin.standing(floor, account, symbol)
    orders = margin.open_orders(floor, account, symbol, without=replaces, extra=new)
    after = margin.figures(floor, account, symbol, orders)
    if after.exposure <= before.exposure:
        return
    cap = listing.max_notional(account.leverage[symbol])
    if after.exposure > cap:
        raise Refused(Reason.MAX_POSITION_AT_LEVERAGE, f"{float(after.exposure):.2f} > {cap}")
    fee = listing.value(new.lots, new.tick) * listing.taker_fee if market else Fraction(0)
    needed = after.total_margin - before.total_margin + _opening_loss(floor, listing, new) + fee
    free = margin.free_margin(floor, account, listing.asset)
    if needed > free:
        raise Refused(Reason.INSUFFICIENT_MARGIN, f"needs {float(needed):.8f}, free {float(free):.8f}")


def _opening_loss(floor: Floor, listing: Listing, new: OpenOrder) -> Fraction:
    """What the order would have lost at the mark, were it filled at its price."""
    worth = listing.value_at(new.lots, Fraction(floor.marks[listing.symbol].mark_price))
    cost = listing.value(new.lots, new.tick)
    return max(Fraction(0), -new.side.sign * listing.profit(cost, worth))
