"""Margin accounts: wallets, positions with exact cost, the ledger. One-way, cross margin.

Law: a wallet is the sum of its ledger entries, to the last digit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from contractdesk.exchange.rows import ZERO, Fill, LedgerEntry
from contractdesk.exchange.terms import Listing, money
from contractdesk.exchange.words import LedgerKind, MarginMode, PositionMode, Side

FILLS_KEPT = 500_000  # an account
LEDGER_KEPT = 1_000_000


class Holding:
    """A position in whole lots with its exact cost."""

    def __init__(self) -> None:
        self.lots = 0  # + long, - short
        self.cost = Fraction(0)  # settle value of the open lots, signed like them
        self.realized = ZERO
        self.burden = ZERO  # fees less funding since it was opened: for the break-even price
        self.updated_ns = 0

    def take(self, listing: Listing, signed_lots: int, tick: int) -> Fraction:
        """Trade ``signed_lots`` at ``tick``; returns the exact profit of what it closed."""
        profit = Fraction(0)
        opposite = (signed_lots > 0) != (self.lots > 0)
        closing = min(abs(signed_lots), abs(self.lots)) if self.lots and opposite else 0
        if closing:
            share = closing if self.lots > 0 else -closing
            cost = self.cost * share / self.lots
            profit = listing.profit(cost, listing.value(share, tick))
            self.cost -= cost
            self.lots -= share
            signed_lots += share
        if self.lots == 0:
            self.cost = Fraction(0)
            self.burden = ZERO
        if signed_lots:
            self.cost += listing.value(signed_lots, tick)
            self.lots += signed_lots
        return profit


class Account:
    """One customer's money. Bookings are its only way to change a wallet."""

    def __init__(self, name: str, listings: Mapping[str, Listing]) -> None:
        self.name = name
        self.wallets: dict[str, Decimal] = {}
        self.holdings: dict[str, Holding] = {symbol: Holding() for symbol in listings}
        self.leverage = {symbol: listing.terms.default_leverage for symbol, listing in listings.items()}
        self.margin_mode = dict.fromkeys(listings, MarginMode.CROSS)
        self.position_mode = PositionMode.ONE_WAY
        self.ledger: deque[LedgerEntry] = deque(maxlen=LEDGER_KEPT)
        self.fills: deque[Fill] = deque(maxlen=FILLS_KEPT)
        self.updated_ns = 0
        self.warned: set[str] = set()  # assets with a margin call that still stands
        self._entry_id = 0

    def book(
        self,
        kind: LedgerKind,
        asset: str,
        amount: Decimal,
        ts_ns: int,
        *,
        symbol: str = "",
        trade_id: int = 0,
        info: str = "",
    ) -> LedgerEntry:
        """Book one amount (+ received)."""
        self._entry_id += 1
        self.wallets[asset] = self.wallets.get(asset, ZERO) + amount
        self.updated_ns = ts_ns
        entry = LedgerEntry(
            entry_id=self._entry_id,
            account=self.name,
            kind=kind,
            asset=asset,
            amount=amount,
            symbol=symbol,
            trade_id=trade_id,
            ts_ns=ts_ns,
            info=info,
        )
        self.ledger.append(entry)
        return entry

    def trade(
        self, listing: Listing, side: Side, lots: int, tick: int, *, maker: bool, trade_id: int, ts_ns: int
    ) -> tuple[Decimal, Decimal]:
        """Book one trade; returns (realized profit, commission), each rounded once."""
        holding = self.holdings[listing.symbol]
        realized = money(holding.take(listing, side.sign * lots, tick))
        rate = listing.maker_fee if maker else listing.taker_fee
        commission = money(listing.value(lots, tick) * rate)
        holding.realized += realized
        holding.burden += commission if holding.lots else ZERO
        holding.updated_ns = ts_ns
        if realized:
            self.book(
                LedgerKind.REALIZED_PNL,
                listing.asset,
                realized,
                ts_ns,
                symbol=listing.symbol,
                trade_id=trade_id,
            )
        if commission:
            self.book(
                LedgerKind.COMMISSION,
                listing.asset,
                -commission,
                ts_ns,
                symbol=listing.symbol,
                trade_id=trade_id,
            )
        return realized, commission

    def fund(self, listing: Listing, rate: Decimal, mark: Decimal, ts_ns: int) -> LedgerEntry | None:
        """Book a funding payment: longs pay a positive rate. None where nothing is held."""
        holding = self.holdings[listing.symbol]
        if not holding.lots:
            return None
        worth = listing.value_at(holding.lots, Fraction(mark))
        amount = -money(worth * Fraction(rate))
        holding.burden -= amount
        return self.book(LedgerKind.FUNDING_FEE, listing.asset, amount, ts_ns, symbol=listing.symbol)
