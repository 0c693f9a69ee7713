"""Positions and cash, folded from fills and payments, each booked once.

Identity is ``(symbol, trade_id, side)`` for a fill and ``(symbol, payment_id)`` for funding. An execution
that is not ours first closes what is external, then what is ours, and then counts as external. One of ours
that comes to stand against what is external closes as much of it: the venue has but one position.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from contractdesk.domain.account import Account, VenuePosition
from contractdesk.domain.commands import Severity
from contractdesk.domain.events import FundingPaid, WalletChanged
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO, cash
from contractdesk.domain.position import external_cost
from contractdesk.domain.views import TradingState
from contractdesk.engine.core import Booking, Core, bounded
from contractdesk.engine.state import NS_PER_S, Desk, Limits, Market, Tracked

ADOPTED = "adopted-"  # and the number of the wish: the client id of what was not bought here
RECONCILE_AFTER_FILL_NS = NS_PER_S  # fills come in bursts: one reconciliation for all of them
PACE_NS = 3 * NS_PER_S  # and where they do not end, so long between two: readings spend the rate limit


class Ledger:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._desk = core.desk

    # -- fills -----------------------------------------------------------------------------

    def is_new(self, fill: Fill) -> bool:
        """Remember the fill; False for a repeat, and for a symbol without terms."""
        market = self._core.market(fill.symbol)
        if market is None or fill.identity in market.trade_ids:
            return False
        market.trade_ids[fill.identity] = None
        bounded(market.trade_ids, Limits.IDENTITIES)
        self._desk.last_fill_ns = max(self._desk.last_fill_ns, fill.venue_ns)
        paced_ns = self._desk.read_asked_ns + PACE_NS - self._desk.now_ns
        self._core.reconcile_within(max(RECONCILE_AFTER_FILL_NS, paced_ns))
        return True

    def book(self, fill: Fill, tracked: Tracked | None) -> Booking:
        """Book a new fill of ours on our position."""
        market = self._desk.symbols[fill.symbol]
        if tracked is not None:
            fill = replace(fill, strategy_id=tracked.order.request.strategy_id)
        if fill.fee_asset not in ("", market.instrument.settle):
            self._foreign_fee(fill)
            fill = replace(fill, fee=ZERO)
        before = market.position
        market.position = after = before.apply(fill, market.instrument)
        hosted = self._desk.strategies.get(fill.strategy_id)
        if hosted is not None:
            hosted.fills += 1
            hosted.realized_pnl += (after.realized_pnl - after.fees) - (before.realized_pnl - before.fees)
        self._keep(fill)
        booking = Booking(fill, tracked)
        self._core.bookings.append(booking)
        self._core.touch(fill.symbol)
        if market.position.size * market.external_size < 0:
            self._net(market, fill)
        return booking

    def _net(self, market: Market, fill: Fill) -> None:
        """Ours stands against what is external: no stop could close it, for at the venue it is not there."""
        ours = market.position.size
        gone = _closing(ours, market.external_size)
        market.external_size -= gone
        text = f"{abs(gone)} contracts that we traded have closed as many that were opened elsewhere"
        self._core.notify(Severity.WARNING, "netted", text, fill.symbol)
        made = replace(
            fill,
            trade_id=f"netted-{self._core.request_id()}",
            client_id="netted",
            venue_order_id="",
            signed_size=gone,
            fee=ZERO,
        )
        self.book(made, None)

    def book_foreign(self, fill: Fill) -> None:
        """Book an execution that was not ours: by hand elsewhere, a liquidation, a drift."""
        market = self._desk.symbols[fill.symbol]
        on_external = _closing(market.external_size, fill.signed_size)
        market.external_size += on_external
        left = fill.signed_size - on_external
        on_ours = _closing(market.position.size, left)
        market.external_size += left - on_ours
        if not on_ours:
            self._core.measuring = True
            self._core.touch(fill.symbol)
            return
        self.book(replace(fill, signed_size=on_ours, strategy_id=market.guard.strategy_id), None)
        whom = "the venue, by force" if fill.forced else "somebody else"
        text = f"{abs(on_ours)} contracts of ours were closed by {whom} ({fill.client_id})"
        self._core.notify(Severity.ALARM, "closed_elsewhere", text, fill.symbol)
        if fill.forced:
            self._core.halt(f"{fill.symbol}: {text}")
        elif self._desk.state is TradingState.ACTIVE:
            self._desk.reduced = f"{fill.symbol}: {text}"
            self._core.enter_state(TradingState.REDUCING, self._desk.reduced)

    def adopt(self, market: Market, cost: Fraction, intent_id: int) -> Booking:
        """Book what is external as ours, as if it had been bought here for ``cost`` without a fee.

        The breaker's profit stays what it is: what the contracts had made before is not made again.
        """
        size, mark, terms = market.external_size, market.trusted.price, market.instrument
        price = terms.average_price(size, cost)
        if mark is not None:
            market.carried.profit(terms, ZERO, mark)
            market.carried.realized -= cash(terms.exact_pnl(size, terms.cost(size, price), mark))
        market.external_size = ZERO
        fill = Fill(
            symbol=terms.symbol,
            trade_id=f"adopted-{self._core.request_id()}",
            client_id=f"{ADOPTED}{intent_id}",
            venue_order_id="",
            signed_size=size,
            price=price,
            fee=ZERO,
            fee_asset=terms.settle,
            liquidity=Liquidity.TAKER,
            venue_ns=self._desk.venue_now_ns,
            ts_ns=self._desk.now_ns,
        )
        return self.book(fill, None)

    def _keep(self, fill: Fill) -> None:
        self._core.measuring = True
        self._desk.fills.append(fill)
        del self._desk.fills[: -Limits.FILLS]

    def _foreign_fee(self, fill: Fill) -> None:
        self._core.notify(
            Severity.WARNING,
            "fee_asset",
            f"a fee of {fill.fee} {fill.fee_asset} is not in the settle currency and is not booked",
            fill.symbol,
        )

    # -- cash ------------------------------------------------------------------------------

    def on_funding(self, event: FundingPaid) -> bool:
        """Book a payment on our share of the venue's position; False for a repeat."""
        market = self._core.market(event.symbol)
        if market is None or event.payment_id in market.payment_ids:
            return False
        market.payment_ids[event.payment_id] = None
        bounded(market.payment_ids, Limits.IDENTITIES)
        market.position = market.position.paid(_our_share(market, event.amount))
        self._core.measuring = True
        return True

    def on_wallet(self, event: WalletChanged) -> None:
        """The venue's own balance, pushed; late ones are ignored.

        Where money has come or gone that no trade of ours explains, every picture of the account is of
        before that: it is read anew, and no entry is measured by an old one.
        """
        desk = self._desk
        if event.asset != desk.config.asset or event.venue_ns < desk.wallet_ns:
            return
        desk.wallet_balance, desk.wallet_ns = event.wallet_balance, event.venue_ns
        if event.change and desk.started:
            self._core.doubt_account()

    def on_account(self, account: Account, asked_ns: int, request_id: int) -> bool:
        """The account as it was read; it is as old as the question. False: a newer one is known."""
        desk = self._desk
        if asked_ns < max(desk.account_ns, desk.account_after_ns):
            return False
        desk.account, desk.account_ns, desk.account_request = account, asked_ns, request_id
        if not account.venue_ns or account.venue_ns >= desk.wallet_ns:
            desk.wallet_balance = account.wallet_balance
            desk.wallet_ns = max(desk.wallet_ns, account.venue_ns)
        for position in account.positions:
            market = self._core.market(position.symbol)
            if market is not None and position.leverage > 0:
                market.leverage = position.leverage
        return True


