"""The frozen picture that panels and tables show: built from the state, changing nothing in it."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.account import VenuePosition
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.market import timeframe_ns
from contractdesk.domain.orders import Order
from contractdesk.domain.views import (
    Candles,
    DeskSnapshot,
    Overlay,
    PositionRow,
    StrategyRow,
    SymbolSnapshot,
)
from contractdesk.engine.ledger import unrealized
from contractdesk.engine.protection import Protection
from contractdesk.engine.state import NS_PER_MS, Desk, Hosted, HostStatus, Market
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.market_rules import FUNDING_WINDOW_NS
from contractdesk.risk.trailing import TrailingStop
from contractdesk.strategy.bars import Tail
from contractdesk.strategy.indicators import Bollinger, Ema, Indicator, Sma

SHOWN_CLOSED = 50  # orders
SHOWN_FILLS = 200
SHOWN_BARS = 240


def snapshot_of(desk: Desk, protection: Protection, gate: RiskGate, depth: int) -> DeskSnapshot:
    """Everything the panels show, with ``depth`` levels a side of each book."""
    account, floating = desk.account, unrealized(desk)
    equity = desk.wallet_balance + floating
    margin = account.initial_margin if account else ZERO
    return DeskSnapshot(
        ts_ns=desk.now_ns,
        state=desk.state,
        state_reason=desk.state_reason,
        asset=desk.config.asset,
        wallet_balance=desk.wallet_balance,
        equity=equity,
        unrealized_pnl=floating,
        initial_margin=margin,
        available=account.available if account else ZERO,
        margin_ratio=margin / equity if account and equity > 0 else None,
        loop_lag_ms=desk.loop_lag_ms,
        clock_offset_ms=desk.clock_offset_ms,
        private_stream_ready=desk.private_stream_ready,
        naked_s=max((protection.naked_s(market) for market in desk.symbols.values()), default=0.0),
        protected_fraction=_protected(desk),
        symbols={symbol: _symbol(desk, market, depth) for symbol, market in desk.symbols.items()},
        positions=_positions(desk),
        orders=_orders(desk),
        fills=tuple(desk.fills[-SHOWN_FILLS:]),
        refusals=tuple(desk.refusals),
        strategies=tuple(_strategy(hosted) for hosted in desk.strategies.values()),
        risk=gate.gauges(desk),
        equity_curve=tuple(desk.equity_curve),
        funding_limit=desk.risk.funding_gate,
        notices=tuple(desk.notices),
        events_handled=desk.events_handled,
    )


def _symbol(desk: Desk, market: Market, depth: int) -> SymbolSnapshot:
    bids, asks = market.book.pack_top(depth)
    alive, settlements, now_ns = market.book_alive_ns, market.settlements, desk.venue_now_ns
    return SymbolSnapshot(
        instrument=market.instrument,
        bids=bids,
        asks=asks,
        book_valid=market.book.valid,
        ready=market.ready,
        not_ready_reason=market.not_ready_reason,
        watched=bool(market.watched),
        feed_age_ms=(desk.now_ns - alive) / NS_PER_MS if alive else float("inf"),
        last=market.last,
        mark=market.mark,
        index=market.index,
        funding_rate=market.funding_rate,
        next_funding_ns=market.next_funding_ns,
        funding_interval_ns=settlements.interval_ns(market.next_funding_ns),
        settled_rates=settlements.total(now_ns - FUNDING_WINDOW_NS, now_ns),
        candles=_candles(desk, market),
    )


def _candles(desk: Desk, market: Market) -> Candles | None:
    timeframe = _timeframe(desk, market)
    if timeframe is None:
        return None
    tail, builder = market.series[timeframe].tail(SHOWN_BARS), market.builders.get(timeframe)
    forming = builder.open_bar if builder else None
    return Candles(timeframe=timeframe, closed=tail.bars, forming=forming, overlays=_overlays(tail))


def _timeframe(desk: Desk, market: Market) -> str | None:
    """That of the symbol's strategy, a running one before one that ran; else the shortest with bars."""
    hosts = [host for host in desk.strategies.values() if market.instrument.symbol in host.symbols]
    ranked = sorted(hosts, key=lambda host: host.status is HostStatus.RUNNING, reverse=True)
    wanted = [host.timeframe for host in ranked] + sorted(market.series, key=timeframe_ns)
    return next((name for name in wanted if len(market.series.get(name, ()))), None)


