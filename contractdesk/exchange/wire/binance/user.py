"""Account events as the user data stream shows them.

https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams
https://developers.binance.com/docs/derivatives/coin-margined-futures/user-data-streams
"""

from __future__ import annotations

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.model import (
    AccountChanged,
    AlgoChanged,
    AlgoOrder,
    AlgoStatus,
    Balance,
    ConfigChanged,
    ExecutionKind,
    Fill,
    MarginCall,
    MarginMode,
    OrderChanged,
    Position,
    PositionMode,
)
from contractdesk.exchange.wire.binance.orders import original_type
from contractdesk.exchange.wire.binance.product import COINM, product_of
from contractdesk.exchange.wire.binance.text import Face, Json, average, money, plain, price, size


def order_frame(event: OrderChanged, terms: Instrument, face: Face) -> Json:
    """ORDER_TRADE_UPDATE."""
    order = event.order
    detail: Json = {
        "s": order.symbol,
        "c": order.client_id,
        "S": order.side.value,
        "o": order.type.value,
        "f": order.time_in_force.value,
        "q": size(terms, order.quantity),
        "p": price(terms, order.price),
        "ap": average(order.average_price),
        "sp": price(terms, order.trigger_price),
        "x": event.kind.value,
        "X": order.status.value,
        "i": order.order_id,
        "z": size(terms, order.executed),
        **_fill(event.fill, terms),
        "T": face.ms(order.updated_ns),
        "b": "0",
        "a": "0",
        "R": order.reduce_only,
        "wt": order.working_type.value,
        "ot": original_type(order),
        "ps": order.position_side.value,
        "cp": order.close_position,
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
    if product_of(terms) is COINM:
        detail["ma"] = terms.settle  # the margin asset
    if event.kind is ExecutionKind.AMENDMENT:
        detail["M"] = order.amendments
    return _frame("ORDER_TRADE_UPDATE", event.ts_ns, face, {"o": detail})


def _fill(fill: Fill | None, terms: Instrument) -> Json:
    if fill is None:
        return {"l": "0", "L": "0", "n": "0", "N": terms.settle, "t": 0, "m": False, "rp": "0"}
    return {
        "l": size(terms, fill.quantity),
        "L": price(terms, fill.price),
        "n": money(fill.commission),
        "N": fill.commission_asset,
        "t": fill.trade_id,
        "m": fill.maker,
        "rp": money(fill.realized_pnl),
    }


def trade_lite(event: OrderChanged, fill: Fill, terms: Instrument, face: Face) -> Json:
    """TRADE_LITE: the fast copy of a fill, without fee and status; not sent for liquidations."""
    return _frame(
        "TRADE_LITE",
        event.ts_ns,
        face,
        {
            "s": fill.symbol,
            "q": size(terms, event.order.quantity),
            "p": price(terms, event.order.price),
            "m": fill.maker,
            "c": fill.client_id,
            "S": fill.side.value,
            "L": price(terms, fill.price),
            "l": size(terms, fill.quantity),
            "t": fill.trade_id,
            "i": fill.order_id,
        },
    )


def account_frame(event: AccountChanged, face: Face) -> Json:
    """ACCOUNT_UPDATE."""
    account: Json = {
        "m": event.reason.value,
        "B": [_balance(balance, event) for balance in event.balances],
        "P": [_position(position) for position in event.positions],
    }
    return _frame("ACCOUNT_UPDATE", event.ts_ns, face, {"a": account})


def _balance(balance: Balance, event: AccountChanged) -> Json:
    return {
        "a": balance.asset,
        "wb": money(balance.wallet),
        "cw": money(balance.wallet),
        "bc": plain(event.change),
    }


def _position(position: Position) -> Json:
    return {
        "s": position.symbol,
        "pa": plain(position.size),
        "ep": average(position.entry_price),
        "bep": average(position.break_even_price),
        "cr": money(position.realized),
        "up": money(position.unrealized),
        "mt": position.margin_mode.value,
        "iw": "0",
        "ps": "BOTH",
    }


def algo_frame(event: AlgoChanged, terms: Instrument, face: Face) -> Json:
    """ALGO_UPDATE."""
    algo = event.algo
    became = algo.order_id != 0
    detail: Json = {
        "caid": algo.client_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type.value,
        "s": algo.symbol,
        "S": algo.side.value,
        "ps": algo.position_side.value,
        "f": algo.time_in_force.value,
        "q": size(terms, algo.quantity),
        "X": algo.status.value,
        "ai": str(algo.order_id) if became else "",
        **_became(algo, terms),
        "tp": price(terms, algo.trigger_price),
        "p": price(terms, algo.price),
        "V": "EXPIRE_MAKER",
        "wt": algo.working_type.value,
        "pm": "NONE",
        "cp": algo.close_position,
        "pP": False,
        "R": algo.reduce_only,
        "tt": face.ms(algo.triggered_ns),
        "gtd": 0,
        "rm": algo.reason,
        "ia": algo.activated,
    }
    return _frame("ALGO_UPDATE", event.ts_ns, face, {"o": detail})


def _became(algo: AlgoOrder, terms: Instrument) -> Json:
    if algo.status not in (AlgoStatus.TRIGGERED, AlgoStatus.FINISHED):
        return {}
    return {
        "ap": average(algo.average_price),
        "aq": size(terms, algo.executed),
        "act": "LIMIT" if algo.type.priced else "MARKET",
    }


def config_frame(event: ConfigChanged, face: Face) -> Json:
    """ACCOUNT_CONFIG_UPDATE: a leverage, or the account-wide mode."""
    config = event.config
    body: Json
    if config.symbol:
        body = {"ac": {"s": config.symbol, "l": config.leverage}}
    else:
        body = {"ai": {"j": False, "d": config.position_mode is PositionMode.HEDGE}}
    return _frame("ACCOUNT_CONFIG_UPDATE", event.ts_ns, face, body)


def margin_call_frame(event: MarginCall, face: Face) -> Json:
    """MARGIN_CALL."""
    positions = [_called(position) for position in event.positions]
    return _frame("MARGIN_CALL", event.ts_ns, face, {"cw": money(event.wallet), "p": positions})


def _called(position: Position) -> Json:
    return {
        "s": position.symbol,
        "ps": "BOTH",
        "pa": plain(position.size),
        "mt": "CROSSED" if position.margin_mode is MarginMode.CROSS else "ISOLATED",
        "iw": "0",
        "mp": money(position.mark_price),
        "up": money(position.unrealized),
        "mm": money(position.maintenance_margin),
    }


def expired_frame(listen_key: str, ts_ns: int, face: Face) -> Json:
    """listenKeyExpired."""
    return _frame("listenKeyExpired", ts_ns, face, {"listenKey": listen_key})


def _frame(name: str, ts_ns: int, face: Face, body: Json) -> Json:
    stamp = face.ms(ts_ns)
    return {"e": name, "T": stamp, "E": stamp, **body}
