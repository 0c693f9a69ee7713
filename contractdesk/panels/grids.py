"""The tables of a snapshot: positions, orders, fills, refusals, strategies, notices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
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


def positions(snapshot: DeskSnapshot, _zone: tzinfo = UTC) -> Grid:
    columns = (
        *text_columns("Symbol"),
        *number_columns("Size", "Entry", "Mark", "Notional", "uPnL", "Realised", "Fees", "Funding"),
        *number_columns("Stop", "Guarded", "Liquidation"),
        *text_columns("By"),
    )
    rows = [_position(row, snapshot) for row in snapshot.positions]
    return grid_of("positions", "Positions", columns, rows, "no position")


def _position(row: PositionRow, snapshot: DeskSnapshot) -> tuple[Cell, ...]:
    terms, places = terms_of(snapshot, row.symbol), formats.cash_places(snapshot.asset)
    stop = price_cell(terms, row.stop_price)
    if row.stop_price is None and row.size and gist.ours(row):
        stop = Cell("none", Tone.ALARM)
    return (
        Cell(row.symbol),
        Cell(formats.signed_size(terms, row.size) if terms else str(row.size), _direction(row.size)),
        price_cell(terms, row.entry_price if row.size else None),
        price_cell(terms, row.mark),
        Cell(formats.fixed(row.notional, places)),
        amount_cell(row.unrealized_pnl, places),
        amount_cell(row.realized_pnl, places),
        Cell(formats.fixed(row.fees, places + 2)),
        amount_cell(row.funding, places + 2),
        stop,
        _guarded(row),
        price_cell(terms, row.liquidation_price),
        Cell(row.strategy_id or row.origin, Tone.MUTED),
    )


def _guarded(row: PositionRow) -> Cell:
    if not row.size or not gist.ours(row):
        return Cell(formats.NONE, Tone.MUTED)
    share = row.guarded / abs(row.size)
    return Cell(formats.percent(min(share, Decimal(1)), 0), Tone.PLAIN if share >= 1 else Tone.ALARM)


def orders(snapshot: DeskSnapshot, zone: tzinfo = UTC) -> Grid:
    columns = (
        *text_columns(time_title(snapshot, zone), "Symbol", "Side", "Role", "Type"),
        *number_columns("Price", "Trigger", "Size", "Filled"),
        *text_columns("Status", "Id"),
        Column("Reason", wide=True),
    )
    ranked = sorted(snapshot.orders, key=lambda order: (not order.status.open, -order.created_ns))
    rows = [_order(order, snapshot, zone) for order in ranked]
    return grid_of("orders", "Orders", columns, rows, "no order yet")


def _order(order: Order, snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Cell, ...]:
    request, terms = order.request, terms_of(snapshot, order.request.symbol)
    default = Tone.PLAIN if order.status.open else Tone.MUTED
    return (
        Cell(formats.moment(order.created_ns, snapshot.ts_ns, zone)),
        Cell(request.symbol),
        _side(request.side),
        Cell(request.role.name.lower().replace("_", " ")),
        Cell(request.type.value.replace("_", " ")),
        price_cell(terms, request.price),
        price_cell(terms, request.trigger_price),
        _size(terms, request.size),
        _size(terms, order.filled),
        Cell(order.status.value.replace("_", " "), _STATUS_TONE.get(order.status, default)),
        Cell(request.client_id, Tone.MUTED),
        Cell(order.reason),
    )


def fills(snapshot: DeskSnapshot, zone: tzinfo = UTC) -> Grid:
    columns = (
        *text_columns(time_title(snapshot, zone), "Symbol", "Side"),
        *number_columns("Size", "Price", "Fee"),
        *text_columns("Liquidity", "Order"),
    )
    latest = sorted(snapshot.fills, key=lambda fill: -fill.ts_ns)
    rows = [_fill(fill, snapshot, zone) for fill in latest]
    return grid_of("fills", "Fills", columns, rows, "no fill yet")


def _fill(fill: Fill, snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Cell, ...]:
    terms = terms_of(snapshot, fill.symbol)
    return (
        Cell(formats.moment(fill.ts_ns, snapshot.ts_ns, zone, millis=True)),
        Cell(fill.symbol),
        _side(Side.BUY if fill.signed_size > 0 else Side.SELL),
        _size(terms, fill.size),
        price_cell(terms, fill.price),
        Cell(f"{formats.fixed(fill.fee, formats.cash_places(fill.fee_asset) + 2)} {fill.fee_asset}"),
        Cell(fill.liquidity.value),
        Cell(fill.client_id, Tone.MUTED),
    )


def refusals(snapshot: DeskSnapshot, zone: tzinfo = UTC) -> Grid:
    columns = (
        *text_columns(time_title(snapshot, zone), "Symbol", "Rule", "Found", "Limit"),
        Column("Would pass", wide=True),
        *text_columns("Strategy"),
    )
    latest = sorted(snapshot.refusals, key=lambda refused: -refused.ts_ns)
    rows = [_refusal(row, snapshot, zone) for row in latest]
    return grid_of("refusals", "Refusals", columns, rows, "nothing was refused")


def _refusal(row: Refused, snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Cell, ...]:
    return (
        Cell(formats.moment(row.ts_ns, snapshot.ts_ns, zone)),
        Cell(row.symbol),
        Cell(row.rule, Tone.WARN),
        Cell(row.found),
        Cell(row.limit),
        Cell(row.would_pass),
        Cell(row.strategy_id or "by hand", Tone.MUTED),
    )


def strategies(snapshot: DeskSnapshot, _zone: tzinfo = UTC) -> Grid:
    columns = (
        *text_columns("Strategy", "Class", "Status", "Symbols", "Bars"),
        Column("Parameters", wide=True),
        *number_columns("Realised", "Fills"),
    )
    rows = [_strategy(row, formats.cash_places(snapshot.asset)) for row in snapshot.strategies]
    return grid_of("strategies", "Strategies", columns, rows, "no strategy runs")


def _strategy(row: StrategyRow, places: int) -> tuple[Cell, ...]:
    disabled = row.status.startswith("disabled")
    return (
        Cell(row.strategy_id),
        Cell(row.class_name),
        Cell(row.status, Tone.ALARM if disabled else Tone.PLAIN),
        Cell(", ".join(row.symbols)),
        Cell(row.timeframe),
        Cell(_params(row.params)),
        amount_cell(row.realized_pnl, places),
        Cell(str(row.fills)),
    )


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def notices(snapshot: DeskSnapshot, zone: tzinfo = UTC) -> Grid:
    columns = (
        Column(time_title(snapshot, zone)),
        Column("Level"),
        Column("Code"),
        Column("Message", wide=True),
        Column("Symbol"),
    )
    latest = sorted(snapshot.notices, key=lambda notice: -notice.ts_ns)
    rows = [_notice(notice, snapshot, zone) for notice in latest]
    return grid_of("log", "Log", columns, rows, "nothing to tell")


def _notice(notice: Notice, snapshot: DeskSnapshot, zone: tzinfo) -> tuple[Cell, ...]:
    tone = _SEVERITY_TONE[notice.severity]
    return (
        Cell(formats.moment(notice.ts_ns, snapshot.ts_ns, zone, millis=True), Tone.MUTED),
        Cell(notice.severity.value, tone),
        Cell(notice.code, tone),
        Cell(notice.message, Tone.PLAIN if notice.severity is Severity.INFO else tone),
        Cell(notice.symbol),
    )


# -- shared ------------------------------------------------------------------------------------


def grid_of(
    name: str, title: str, columns: tuple[Column, ...], rows: list[tuple[Cell, ...]], empty: str
) -> Grid:
    """A grid of the first ``MAX_ROWS`` rows, which counts all of them."""
    shown = tuple(rows[:MAX_ROWS])
    return Grid(name=name, title=title, columns=columns, rows=shown, total=len(rows), empty=empty)


def time_title(snapshot: DeskSnapshot, zone: tzinfo) -> str:
    """``Time UTC``: the heading says once which clock a column is of."""
    return f"Time {formats.suffix(snapshot.ts_ns, zone)}"


def text_columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title) for title in titles)


def number_columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, numeric=True) for title in titles)


def terms_of(snapshot: DeskSnapshot, symbol: str) -> Instrument | None:
    view = snapshot.symbols.get(symbol)
    return view.instrument if view else None


def price_cell(terms: Instrument | None, value: Decimal | None) -> Cell:
    if value is None:
        return Cell(formats.NONE, Tone.MUTED)
    return Cell(formats.price(terms, value) if terms else str(value))


def _size(terms: Instrument | None, value: Decimal) -> Cell:
    return Cell(formats.size(terms, value) if terms else str(value))


def amount_cell(value: Decimal, places: int) -> Cell:
    tone = Tone.GAIN if value > 0 else Tone.LOSS if value < 0 else Tone.MUTED
    return Cell(formats.signed(value, places), tone)


def _side(side: Side) -> Cell:
    return Cell(side.value, Tone.BUY if side is Side.BUY else Tone.SELL)


def _direction(size: Decimal) -> Tone:
    return Tone.BUY if size > 0 else Tone.SELL if size < 0 else Tone.MUTED
