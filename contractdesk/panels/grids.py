"""The tables of a snapshot: positions, orders, fills, refusals, strategies, notices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from contractdesk.domain.commands import Severity
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.intents import Refused
from contractdesk.domain.orders import Order, OrderStatus, Side
from contractdesk.domain.views import DeskSnapshot, Notice, PositionRow, StrategyRow
from contractdesk.panels import formats, gist
from contractdesk.panels.grid import Cell, Column, Grid, Tone

MAX_ROWS: Final = 40

_SEVERITY_TONE: Final = {Severity.INFO: Tone.MUTED, Severity.WARNING: Tone.WARN, Severity.ALARM: Tone.ALARM}
_STATUS_TONE: Final = {
    OrderStatus.UNKNOWN: Tone.ALARM,
    OrderStatus.REJECTED: Tone.WARN,
    OrderStatus.CANCELLED: Tone.MUTED,
    OrderStatus.EXPIRED: Tone.MUTED,
}


def positions(snapshot: DeskSnapshot) -> Grid:
    columns = (
        *_text("Symbol"),
        *_numbers("Size", "Entry", "Mark", "Notional", "uPnL", "Realised", "Fees", "Funding"),
        *_numbers("Stop", "Guarded", "Liquidation"),
        *_text("By"),
    )
    return _grid(
        "positions",
        "Positions",
        columns,
        [_position(row, snapshot) for row in snapshot.positions],
        "no position",
    )


def _position(row: PositionRow, snapshot: DeskSnapshot) -> tuple[Cell, ...]:
    terms, places = _terms(snapshot, row.symbol), formats.cash_places(snapshot.asset)
    stop = _price(terms, row.stop_price)
    if row.stop_price is None and row.size and gist.ours(row):
        stop = Cell("none", Tone.ALARM)
    return (
        Cell(row.symbol),
        Cell(formats.signed_size(terms, row.size) if terms else str(row.size), _direction(row.size)),
        _price(terms, row.entry_price if row.size else None),
        _price(terms, row.mark),
        Cell(formats.fixed(row.notional, places)),
        _amount(row.unrealized_pnl, places),
        _amount(row.realized_pnl, places),
        Cell(formats.fixed(row.fees, places + 2)),
        _amount(row.funding, places + 2),
        stop,
        _guarded(row),
        _price(terms, row.liquidation_price),
        Cell(row.strategy_id or row.origin, Tone.MUTED),
    )


def _guarded(row: PositionRow) -> Cell:
    if not row.size or not gist.ours(row):
        return Cell(formats.NONE, Tone.MUTED)
    share = row.guarded / abs(row.size)
    return Cell(formats.percent(min(share, Decimal(1)), 0), Tone.PLAIN if share >= 1 else Tone.ALARM)


def orders(snapshot: DeskSnapshot) -> Grid:
    columns = (
        *_text("Time", "Symbol", "Side", "Role", "Type"),
        *_numbers("Price", "Trigger", "Size", "Filled"),
        *_text("Status", "Id"),
        Column("Reason", wide=True),
    )
    ranked = sorted(snapshot.orders, key=lambda order: (not order.status.open, -order.created_ns))
    return _grid("orders", "Orders", columns, [_order(order, snapshot) for order in ranked], "no order yet")


def _order(order: Order, snapshot: DeskSnapshot) -> tuple[Cell, ...]:
    request, terms = order.request, _terms(snapshot, order.request.symbol)
    default = Tone.PLAIN if order.status.open else Tone.MUTED
    return (
        Cell(formats.utc_time(order.created_ns)),
        Cell(request.symbol),
        _side(request.side),
        Cell(request.role.name.lower().replace("_", " ")),
        Cell(request.type.value.replace("_", " ")),
        _price(terms, request.price),
        _price(terms, request.trigger_price),
        _size(terms, request.size),
        _size(terms, order.filled),
        Cell(order.status.value.replace("_", " "), _STATUS_TONE.get(order.status, default)),
        Cell(request.client_id, Tone.MUTED),
        Cell(order.reason),
    )


def fills(snapshot: DeskSnapshot) -> Grid:
    columns = (
        *_text("Time", "Symbol", "Side"),
        *_numbers("Size", "Price", "Fee"),
        *_text("Liquidity", "Order"),
    )
    latest = sorted(snapshot.fills, key=lambda fill: -fill.ts_ns)
    return _grid("fills", "Fills", columns, [_fill(fill, snapshot) for fill in latest], "no fill yet")


def _fill(fill: Fill, snapshot: DeskSnapshot) -> tuple[Cell, ...]:
    terms = _terms(snapshot, fill.symbol)
    return (
        Cell(formats.utc_time(fill.ts_ns, millis=True)),
        Cell(fill.symbol),
        _side(Side.BUY if fill.signed_size > 0 else Side.SELL),
        _size(terms, fill.size),
        _price(terms, fill.price),
        Cell(f"{formats.fixed(fill.fee, formats.cash_places(fill.fee_asset) + 2)} {fill.fee_asset}"),
        Cell(fill.liquidity.value),
        Cell(fill.client_id, Tone.MUTED),
    )


def refusals(snapshot: DeskSnapshot) -> Grid:
    columns = (
        *_text("Time", "Symbol", "Rule", "Found", "Limit"),
        Column("Would pass", wide=True),
        *_text("Strategy"),
    )
    latest = sorted(snapshot.refusals, key=lambda refused: -refused.ts_ns)
    return _grid("refusals", "Refusals", columns, [_refusal(row) for row in latest], "nothing was refused")


def _refusal(row: Refused) -> tuple[Cell, ...]:
    return (
        Cell(formats.utc_time(row.ts_ns)),
        Cell(row.symbol),
        Cell(row.rule, Tone.WARN),
        Cell(row.found),
        Cell(row.limit),
        Cell(row.would_pass),
        Cell(row.strategy_id or "by hand", Tone.MUTED),
    )


def strategies(snapshot: DeskSnapshot) -> Grid:
    columns = (
        *_text("Strategy", "Class", "Status", "Symbols", "Bars"),
        Column("Parameters", wide=True),
        *_numbers("Realised", "Fills"),
    )
    rows = [_strategy(row, formats.cash_places(snapshot.asset)) for row in snapshot.strategies]
    return _grid("strategies", "Strategies", columns, rows, "no strategy runs")


def _strategy(row: StrategyRow, places: int) -> tuple[Cell, ...]:
    disabled = row.status.startswith("disabled")
    return (
        Cell(row.strategy_id),
        Cell(row.class_name),
        Cell(row.status, Tone.ALARM if disabled else Tone.PLAIN),
        Cell(", ".join(row.symbols)),
        Cell(row.timeframe),
        Cell(_params(row.params)),
        _amount(row.realized_pnl, places),
        Cell(str(row.fills)),
    )


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def notices(snapshot: DeskSnapshot) -> Grid:
    columns = (
        Column("Time"),
        Column("Level"),
        Column("Code"),
        Column("Message", wide=True),
        Column("Symbol"),
    )
    latest = sorted(snapshot.notices, key=lambda notice: -notice.ts_ns)
    return _grid("log", "Log", columns, [_notice(notice) for notice in latest], "nothing to tell")


def _notice(notice: Notice) -> tuple[Cell, ...]:
    tone = _SEVERITY_TONE[notice.severity]
    return (
        Cell(formats.utc_time(notice.ts_ns, millis=True)),
        Cell(notice.severity.value, tone),
        Cell(notice.code),
        Cell(notice.message),
        Cell(notice.symbol),
    )


# -- shared ------------------------------------------------------------------------------------


def _grid(
    name: str, title: str, columns: tuple[Column, ...], rows: list[tuple[Cell, ...]], empty: str
) -> Grid:
    shown = tuple(rows[:MAX_ROWS])
    return Grid(name=name, title=title, columns=columns, rows=shown, total=len(rows), empty=empty)


def _text(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title) for title in titles)


def _numbers(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, numeric=True) for title in titles)


def _terms(snapshot: DeskSnapshot, symbol: str) -> Instrument | None:
    view = snapshot.symbols.get(symbol)
    return view.instrument if view else None


def _price(terms: Instrument | None, value: Decimal | None) -> Cell:
    if value is None:
        return Cell(formats.NONE, Tone.MUTED)
    return Cell(formats.price(terms, value) if terms else str(value))


def _size(terms: Instrument | None, value: Decimal) -> Cell:
    return Cell(formats.size(terms, value) if terms else str(value))


def _amount(value: Decimal, places: int) -> Cell:
    tone = Tone.GAIN if value > 0 else Tone.LOSS if value < 0 else Tone.MUTED
    return Cell(formats.signed(value, places), tone)


def _side(side: Side) -> Cell:
    return Cell(side.value, Tone.BUY if side is Side.BUY else Tone.SELL)


def _direction(size: Decimal) -> Tone:
    return Tone.BUY if size > 0 else Tone.SELL if size < 0 else Tone.MUTED
