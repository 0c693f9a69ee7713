"""The tables of a desk, each made from the snapshot that is current when it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from contractdesk.clock import NS_PER_S
from contractdesk.console.tables import Table, shown
from contractdesk.desk.records import Booking, Records
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import UserError
from contractdesk.strategy.funding import ledger

if TYPE_CHECKING:
    import pandas as pd

_POSITION = (
    "symbol", "size", "entry_price", "mark", "notional", "unrealized_pnl", "realized_pnl", "fees", "funding",
    "stop_price", "trail_timeframe", "guarded", "liquidation_price", "strategy_id", "origin", "opened_time",
)  # fmt: skip
_ORDER = (
    "symbol", "side", "type", "role", "size", "price", "trigger_price", "filled", "status", "strategy_id",
    "client_id", "venue_id", "reason", "created_time", "updated_time",
)  # fmt: skip
_FILL = (
    "symbol", "side", "size", "price", "fee", "fee_asset", "liquidity", "strategy_id", "client_id",
    "trade_id", "venue_time",
)  # fmt: skip
_FUNDING = (
    "symbol", "size", "rate", "interval_hours", "next_time", "predicted", "accrued", "break_even_hours",
    "settled_8h", "limit_8h",
)  # fmt: skip
_REFUSAL = ("rule", "symbol", "found", "limit", "would_pass", "strategy_id", "intent_id", "refused_time")
_KEYS: dict[str, Callable[[Booking], str]] = {
    "strategy": lambda booking: booking.strategy_id or "by hand",
    "symbol": lambda booking: booking.symbol,
    "day": lambda booking: f"{datetime.fromtimestamp(booking.venue_ns // NS_PER_S, UTC):%Y-%m-%d}",
}


def positions(snapshot: DeskSnapshot, tz: str) -> Table:
    """Open and closed positions; size in contracts, + long, amounts in the settle currency."""
    rows = [
        [getattr(row, "opened_ns" if c == "opened_time" else c) for c in _POSITION]
        for row in snapshot.positions
    ]
    return Table("positions", _POSITION, rows, tz)


def orders(snapshot: DeskSnapshot, tz: str) -> Table:
    """Open orders first, then the last closed ones."""
    rows = [
        (
            o.request.symbol, o.request.side.value, o.request.type.value, o.request.role.name.lower(),
            o.request.size, o.request.price, o.request.trigger_price, o.filled, o.status.value,
            o.request.strategy_id, o.request.client_id, o.venue_id, o.reason, o.created_ns, o.updated_ns,
        )
        for o in snapshot.orders
    ]  # fmt: skip
    return Table("orders", _ORDER, rows, tz)


def fills(records: Records, tz: str) -> Table:
    """Executions of our orders, oldest first."""
    rows = [
        (
            f.symbol, "buy" if f.signed_size > 0 else "sell", f.size, f.price, f.fee, f.fee_asset,
            f.liquidity.value, f.strategy_id, f.client_id, f.trade_id, f.venue_ns,
        )
        for f in list(records.fills)
    ]  # fmt: skip
    return Table("fills", _FILL, rows, tz)


def refusals(snapshot: DeskSnapshot, tz: str) -> Table:
    """Intents that the gate refused: the rule, what it found, its limit, what would pass."""
    rows = [
        (r.rule, r.symbol, r.found, r.limit, r.would_pass, r.strategy_id or "by hand", r.intent_id, r.ts_ns)
        for r in snapshot.refusals
    ]
    return Table("refusals", _REFUSAL, rows, tz)


def strategies(snapshot: DeskSnapshot, tz: str) -> Table:
    """What runs, or ran, with its parameters in force."""
    columns = (
        "strategy_id",
        "class_name",
        "status",
        "symbols",
        "timeframe",
        "params",
        "realized_pnl",
        "fills",
    )
    rows = [
        (s.strategy_id, s.class_name, s.status, ", ".join(s.symbols), s.timeframe,
         ", ".join(f"{k}={v}" for k, v in s.params.items()), s.realized_pnl, s.fills)
        for s in snapshot.strategies
    ]  # fmt: skip
    return Table("strategies", columns, rows, tz)


def risk_rows(snapshot: DeskSnapshot) -> list[tuple[Any, ...]]:
    return [(f.rule, f.passed, f.found, f.limit, f.left, f.then, f.would_pass) for f in snapshot.risk]


RISK_COLUMNS = ("rule", "passed", "found", "limit", "left", "then", "would_pass")


class Funding:
    """``.ledger``: what it does to each position; ``.payments``: ours; ``.rates``: the settlements."""

    def __init__(self, records: Records, snapshot: DeskSnapshot, tz: str) -> None:
        self._records = records
        self._snapshot = snapshot
        self._tz = tz

    @property
    def ledger(self) -> Table:
        """A watched symbol a row: size in contracts, amounts in the settle currency, + received.

        ``predicted`` is the payment of the next settlement at the current mark, ``accrued`` what was booked
        since the position was opened; after ``break_even_hours`` at the predicted rate funding has cost the
        unrealized profit. ``settled_8h`` is what the funding gate holds against its limit.
        """
        rows = [
            [getattr(row, "next_ns" if c == "next_time" else c) for c in _FUNDING]
            for row in ledger(self._snapshot)
        ]
        return Table("funding ledger", _FUNDING, rows, self._tz, empty="no symbol is watched")

    @property
    def payments(self) -> Table:
        """Funding we received (+) or paid (-), settle currency."""
        rows = [(p.symbol, p.amount, p.payment_id, p.venue_ns) for p in list(self._records.payments)]
        return Table("funding payments", ("symbol", "amount", "payment_id", "venue_time"), rows, self._tz)

    @property
    def rates(self) -> Table:
        """Public settlements: the rate applied at each time."""
        rows = [(r.symbol, r.rate, r.funding_ns) for r in list(self._records.rates)]
        return Table("funding rates", ("symbol", "rate", "funding_time"), rows, self._tz)

    def __repr__(self) -> str:
        return f"{self.ledger!r}\n{self.payments!r}\n{self.rates!r}"

    def _repr_html_(self) -> str:
        return self.ledger._repr_html_() + self.payments._repr_html_() + self.rates._repr_html_()


class Pnl:
    """Realized profit, fees and funding by any of strategy, symbol and day (UTC)."""

    def __init__(self, records: Records, snapshot: DeskSnapshot) -> None:
        self._bookings = list(records.bookings)
        self._snapshot = snapshot

    def by(self, *keys: str) -> Table:
        """One row a group: realized PnL, fees (+ paid), funding (+ received), net; settle currency."""
        return self._table(keys or ("strategy", "symbol"))

    def df(self, by: Sequence[str] = ("strategy", "symbol")) -> pd.DataFrame:
        """``by(...)`` as pandas; keys are "strategy", "symbol" and "day"."""
        return self._table(tuple(by)).df

    @property
    def realized(self) -> Decimal:
        """Of all fills of this desk, fees and funding not included."""
        return sum((b.realized_pnl for b in self._bookings), Decimal(0))

    @property
    def fees(self) -> Decimal:
        return sum((b.fee for b in self._bookings), Decimal(0))

    @property
    def funding(self) -> Decimal:
        return sum((b.funding for b in self._bookings), Decimal(0))

    def _table(self, keys: tuple[str, ...]) -> Table:
        unknown = [key for key in keys if key not in _KEYS]
        if unknown or not keys:
            raise UserError(f"by={list(keys)!r}: group by one or more of {', '.join(_KEYS)}")
        groups: defaultdict[tuple[str, ...], list[Booking]] = defaultdict(list)
        for booking in self._bookings:
            groups[tuple(_KEYS[key](booking) for key in keys)].append(booking)
        rows = [(*group, *_sums(bookings)) for group, bookings in sorted(groups.items())]
        return Table("pnl", (*keys, "realized_pnl", "fees", "funding", "net", "bookings"), rows)

    def __repr__(self) -> str:
        unrealized = self._snapshot.unrealized_pnl
        return f"{self.by('strategy', 'symbol')!r}\nunrealized: {shown(unrealized)}"

    def _repr_html_(self) -> str:
        unrealized = shown(self._snapshot.unrealized_pnl)
        return f"{self.by('strategy', 'symbol')._repr_html_()}<p>unrealized: {unrealized}</p>"


def _sums(bookings: Sequence[Booking]) -> tuple[Decimal, Decimal, Decimal, Decimal, int]:
    zero = Decimal(0)
    return (
        sum((b.realized_pnl for b in bookings), zero),
        sum((b.fee for b in bookings), zero),
        sum((b.funding for b in bookings), zero),
        sum((b.net for b in bookings), zero),
        len(bookings),
    )
