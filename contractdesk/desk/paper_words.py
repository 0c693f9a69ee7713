"""From the loopback core's rows and events to the desk's: pure translation, one account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from contractdesk.domain import account as ours
from contractdesk.domain import orders
from contractdesk.domain.events import (
    Event,
    FundingPaid,
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
    VenueOrder,
    WalletChanged,
)
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.exchange import model
from contractdesk.exchange.model import AlgoStatus, ExecutionKind, OrderStatus

_STATUS = {
    OrderStatus.NEW: orders.OrderStatus.WORKING,
    OrderStatus.PARTIALLY_FILLED: orders.OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED: orders.OrderStatus.FILLED,
    OrderStatus.CANCELED: orders.OrderStatus.CANCELLED,
    OrderStatus.EXPIRED: orders.OrderStatus.EXPIRED,
}
_ALGO_STATUS = {
    AlgoStatus.NEW: orders.OrderStatus.WORKING,
    AlgoStatus.TRIGGERING: orders.OrderStatus.TRIGGERED,
    AlgoStatus.TRIGGERED: orders.OrderStatus.TRIGGERED,
    AlgoStatus.FINISHED: orders.OrderStatus.FILLED,
    AlgoStatus.CANCELED: orders.OrderStatus.CANCELLED,
    AlgoStatus.REJECTED: orders.OrderStatus.REJECTED,
    AlgoStatus.EXPIRED: orders.OrderStatus.EXPIRED,
}
_ALGO_TYPE = {
    model.AlgoType.STOP_MARKET: orders.OrderType.STOP_MARKET,
    model.AlgoType.TAKE_PROFIT_MARKET: orders.OrderType.TAKE_PROFIT_MARKET,
}
AT_TRIGGER = -2021  # Binance's "would immediately trigger"


class Translator:
    """Knows the instruments by the venue's name, and which conditional order a child came from."""

    def __init__(self, asset: str) -> None:
        self.instruments: dict[str, Instrument] = {}
        self._asset = asset
        self._parents: dict[int, str] = {}  # algo id -> client id

    # -- events ----------------------------------------------------------------------------

    def events(self, event: model.Event, ts_ns: int) -> Iterator[Event]:
        """The desk's events for one of the core's; public ones come from the real venue."""
        match event:
            case model.OrderChanged():
                yield from self._order(event, ts_ns)
            case model.AlgoChanged(algo=algo):
                yield from self._algo(algo, ts_ns)
            case model.AccountChanged():
                yield from self._account_changed(event, ts_ns)
            case model.ConfigChanged(config=config) if config.symbol:
                symbol = self._unified(config.symbol)
                yield LeverageChanged(ts_ns=ts_ns, symbol=symbol, leverage=Decimal(config.leverage))
            case model.MarginCall(positions=positions):
                yield MarginCalled(ts_ns=ts_ns, symbols=tuple(self._unified(row.symbol) for row in positions))
            case _:
                return

    def _order(self, event: model.OrderChanged, ts_ns: int) -> Iterator[Event]:
        order = event.order
        client_id, symbol, venue_ns = self.client_id(order), self._unified(order.symbol), event.ts_ns
        known: dict[str, Any] = {
            "ts_ns": ts_ns,
            "client_id": client_id,
            "symbol": symbol,
            "venue_ns": venue_ns,
        }
        match event.kind:
            case ExecutionKind.NEW if not order.algo_id:
                yield OrderAccepted(**known, venue_id=str(order.order_id))
            case ExecutionKind.TRADE | ExecutionKind.CALCULATED if event.fill is not None:
                yield OrderFilled(**known, fill=self.fill(event.fill, client_id, ts_ns))
            case ExecutionKind.CANCELED:
                yield OrderCancelled(**known, reason=order.reason)
            case ExecutionKind.EXPIRED:
                yield OrderExpired(**known, reason=order.reason)
            case ExecutionKind.AMENDMENT:
                yield OrderAmended(**known, price=order.price, trigger_price=None, size=order.quantity)
            case _:
                return

    def _algo(self, algo: model.AlgoOrder, ts_ns: int) -> Iterator[Event]:
        self._parents[algo.algo_id] = algo.client_id
        symbol = self._unified(algo.symbol)
        known: dict[str, Any] = {
            "ts_ns": ts_ns,
            "client_id": algo.client_id,
            "symbol": symbol,
            "venue_ns": algo.updated_ns,
        }
        match algo.status:
            case AlgoStatus.NEW if algo.amendments:
                yield OrderAmended(**known, price=None, trigger_price=algo.trigger_price, size=algo.quantity)
            case AlgoStatus.NEW:
                yield OrderAccepted(**known, venue_id=str(algo.algo_id))
            case AlgoStatus.TRIGGERED:
                yield StopTriggered(**known, child_venue_id=str(algo.order_id))
            case AlgoStatus.CANCELED:
                yield OrderCancelled(**known, reason=algo.reason)
            case AlgoStatus.EXPIRED:
                yield OrderExpired(**known, reason=algo.reason)
            case AlgoStatus.REJECTED:
                yield OrderRejected(**known, code=AT_TRIGGER, message=algo.reason, at_trigger=True)
            case AlgoStatus.TRIGGERING | AlgoStatus.FINISHED:
                return  # the child's own fills and ends say it

    def _account_changed(self, event: model.AccountChanged, ts_ns: int) -> Iterator[Event]:
        for balance in event.balances:
            yield WalletChanged(
                ts_ns=ts_ns,
                asset=balance.asset,
                wallet_balance=balance.wallet,
                change=event.change,
                cause=event.reason.value,
                venue_ns=event.ts_ns,
            )
        for row in event.positions:
            symbol = self._unified(row.symbol)
            if event.reason is model.AccountReason.FUNDING_FEE:
                yield FundingPaid(
                    ts_ns=ts_ns,
                    symbol=symbol,
                    amount=event.change,
                    payment_id=f"{row.symbol}-{event.ts_ns}",
                    venue_ns=event.ts_ns,
                )
            yield PositionReported(
                ts_ns=ts_ns, symbol=symbol, size=row.size, entry_price=row.entry_price, venue_ns=event.ts_ns
            )

    # -- rows ------------------------------------------------------------------------------

    def client_id(self, order: model.Order) -> str:
        """Of the order, or of the conditional one that it came from."""
        return self._parents.get(order.algo_id, order.client_id) if order.algo_id else order.client_id

    def fill(self, row: model.Fill, client_id: str, ts_ns: int) -> Fill:
        """One execution; the fee is in the settle currency."""
        return Fill(
            symbol=self._unified(row.symbol),
            trade_id=str(row.trade_id),
            client_id=client_id,
            venue_order_id=str(row.order_id),
            signed_size=row.quantity * row.side.sign,
            price=row.price,
            fee=row.commission,
            fee_asset=row.commission_asset,
            liquidity=Liquidity.MAKER if row.maker else Liquidity.TAKER,
            venue_ns=row.ts_ns,
            ts_ns=ts_ns,
        )

    def order(self, row: model.Order) -> VenueOrder:
        return VenueOrder(
            client_id=self.client_id(row),
            venue_id=str(row.order_id),
            symbol=self._unified(row.symbol),
            side=orders.Side[row.side.name],
            type=orders.OrderType[row.type.name],
            status=_STATUS[row.status],
            size=row.quantity,
            filled=row.executed,
            price=row.price or None,
            trigger_price=None,
            reduce_only=row.reduce_only,
            created_ns=row.created_ns,
        )

    def conditional(self, row: model.AlgoOrder) -> VenueOrder:
        return VenueOrder(
            client_id=row.client_id,
            venue_id=str(row.algo_id),
            symbol=self._unified(row.symbol),
            side=orders.Side[row.side.name],
            type=_ALGO_TYPE[row.type],
            status=_ALGO_STATUS[row.status],
            size=row.quantity,
            filled=row.executed,
            price=None,
            trigger_price=row.trigger_price,
            reduce_only=row.reduce_only,
            created_ns=row.created_ns,
        )

    def account(self, state: model.AccountState) -> ours.Account:
        """The account in its one asset, with its open positions."""
        balance = next(row for row in state.balances if row.asset == self._asset)
        held = tuple(self._position(row) for row in state.positions if row.size)
        return ours.Account(
            asset=self._asset,
            wallet_balance=balance.wallet,
            unrealized_pnl=balance.unrealized,
            initial_margin=balance.initial_margin,
            maintenance_margin=balance.maintenance_margin,
            available=balance.available,
            positions=held,
            venue_ns=state.updated_ns,
        )

    def _position(self, row: model.Position) -> ours.VenuePosition:
        return ours.VenuePosition(
            symbol=self._unified(row.symbol),
            size=row.size,
            entry_price=row.entry_price,
            unrealized_pnl=row.unrealized,
            leverage=Decimal(row.leverage),
            margin_mode=ours.MarginMode[row.margin_mode.name],
            liquidation_price=row.liquidation_price if row.liquidation_price > ZERO else None,
        )

    def _unified(self, venue_symbol: str) -> str:
        return self.instruments[venue_symbol].symbol


def names(instruments: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """Instruments by the venue's own name."""
    return {item.venue_symbol: item for item in instruments.values()}
