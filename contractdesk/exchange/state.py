"""The whole truth of an exchange as plain JSON: what tests compare a desk with."""

from __future__ import annotations

from typing import Any

import msgspec

from contractdesk.exchange import margin
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.algos import Algos
from contractdesk.exchange.floor import Floor


def picture(floor: Floor, algos: Algos) -> dict[str, Any]:
    """Shape: ``{now_ns, marks: {symbol: row}, accounts: {name: {...}}}``; decimals are strings.

    An account has ``balances`` and ``positions`` (rows of AccountState), ``open_orders``,
    ``orders`` (all kept, with created_ns, updated_ns, closed_ns), ``algo_orders`` (likewise: when
    each stop was live, and by ``amendments`` under which terms), ``fills``, ``ledger`` and
    ``realized`` by symbol.
    """
    return {
        "now_ns": floor.now_ns,
        "marks": {symbol: msgspec.to_builtins(mark) for symbol, mark in floor.marks.items()},
        "accounts": {name: _account(floor, algos, account) for name, account in floor.accounts.items()},
    }


def _account(floor: Floor, algos: Algos, account: Account) -> dict[str, Any]:
    state = margin.state(floor, account)
    orders = list(floor.orders.of(account.name))
    rows: dict[str, Any] = {
        "position_mode": state.position_mode,
        "balances": {
            balance.asset: {**msgspec.to_builtins(balance), "margin_balance": str(balance.margin_balance)}
            for balance in state.balances
        },
        "positions": {row.symbol: row for row in state.positions},
        "open_orders": [order for order in orders if order.status.open],
        "orders": orders,
        "open_algo_orders": algos.open_of(account.name),
        "algo_orders": algos.of(account.name),
        "fills": list(account.fills),
        "ledger": list(account.ledger),
    }
    plain: dict[str, Any] = msgspec.to_builtins(rows)
    return plain
