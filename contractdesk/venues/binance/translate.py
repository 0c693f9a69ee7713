"""Between the domain's orders, fills and accounts and the rows and parameters of the REST API; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from contractdesk.clock import NS_PER_MS
from contractdesk.domain.account import Account, MarginMode, VenuePosition
from contractdesk.domain.events import FundingPaid, VenueOrder
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import Bar
from contractdesk.domain.orders import OrderRequest, OrderStatus, OrderType, Side
from contractdesk.errors import VenueProtocolError
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.codec_user import FORCED_PREFIXES
from contractdesk.venues.binance.user_events import signed

T = TypeVar("T")
MARGIN_MODES = {"CROSSED": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}
MARGIN_WORDS = {mode: word for word, mode in MARGIN_MODES.items()}
ONE_WAY_SIDE = "BOTH"
MINUTE_MS = 60_000
_SIDE_WORDS = {Side.BUY: "BUY", Side.SELL: "SELL"}
_TYPE_WORDS = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT_MARKET",
}
# Orders that others placed may be of more types; they are shown as the nearest of ours.
_TYPES = {word: kind for kind, word in _TYPE_WORDS.items()} | {
    "STOP": OrderType.STOP_MARKET,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_MARKET,
    "TRAILING_STOP_MARKET": OrderType.STOP_MARKET,
    "LIQUIDATION": OrderType.MARKET,
}
_STATUSES = {
    "NEW": OrderStatus.WORKING,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
_ALGO_STATUSES = {
    "NEW": OrderStatus.WORKING,
    "TRIGGERING": OrderStatus.TRIGGERED,
    "TRIGGERED": OrderStatus.TRIGGERED,
    "FINISHED": OrderStatus.TRIGGERED,  # what became of it, its child says
    "CANCELED": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
}


def order_params(request: OrderRequest, instrument: Instrument, recv_window_ms: int) -> dict[str, str]:
    """The parameters of POST order, or of POST algoOrder for a conditional one.

    ``ValueError`` for a limit order without price or a conditional one without trigger.
    """
    params = {
        "symbol": instrument.venue_symbol,
        "side": _SIDE_WORDS[request.side],
        "type": _TYPE_WORDS[request.type],
        "quantity": plain(request.size),
        "recvWindow": str(recv_window_ms),
    }
    if request.reduce_only:
        params["reduceOnly"] = "true"
    if request.type.conditional:
        return params | {
            "algoType": "CONDITIONAL",
            "clientAlgoId": request.client_id,
            "triggerPrice": plain(_needed(request.trigger_price, "trigger price")),
            "workingType": "MARK_PRICE",
        }
    params |= {"newClientOrderId": request.client_id, "newOrderRespType": "RESULT"}
    if request.type is OrderType.LIMIT:
        params["price"] = plain(_needed(request.price, "price"))
        params["timeInForce"] = request.time_in_force.value
    return params


def _needed(value: Decimal | None, what: str) -> Decimal:
    if value is None:
        raise ValueError(f"the order has no {what}")
    return value


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros: what the venue's number parser takes."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_of(row: rows.OrderRow, instrument: Instrument, client_id: str) -> VenueOrder:
    """A regular order; ``client_id`` is ours where the row is a stop's child."""
    return VenueOrder(
        client_id=client_id,
        venue_id=str(row.order_id),
        symbol=instrument.symbol,
        side=side_of(row.side),
        type=_known(_TYPES, row.type),
        status=_known(_STATUSES, row.status),
        size=row.orig_qty,
        filled=row.executed_qty,
        price=row.price or None,
        trigger_price=row.stop_price or None,
        reduce_only=row.reduce_only,
        created_ns=(row.time or row.update_time) * NS_PER_MS,
    )


