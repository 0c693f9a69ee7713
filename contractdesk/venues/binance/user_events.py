"""What a user-stream update means: the domain's events, and what has to be asked of the venue.

A state machine without I/O. Fills may be repeated downstream, which knows them by trade id; a
TRADE_LITE is never a fill, but a fill that does not follow it within its time is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never

from msgspec import Struct

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.events import (
    Event,
    LeverageChanged,
    MarginCalled,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    PositionReported,
    StopTriggered,
    WalletChanged,
)
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.venues.binance.attribution import Armed, Attribution
from contractdesk.venues.binance.codec_user import (
    FORCED_PREFIXES,
    VENUE_PREFIXES,
    AccountConfigUpdate,
    AccountUpdate,
    AlgoStatus,
    AlgoUpdate,
    Execution,
    GridUpdate,
    ListenKeyExpired,
    MarginCall,
    OrderTradeUpdate,
    StrategyUpdate,
    TradeLite,
    TriggerRejected,
    UserUpdate,
)
from contractdesk.venues.binance.fill_watch import FillWatch, remember

FUNDING_FEE = "FUNDING_FEE"
NO_REASON = (None, "", "0", 0)


class AskOrder(Struct, frozen=True):
    """The stream said something we do not understand of this order: query it."""

    symbol: str
    client_id: str
    conditional: bool


class AskParent(Struct, frozen=True):
    """A strange order may be the child of one of these: query them."""

    candidates: tuple[Armed, ...]


class AskFills(Struct, frozen=True):
    """A fill of this symbol was hinted at and did not come."""

    symbol: str


class AskFunding(Struct, frozen=True):
    """Funding was booked; the stream does not say for which symbol."""

    venue_ns: int
    change: Decimal  # of the wallet, + received


class RenewKey(Struct, frozen=True):
    """The listen key has expired."""


Ask = AskOrder | AskParent | AskFills | AskFunding | RenewKey
Outcome = Event | Ask


class UserEvents:
    """Folds the updates of one account's private stream."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        """``instruments`` by the venue's own symbol."""
        self._instruments = instruments
        self.orders: Attribution[OrderTradeUpdate] = Attribution()
        self.fills = FillWatch()
        self._triggered: OrderedDict[str, None] = OrderedDict()

    def on_update(self, update: UserUpdate, ts_ns: int) -> tuple[Outcome, ...]:
        """Everything that follows from one frame, in order. ``KeyError`` for a symbol not listed."""
        match update:
            case OrderTradeUpdate():
                return self._on_order(update, ts_ns)
            case AlgoUpdate():
                return self._on_algo(update, ts_ns)
            case TradeLite():
                return self._on_hint(update, ts_ns)
            case AccountUpdate():
                return self._on_account(update, ts_ns)
            case MarginCall(positions=positions):
                symbols = tuple(self._instruments[position.symbol].symbol for position in positions)
                return (MarginCalled(ts_ns=ts_ns, symbols=symbols),)
            case AccountConfigUpdate(leverage=changed):
                if changed is None:
                    return ()
                symbol = self._instruments[changed.symbol].symbol
                return (LeverageChanged(ts_ns=ts_ns, symbol=symbol, leverage=changed.leverage),)
            case ListenKeyExpired():
                return (RenewKey(),)
            case TriggerRejected() | StrategyUpdate() | GridUpdate():
                return ()
        assert_never(update)

    def on_parent(self, client_id: str, symbol: str, child: str, ts_ns: int) -> tuple[Outcome, ...]:
        """A query named the child of one of our conditional orders."""
        return self._named(client_id, symbol, child, ts_ns, 0)

    def on_time(self, ts_ns: int) -> tuple[Outcome, ...]:
        """What has waited long enough: strange orders are foreign, missing fills are asked for."""
        outcomes = [outcome for update in self.orders.expire(ts_ns) for outcome in self._order(update, ts_ns)]
        late = sorted(self.fills.late(ts_ns) & self._instruments.keys())
        return (*outcomes, *(AskFills(self._instruments[symbol].symbol) for symbol in late))

    # -- orders ----------------------------------------------------------------------------

    def _on_order(self, update: OrderTradeUpdate, ts_ns: int) -> tuple[Outcome, ...]:
        order = update.order
        if order.last_size > 0 and order.trade_id:
            self.fills.reported(order.symbol, order.trade_id, str(order.venue_id), order.last_size)
        venue_made = order.client_id.startswith(VENUE_PREFIXES)
        if not venue_made and self.orders.should_hold(
            str(order.venue_id), order.client_id, order.symbol, order.side
        ):
            self.orders.hold(str(order.venue_id), update, ts_ns)
            return (AskParent(self.orders.candidates(order.symbol, order.side)),)
        return self._order(update, ts_ns)

    def _order(self, update: OrderTradeUpdate, ts_ns: int) -> tuple[Outcome, ...]:
        order, venue_ns = update.order, update.order.time_ms * NS_PER_MS
        symbol = self._instruments[order.symbol].symbol
        client_id = self.orders.client_id(str(order.venue_id), order.client_id)
        self.orders.placed(str(order.venue_id), client_id)
        reason = "" if order.reason in NO_REASON else str(order.reason)
        try:
            execution = Execution(order.execution)
        except ValueError:
            return (AskOrder(symbol, client_id, conditional=client_id in self._triggered),)
        match execution:
            case Execution.NEW if client_id in self._triggered:
                return ()  # the child of a stop: the stop itself was accepted long ago
            case Execution.NEW:
                accepted = OrderAccepted(
                    ts_ns=ts_ns,
                    client_id=client_id,
                    symbol=symbol,
                    venue_ns=venue_ns,
                    venue_id=str(order.venue_id),
                )
                return (accepted,)
            case Execution.TRADE | Execution.CALCULATED:
                return self._filled(update, client_id, ts_ns) if order.last_size > 0 else ()
            case Execution.CANCELED:
                return (
                    OrderCancelled(
                        ts_ns=ts_ns,
                        client_id=client_id,
                        symbol=symbol,
                        venue_ns=venue_ns,
                        reason=reason,
                        filled=order.filled,
                    ),
                )
            case Execution.EXPIRED:
                return (
                    OrderExpired(
                        ts_ns=ts_ns,
                        client_id=client_id,
                        symbol=symbol,
                        venue_ns=venue_ns,
                        reason=reason,
                        filled=order.filled,
                    ),
                )
            case Execution.AMENDMENT:
                amended = OrderAmended(
                    ts_ns=ts_ns,
                    client_id=client_id,
                    symbol=symbol,
                    venue_ns=venue_ns,
                    price=order.price or None,
                    trigger_price=order.stop_price or None,
                    size=order.size,
                )
                return (amended,)
        assert_never(execution)

    def _filled(self, update: OrderTradeUpdate, client_id: str, ts_ns: int) -> tuple[Outcome, ...]:
        """A fill without an id of its own is asked for: the venue's list gives it one."""
        order, venue_ns = update.order, update.order.time_ms * NS_PER_MS
        if not order.trade_id:
            return (AskFills(self._instruments[order.symbol].symbol),)
        instrument, venue_id = self._instruments[order.symbol], str(order.venue_id)
        fill = Fill(
            symbol=instrument.symbol,
            trade_id=str(order.trade_id),
            client_id=client_id,
            venue_order_id=venue_id,
            signed_size=signed(order.side, order.last_size),
            price=order.last_price,
            fee=order.fee,
            fee_asset=order.fee_asset or instrument.settle,
            liquidity=Liquidity.MAKER if order.maker else Liquidity.TAKER,
            venue_ns=venue_ns,
            ts_ns=ts_ns,
            forced=client_id.startswith(FORCED_PREFIXES),
        )
        filled = OrderFilled(
            ts_ns=ts_ns, client_id=client_id, symbol=instrument.symbol, venue_ns=venue_ns, fill=fill
        )
        return (filled,)

    # -- conditional orders ----------------------------------------------------------------

    def _on_algo(self, update: AlgoUpdate, ts_ns: int) -> tuple[Outcome, ...]:
        algo, venue_ns = update.algo, update.event_ms * NS_PER_MS
        symbol = self._instruments[algo.symbol].symbol
        try:
            status = AlgoStatus(algo.status)
        except ValueError:
            return (AskOrder(symbol, algo.client_id, conditional=True),)
        match status:
            case AlgoStatus.NEW:
                self.orders.armed(Armed(algo.client_id, algo.symbol, algo.side))
                accepted = OrderAccepted(
                    ts_ns=ts_ns,
                    client_id=algo.client_id,
                    symbol=symbol,
                    venue_ns=venue_ns,
                    venue_id=str(algo.algo_id),
                )
                return (accepted,)
            case AlgoStatus.TRIGGERING:
                return ()
            case AlgoStatus.TRIGGERED | AlgoStatus.FINISHED:
                return self._named(algo.client_id, symbol, algo.child, ts_ns, venue_ns) if algo.child else ()
            case AlgoStatus.CANCELED:
                self.orders.ended(algo.client_id)
                cancelled = OrderCancelled(
                    ts_ns=ts_ns, client_id=algo.client_id, symbol=symbol, venue_ns=venue_ns
                )
                return (cancelled,)
            case AlgoStatus.REJECTED:
                self.orders.ended(algo.client_id)
                rejected = OrderRejected(
                    ts_ns=ts_ns,
                    client_id=algo.client_id,
                    symbol=symbol,
                    venue_ns=venue_ns,
                    code=0,
                    message=algo.reason or "rejected at its trigger",
                    at_trigger=True,
                )
                return (rejected,)
            case AlgoStatus.EXPIRED:
                self.orders.ended(algo.client_id)
                expired = OrderExpired(
                    ts_ns=ts_ns,
                    client_id=algo.client_id,
                    symbol=symbol,
                    venue_ns=venue_ns,
                    reason=algo.reason or "",
                )
                return (expired,)
        assert_never(status)

    def _named(
        self, client_id: str, symbol: str, child: str, ts_ns: int, venue_ns: int
    ) -> tuple[Outcome, ...]:
        outcomes: list[Outcome] = []
        if client_id not in self._triggered:
            remember(self._triggered, client_id, None)
            outcomes.append(
                StopTriggered(
                    ts_ns=ts_ns, client_id=client_id, symbol=symbol, venue_ns=venue_ns, child_venue_id=child
                )
            )
        for held in self.orders.triggered(client_id, child):
            outcomes.extend(self._order(held, ts_ns))
        return tuple(outcomes)

    # -- the account -----------------------------------------------------------------------

    def _on_hint(self, update: TradeLite, ts_ns: int) -> tuple[Outcome, ...]:
        if update.symbol in self._instruments:  # else nobody could be asked for the fill
            self.fills.hinted(update.symbol, update.trade_id, ts_ns)
        return ()

    def _on_account(self, update: AccountUpdate, ts_ns: int) -> tuple[Outcome, ...]:
        venue_ns, account = update.event_ms * NS_PER_MS, update.account
        outcomes: list[Outcome] = [
            WalletChanged(
                ts_ns=ts_ns,
                asset=balance.asset,
                wallet_balance=balance.wallet_balance,
                change=balance.change,
                cause=account.cause,
                venue_ns=venue_ns,
            )
            for balance in account.balances
        ]
        outcomes.extend(
            PositionReported(
                ts_ns=ts_ns,
                symbol=self._instruments[position.symbol].symbol,
                size=position.size,
                entry_price=position.entry_price,
                venue_ns=venue_ns,
            )
            for position in account.positions
            if position.position_side == "BOTH" and position.symbol in self._instruments
        )
        if account.cause == FUNDING_FEE:
            outcomes.append(AskFunding(venue_ns, sum((each.change for each in account.balances), ZERO)))
        return tuple(outcomes)


def signed(side: str, size: Decimal) -> Decimal:
    """+ bought, - sold; by the venue's word for the side."""
    return size if side == "BUY" else -size
