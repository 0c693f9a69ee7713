"""Cross margin: what positions and open orders require, what is free, where liquidation stands.

Initial margin of a symbol follows Binance: the larger of |position + open buys| and
|position - open sells| at the chosen leverage (the bracket's maximum where that is lower).
https://www.binance.com/en/support/faq/how-to-calculate-liquidation-price-of-usd%E2%93%A2-m-futures-contracts-b3c689c1f50a44cabb3a84e663b81d93
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from contractdesk.exchange.accounts import Account, Holding
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.rows import ZERO, AccountConfig, AccountState, Balance, Position
from contractdesk.exchange.terms import Listing, money
from contractdesk.exchange.words import Side

NONE = Fraction(0)


class OpenOrder(NamedTuple):
    """What the margin formula needs of one open order that may open."""

    side: Side
    lots: int
    tick: int


class Figures(NamedTuple):
    """One symbol of an account at its mark, exact, in the settle asset."""

    worth: Fraction  # signed
    unrealized: Fraction
    position_margin: Fraction
    total_margin: Fraction  # position and open orders
    maintenance: Fraction
    bids: Fraction  # worth of open buys
    asks: Fraction
    exposure: Fraction  # the larger of the two sides, with the position


def open_orders(
    floor: Floor, account: Account, symbol: str, *, without: int = 0, extra: OpenOrder | None = None
) -> list[OpenOrder]:
    """Orders that need margin: resting, not reduce-only; optionally one more, or one less."""
    orders = [
        OpenOrder(resting.side, resting.lots, resting.tick)
        for resting in floor.orders.resting(account.name, symbol)
        if not resting.reduce_only and resting.order_id != without
    ]
    return [*orders, extra] if extra else orders


def figures(floor: Floor, account: Account, symbol: str, orders: Iterable[OpenOrder]) -> Figures:
    """The margin figures of one symbol with these open orders."""
    listing, holding = floor.listings[symbol], account.holdings[symbol]
    leverage = account.leverage[symbol]
    worth = unrealized = NONE
    if holding.lots:
        worth = listing.value_at(holding.lots, Fraction(floor.marks[symbol].mark_price))
        unrealized = listing.profit(holding.cost, worth)
    bids = asks = NONE
    for order in orders:
        if order.side is Side.BUY:
            bids += listing.value(order.lots, order.tick)
        else:
            asks += listing.value(order.lots, order.tick)
    exposure = max(abs(worth), abs(worth + bids), abs(worth - asks))
    position_margin = listing.initial_margin(abs(worth), leverage)
    total = max(position_margin, listing.initial_margin(exposure, leverage))
    maintenance = listing.maintenance_margin(abs(worth)) if worth else NONE
    return Figures(worth, unrealized, position_margin, total, maintenance, bids, asks, exposure)


def standing(floor: Floor, account: Account, symbol: str) -> Figures:
    """The margin figures of one symbol as it stands."""
    return figures(floor, account, symbol, open_orders(floor, account, symbol))


def symbols_of(floor: Floor, asset: str) -> list[str]:
    return [symbol for symbol, listing in floor.listings.items() if listing.asset == asset]


def free_margin(floor: Floor, account: Account, asset: str) -> Fraction:
    """Wallet + unrealized - initial margin, exact; negative when it is overdrawn."""
    free = Fraction(account.wallets.get(asset, ZERO))
    for symbol in symbols_of(floor, asset):
        now = standing(floor, account, symbol)
        free += now.unrealized - now.total_margin
    return free


def balance(floor: Floor, account: Account, asset: str) -> Balance:
    """One wallet with the sums over its symbols."""
    wallet = account.wallets.get(asset, ZERO)
    rows = [standing(floor, account, symbol) for symbol in symbols_of(floor, asset)]
    unrealized = money(sum((row.unrealized for row in rows), NONE))
    position_margin = money(sum((row.position_margin for row in rows), NONE))
    total_margin = money(sum((row.total_margin for row in rows), NONE))
    return Balance(
        asset=asset,
        wallet=wallet,
        unrealized=unrealized,
        position_initial_margin=position_margin,
        open_order_initial_margin=total_margin - position_margin,
        maintenance_margin=money(sum((row.maintenance for row in rows), NONE)),
        available=max(ZERO, wallet + unrealized - total_margin),
        updated_ns=account.updated_ns,
    )


def position(floor: Floor, account: Account, symbol: str) -> Position:
    """One symbol's row."""
    listing, holding = floor.listings[symbol], account.holdings[symbol]
    now = standing(floor, account, symbol)
    return Position(
        account=account.name,
        symbol=symbol,
        size=listing.quantity(holding.lots),
        entry_price=money(listing.average(holding.lots, holding.cost)),
        break_even_price=money(_break_even(listing, holding)),
        mark_price=floor.marks[symbol].mark_price,
        unrealized=money(now.unrealized),
        notional=money(now.worth),
        initial_margin=money(now.position_margin),
        open_order_initial_margin=money(now.total_margin) - money(now.position_margin),
        maintenance_margin=money(now.maintenance),
        liquidation_price=liquidation_price(floor, account, symbol),
        leverage=account.leverage[symbol],
        margin_mode=account.margin_mode[symbol],
        realized=holding.realized,
        bid_notional=money(now.bids),
        ask_notional=money(now.asks),
        updated_ns=holding.updated_ns,
    )