def latest_mark(market: Market) -> Decimal | None:
    return market.mark


def unrealized(desk: Desk, mark_of: Callable[[Market], Decimal | None] = latest_mark) -> Decimal:
    """Unrealized PnL of all positions at the marks; as last read where there is no mark."""
    read = {position.symbol: position for position in desk.account.positions} if desk.account else {}
    total = ZERO
    asset = desk.config.asset
    for symbol, market in desk.symbols.items():
        reported = read.pop(symbol, None)
        mark = mark_of(market)
        if market.instrument.settle != asset:
            continue  # its profit is in another currency, and in another wallet
        if mark is None:
            total += reported.unrealized_pnl if reported else ZERO
        else:
            total += market.position.unrealized_pnl(market.instrument, mark)
            total += _external_pnl(market, reported, mark)
    unwatched = (position for position in read.values() if position.settles_in(asset))
    return total + sum((position.unrealized_pnl for position in unwatched), ZERO)


def equity(desk: Desk) -> Decimal:
    """Wallet + unrealized, now."""
    return desk.wallet_balance + unrealized(desk)


def _external_pnl(market: Market, reported: VenuePosition | None, mark: Decimal) -> Decimal:
    """PnL of what is not ours, at the venue's average entry."""
    size, terms = market.external_size, market.instrument
    if not size:  # at every mark, and nearly always
        return ZERO
    cost = external_cost(terms, market.position, size, reported)
    return ZERO if cost is None else cash(terms.exact_pnl(size, cost, mark))


def _closing(size: Decimal, change: Decimal) -> Decimal:
    """The part of ``change`` that reduces ``size``; signed like the change."""
    if not size or (size > 0) == (change > 0):
        return ZERO
    closed = min(abs(size), abs(change))
    return closed if change > 0 else -closed


def _our_share(market: Market, amount: Decimal) -> Decimal:
    ours, external = market.position.size, market.external_size
    if not external:
        return amount
    return cash(amount * ours / (ours + external)) if ours + external else ZERO