def algo_of(row: rows.AlgoRow, instrument: Instrument, child: rows.OrderRow | None) -> VenueOrder:
    """A conditional order; once it has become a regular one, with that one's status and fills."""
    status = _known(_ALGO_STATUSES, row.algo_status)
    if child is not None and status is OrderStatus.TRIGGERED:
        status = _known(_STATUSES, child.status)
        status = OrderStatus.TRIGGERED if status is OrderStatus.WORKING else status
    return VenueOrder(
        client_id=row.client_algo_id,
        venue_id=str(row.algo_id),
        symbol=instrument.symbol,
        side=side_of(row.side),
        type=_known(_TYPES, row.order_type),
        status=status,
        size=row.quantity,
        filled=child.executed_qty if child is not None else rows.ZERO,
        price=row.price or None,
        trigger_price=row.trigger_price or None,
        reduce_only=row.reduce_only,
        created_ns=row.create_time * NS_PER_MS,
    )


def fill_of(row: rows.UserTradeRow, instrument: Instrument, client_id: str, ts_ns: int) -> Fill:
    return Fill(
        symbol=instrument.symbol,
        trade_id=str(row.id),
        client_id=client_id,
        venue_order_id=str(row.order_id),
        signed_size=signed(row.side, row.qty),
        price=row.price,
        fee=row.commission,
        fee_asset=row.commission_asset,
        liquidity=Liquidity.MAKER if row.maker else Liquidity.TAKER,
        venue_ns=row.time * NS_PER_MS,
        ts_ns=ts_ns,
        forced=client_id.startswith(FORCED_PREFIXES),
    )


def funding_paid(row: rows.IncomeRow, symbol: str, ts_ns: int) -> FundingPaid:
    """One payment; its identity is the ledger's own, or where that has none the settlement's minute."""
    return FundingPaid(
        ts_ns=ts_ns,
        symbol=symbol,
        amount=row.income,
        payment_id=f"{row.symbol}:{row.tran_id or row.time // MINUTE_MS * MINUTE_MS}",
        venue_ns=row.time * NS_PER_MS,
    )


def account_of(
    account: rows.AccountRow,
    positions: Iterable[rows.PositionRow],
    instruments: Mapping[str, Instrument],
    leverages: Mapping[str, Decimal],
    asset: str,
    venue_ns: int,
) -> Account:
    """The margin account in ``asset``; VenueProtocolError when the venue does not report it."""
    found = [row for row in account.assets if row.asset == asset]
    if not found:
        raise VenueProtocolError("binance", f"no {asset} among the account's assets".encode())
    return Account(
        asset=asset,
        wallet_balance=found[0].wallet_balance,
        unrealized_pnl=found[0].unrealized_profit,
        initial_margin=found[0].initial_margin,
        maintenance_margin=found[0].maint_margin,
        available=found[0].available_balance,
        positions=tuple(
            _position(row, instruments[row.symbol], leverages.get(row.symbol, Decimal(1)))
            for row in positions
            if row.position_amt and row.symbol in instruments
        ),
        venue_ns=venue_ns,
    )


def _position(row: rows.PositionRow, instrument: Instrument, leverage: Decimal) -> VenuePosition:
    if row.position_side != ONE_WAY_SIDE:
        raise VenueProtocolError("binance", f"a position of hedge mode in {row.symbol}".encode())
    return VenuePosition(
        symbol=instrument.symbol,
        size=row.position_amt,
        entry_price=row.entry_price,
        unrealized_pnl=row.un_realized_profit,
        leverage=leverage,
        margin_mode=MarginMode.ISOLATED if row.isolated_margin else MarginMode.CROSS,
        liquidation_price=row.liquidation_price or None,
        settle=instrument.settle,
    )


def bar_of(kline: rows.Kline) -> Bar:
    return Bar(
        open_ns=kline[0] * NS_PER_MS,
        open=kline[1],
        high=kline[2],
        low=kline[3],
        close=kline[4],
        volume=kline[5],
    )


def side_of(word: str) -> Side:
    return Side.BUY if word == "BUY" else Side.SELL


def _known(table: Mapping[str, T], word: str) -> T:
    try:
        return table[word]
    except KeyError:
        raise VenueProtocolError("binance", f"the unknown word {word}".encode()) from None
