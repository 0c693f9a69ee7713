"""The desk's books beside the exchange's own: do they agree, and was every contract under a stop?

Pure: it takes one account of the loopback exchange's ``/control/state`` (the witness, plain JSON with
decimals as strings) and a ``DeskSnapshot``. The desk's log has no say in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from contractdesk.domain.instrument import ZERO
from contractdesk.domain.views import DeskSnapshot, PositionRow

Row = Mapping[str, Any]
WHOLE = Decimal(10) ** 12  # what a closePosition stop covers: more than any position


class Agreement(Struct, frozen=True, kw_only=True):
    """One figure, as either side has it."""

    what: str
    symbol: str
    desk: Decimal
    exchange: Decimal

    @property
    def equal(self) -> bool:
        """To the last digit."""
        return self.desk == self.exchange


class Coverage(Struct, frozen=True, kw_only=True):
    """How one symbol's position stood under stops, from the exchange's own history."""

    symbol: str
    round_trips: int  # times the position came back to zero
    stops: int  # protective conditional orders that were live at some time
    longest_naked_s: float  # longest time in which any contract had no stop
    partly_filled: int  # orders that took more than one fill
    funded: int  # settlements that found a position open


class _Step(Struct, frozen=True, order=True):
    """A change of the position or of the stops at one moment; what covers sorts first."""

    ns: int
    order: int
    size: Decimal = ZERO  # signed contracts bought or sold
    sells: Decimal = ZERO  # change of live protective selling
    buys: Decimal = ZERO  # change of live protective buying


def agreements(account: Row, snapshot: DeskSnapshot) -> tuple[Agreement, ...]:
    """Position, realized PnL, fees and funding of each symbol that either side knows, and the wallet."""
    ours = {row.symbol: row for row in snapshot.positions if row.origin == "own"}
    names = {item.instrument.venue_symbol: symbol for symbol, item in snapshot.symbols.items()}
    traded = {fill["symbol"] for fill in account["fills"]}
    found = [_symbol_agreements(account, name, names.get(name, name), ours) for name in sorted(traded)]
    wallet = Agreement(
        what="wallet balance",
        symbol="",
        desk=snapshot.wallet_balance,
        exchange=Decimal(account["balances"][snapshot.asset]["wallet"]),
    )
    return (*(row for rows in found for row in rows), wallet)


def coverages(account: Row, now_ns: int) -> tuple[Coverage, ...]:
    """One row for each symbol that was traded, up to ``now_ns`` of the exchange."""
    traded = sorted({fill["symbol"] for fill in account["fills"]})
    return tuple(_coverage(account, symbol, now_ns) for symbol in traded)


def _symbol_agreements(
    account: Row, name: str, symbol: str, ours: Mapping[str, PositionRow]
) -> Sequence[Agreement]:
    row = ours.get(symbol)
    truth = {
        "position": Decimal(account["positions"][name]["size"]) if name in account["positions"] else ZERO,
        "realized PnL": _booked(account, name, "REALIZED_PNL"),
        "fees": -_booked(account, name, "COMMISSION"),
        "funding": _booked(account, name, "FUNDING_FEE"),
    }
    desk = {
        "position": row.size if row else ZERO,
        "realized PnL": row.realized_pnl if row else ZERO,
        "fees": row.fees if row else ZERO,
        "funding": row.funding if row else ZERO,
    }
    return [Agreement(what=what, symbol=symbol, desk=desk[what], exchange=truth[what]) for what in truth]


def _booked(account: Row, symbol: str, kind: str) -> Decimal:
    entries = (e for e in account["ledger"] if e["symbol"] == symbol and e["kind"] == kind)
    return sum((Decimal(entry["amount"]) for entry in entries), ZERO)


def _coverage(account: Row, symbol: str, now_ns: int) -> Coverage:
    fills = [fill for fill in account["fills"] if fill["symbol"] == symbol]
    stops = [order for order in account["algo_orders"] if order["symbol"] == symbol and _protects(order)]
    steps = sorted((*_fill_steps(fills), *_stop_steps(stops)))
    orders = [fill["order_id"] for fill in fills]
    return Coverage(
        symbol=symbol,
        round_trips=_returns_to_zero(fills),
        stops=len(stops),
        longest_naked_s=_longest_naked_ns(steps, now_ns) / 1e9,
        partly_filled=sum(1 for order in set(orders) if orders.count(order) > 1),
        funded=sum(1 for e in account["ledger"] if e["symbol"] == symbol and e["kind"] == "FUNDING_FEE"),
    )


def _protects(order: Row) -> bool:
    return "STOP" in order["type"] and (order["reduce_only"] or order["close_position"])


def _fill_steps(fills: Iterable[Row]) -> Iterable[_Step]:
    for fill in fills:
        sign = 1 if fill["side"] == "BUY" else -1
        yield _Step(ns=fill["ts_ns"], order=1, size=sign * Decimal(fill["quantity"]))


def _stop_steps(stops: Iterable[Row]) -> Iterable[_Step]:
    for stop in stops:
        covers = WHOLE if stop["close_position"] else Decimal(stop["quantity"])
        sells, buys = (covers, ZERO) if stop["side"] == "SELL" else (ZERO, covers)
        yield _Step(ns=stop["created_ns"], order=0, sells=sells, buys=buys)
        if stop["closed_ns"]:
            yield _Step(ns=stop["closed_ns"], order=2, sells=-sells, buys=-buys)


def _longest_naked_ns(steps: Sequence[_Step], now_ns: int) -> int:
    size, sells, buys = ZERO, ZERO, ZERO
    longest, since = 0, 0
    for step in steps:
        size, sells, buys = size + step.size, sells + step.sells, buys + step.buys
        naked = size > sells if size > 0 else -size > buys
        if naked and not since:
            since = step.ns
        elif not naked and since:
            longest, since = max(longest, step.ns - since), 0
    return max(longest, now_ns - since) if since else longest


def _returns_to_zero(fills: Iterable[Row]) -> int:
    size, times = ZERO, 0
    for fill in fills:
        before = size
        size += Decimal(fill["quantity"]) if fill["side"] == "BUY" else -Decimal(fill["quantity"])
        times += before != 0 and (size == 0 or (size > 0) != (before > 0))
    return times