def state(floor: Floor, account: Account) -> AccountState:
    """The whole account at the current marks."""
    assets = dict.fromkeys([*account.wallets, *(listing.asset for listing in floor.listings.values())])
    return AccountState(
        account=account.name,
        position_mode=account.position_mode,
        balances=tuple(balance(floor, account, asset) for asset in assets),
        positions=tuple(position(floor, account, symbol) for symbol in floor.listings),
        updated_ns=account.updated_ns,
    )


def config(floor: Floor, account: Account, symbol: str) -> AccountConfig:
    """Leverage and modes of one symbol."""
    leverage = account.leverage[symbol]
    return AccountConfig(
        symbol=symbol,
        leverage=leverage,
        margin_mode=account.margin_mode[symbol],
        position_mode=account.position_mode,
        max_notional=floor.listings[symbol].max_notional(leverage),
    )


def liquidation_price(floor: Floor, account: Account, symbol: str) -> Decimal:
    """The mark at which the wallet no longer covers the maintenance margin; 0 where there is none.

    Each bracket is tried with its own rate; the crossing counts where it lies within that bracket.
    """
    listing, holding = floor.listings[symbol], account.holdings[symbol]
    if not holding.lots:
        return ZERO
    others = [standing(floor, account, name) for name in symbols_of(floor, listing.asset) if name != symbol]
    cushion = Fraction(account.wallets.get(listing.asset, ZERO))
    cushion += sum((row.unrealized - row.maintenance for row in others), NONE)
    units = listing.units(holding.lots)
    for tier in listing.instrument.tiers:
        rate, slack = Fraction(tier.maintenance_rate), cushion + Fraction(tier.maintenance_amount)
        # inverse: slack + cost - worth = rate |worth|; linear: slack + worth - cost = rate |worth|
        towards = 1 if listing.inverse else -1
        slope = abs(units) * rate + towards * units
        worth_per_unit = (slack + towards * holding.cost) / slope if slope else NONE
        if worth_per_unit > 0 and tier.floor <= abs(units) * worth_per_unit <= tier.cap:
            return money(1 / worth_per_unit if listing.inverse else worth_per_unit)
    return ZERO


def _break_even(listing: Listing, holding: Holding) -> Fraction:
    burden = Fraction(holding.burden)
    worth = holding.cost - burden if listing.inverse else holding.cost + burden
    return max(NONE, listing.average(holding.lots, worth))