def _overlays(tail: Tail) -> tuple[Overlay, ...]:
    """Those indicators that are prices, and so belong on the price chart."""
    return tuple(
        Overlay(_name(indicator), values)
        for indicator, values in tail.lines
        if isinstance(indicator, Sma | Ema | Bollinger) and values
    )


def _name(indicator: Indicator) -> str:
    """``EMA 12``, ``BOLLINGER 20 +2``."""
    offset = f" {indicator.offset:+g}" if isinstance(indicator, Bollinger) else ""
    return f"{type(indicator).__name__.upper()} {getattr(indicator, 'period', '')}{offset}"


def _positions(desk: Desk) -> tuple[PositionRow, ...]:
    """Ours, then what is external; a symbol can have both."""
    read = {position.symbol: position for position in desk.account.positions} if desk.account else {}
    rows = [
        _own_row(market, read.get(symbol), TrailingStop.of(desk.risk, market.trail).timeframe)
        for symbol, market in desk.symbols.items()
        if market.position.size or market.position.opened_ns
    ]
    for symbol, reported in read.items():
        market = desk.symbols.get(symbol)
        size = market.external_size if market else reported.size
        if size:
            rows.append(_external_row(reported, market, size))
    return tuple(rows)


def _own_row(market: Market, reported: VenuePosition | None, trail_bars: str) -> PositionRow:
    position, instrument, mark = market.position, market.instrument, market.mark
    return PositionRow(
        symbol=position.symbol,
        size=position.size,
        entry_price=position.entry_price(instrument),
        mark=mark,
        notional=instrument.notional(position.size, mark) if mark and position.size else ZERO,
        unrealized_pnl=position.unrealized_pnl(instrument, mark) if mark else ZERO,
        realized_pnl=position.realized_pnl,
        fees=position.fees,
        funding=position.funding,
        accrued_funding=position.accrued_funding,
        stop_price=market.stop_price,
        guarded=market.guarded,
        liquidation_price=_liquidation(market, reported),
        strategy_id=market.guard.strategy_id,
        origin="own",
        opened_ns=position.opened_ns,
        trail_timeframe=trail_bars if market.trail.on and position.size else "",
    )


def _liquidation(market: Market, reported: VenuePosition | None) -> Decimal | None:
    """The venue's, where its picture shows this very position: an older one may be of the other direction."""
    size = market.position.size
    same = reported is not None and size and reported.size == size + market.external_size
    return reported.liquidation_price if reported is not None and same else None


def _external_row(reported: VenuePosition, market: Market | None, size: Decimal) -> PositionRow:
    mark = market.mark if market else None
    return PositionRow(
        symbol=reported.symbol,
        size=size,
        entry_price=reported.entry_price,
        mark=mark,
        notional=market.instrument.notional(size, mark) if market and mark else ZERO,
        unrealized_pnl=reported.unrealized_pnl,
        realized_pnl=ZERO,
        fees=ZERO,
        funding=ZERO,
        stop_price=None,
        guarded=ZERO,
        liquidation_price=reported.liquidation_price,
        strategy_id="",
        origin="external",
        opened_ns=0,
    )


def _orders(desk: Desk) -> tuple[Order, ...]:
    """Open ones, then the last closed ones, newest first."""
    opened = [order for symbol in desk.symbols for order in desk.orders(symbol)]
    closed = [desk.orders_by_id[client_id].order for client_id in list(desk.closed_ids)[-SHOWN_CLOSED:]]
    return (*opened, *reversed(closed))


def _strategy(hosted: Hosted) -> StrategyRow:
    disabled = hosted.status is HostStatus.DISABLED
    return StrategyRow(
        strategy_id=hosted.strategy_id,
        class_name=hosted.class_name,
        status=f"{hosted.status.value}: {hosted.why}" if disabled else hosted.status.value,
        symbols=hosted.symbols,
        timeframe=hosted.timeframe,
        params=dict(hosted.params),
        realized_pnl=hosted.realized_pnl,
        fills=hosted.fills,
    )


def _protected(desk: Desk) -> Decimal:
    """The share of our contracts, by notional, that confirmed stops cover; 1 when flat."""
    total = guarded = ZERO
    for market in desk.symbols.values():
        price = market.mark or market.position.entry_price(market.instrument)
        if market.position.size and price:
            total += market.instrument.notional(market.position.size, price)
            guarded += market.instrument.notional(market.guarded, price)
    return guarded / total if total else Decimal(1)
