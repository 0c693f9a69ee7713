"""nautilus_trader's run of the strategy of `replay_terms`, in its own interpreter and from its own catalog.

    python peer_nautilus.py prepare TRADES.parquet CATALOG     (once, and not measured)
    python peer_nautilus.py run CATALOG [--on-trade]

Its engine is set up as a user who wants speed would: no log, no analysis, the risk engine bypassed, data
streamed in chunks as its backtest node does. With ``--on-trade`` the strategy is called at every trade too.

Its venue fills an order that is larger than the trade in parts, what is left a tick farther, and a stop
a tick beyond the stop's own price, where the reference takes the trade's. So prices and equity differ, and
now and then a stop that hangs on such a price; nearly all orders fill at the same trade and by as much.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import FillModel, LatencyModel, MakerTakerFeeModel
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.core.nautilus_pyo3 import DataBackendSession
from nautilus_trader.data.config import DataEngineConfig
from nautilus_trader.indicators.averages import ExponentialMovingAverage, MovingAverageType
from nautilus_trader.indicators.volatility import AverageTrueRange
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType, TradeTick, capsule_to_list
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy
from replay_terms import (
    ATR_BARS,
    FAST_BARS,
    FEE,
    LATENCY_NS,
    LOTS_A_UNIT,
    SLOW_BARS,
    STOP_ATRS,
    TARGET_LOTS,
    TICKS_A_UNIT,
    Account,
    Stopwatch,
)

VENUE = Venue("BINANCE")
START_BALANCE = 1_000_000
WRITTEN_AT_ONCE = 2_000_000
CHUNK = 100_000


def instrument() -> CryptoPerpetual:
    fee = Decimal(str(FEE))
    return CryptoPerpetual(
        instrument_id=InstrumentId(Symbol("BTCUSDT-PERP"), VENUE),
        raw_symbol=Symbol("BTCUSDT"),
        base_currency=BTC,
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=1,
        price_increment=Price.from_str("0.1"),
        size_precision=3,
        size_increment=Quantity.from_str("0.001"),
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"),
        maker_fee=fee,
        taker_fee=fee,
        ts_event=0,
        ts_init=0,
    )


class TrendConfig(StrategyConfig, frozen=True):
    instrument_id: InstrumentId
    bar_type: BarType
    on_trade: bool


class Trend(Strategy):
    """The strategy as its user writes it."""

    def __init__(self, config: TrendConfig) -> None:
        super().__init__(config)
        self.fast = ExponentialMovingAverage(FAST_BARS)
        self.slow = ExponentialMovingAverage(SLOW_BARS)
        self.atr = AverageTrueRange(ATR_BARS, MovingAverageType.WILDER)
        self.account = Account()
        self.bars = self.sign = self.lots = self.trades_seen = 0
        self.entry = self.guard = self.last = None
        self.stop_price = 0.0

    def on_start(self) -> None:
        self.terms = self.cache.instrument(self.config.instrument_id)
        for indicator in (self.fast, self.slow, self.atr):
            self.register_indicator_for_bars(self.config.bar_type, indicator)
        if self.config.on_trade:
            self.subscribe_trade_ticks(self.config.instrument_id)
        self.subscribe_bars(self.config.bar_type)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.trades_seen += 1
        self.last = tick.price

    def on_bar(self, bar: Bar) -> None:
        self.bars += 1
        if self.bars < SLOW_BARS:
            return
        sign = (self.fast.value > self.slow.value) - (self.fast.value < self.slow.value)
        if self.bars > SLOW_BARS and sign and sign != self.sign:
            self._enter(sign * TARGET_LOTS - self.lots)
        elif self.lots and self.entry is None and self.guard is not None and self.guard.is_open:
            self._tighten(self._away_from(bar.close.as_double()))
        self.sign = sign or self.sign

    def _enter(self, lots: int) -> None:
        if not lots:
            return
        if self.guard is not None and not self.guard.is_closed:
            self.cancel_order(self.guard)
        self.entry = self.order_factory.market(self.config.instrument_id, _side(lots), self._size(lots))
        self.submit_order(self.entry)

    def _tighten(self, wanted: float) -> None:
        if wanted > self.stop_price if self.lots > 0 else wanted < self.stop_price:
            self.stop_price = wanted
            self.modify_order(self.guard, trigger_price=self.terms.make_price(wanted))

    def on_order_filled(self, event: OrderFilled) -> None:
        lots = round(event.last_qty.as_double() * LOTS_A_UNIT)
        lots = lots if event.order_side == OrderSide.BUY else -lots
        ticks = round(event.last_px.as_double() * TICKS_A_UNIT)
        self.account.add((event.ts_event, lots, ticks), event.client_order_id)
        self.lots += lots
        if self.entry is None or event.client_order_id != self.entry.client_order_id:
            return
        if self.entry.is_closed:  # else a part is filled, and the rest follows
            self.entry = None
            if self.lots:
                self._protect(event.last_px.as_double())

    def _protect(self, price: float) -> None:
        self.stop_price = self._away_from(price)
        self.guard = self.order_factory.stop_market(
            self.config.instrument_id,
            _side(-self.lots),
            self._size(self.lots),
            self.terms.make_price(self.stop_price),
            reduce_only=True,
        )
        self.submit_order(self.guard)

    def _away_from(self, price: float) -> float:
        away = STOP_ATRS * self.atr.value
        return int((price - away if self.lots > 0 else price + away) * TICKS_A_UNIT + 0.5) / TICKS_A_UNIT

    def _size(self, lots: int) -> Quantity:
        return self.terms.make_qty(abs(lots) / LOTS_A_UNIT)


def _side(lots: int) -> OrderSide:
    return OrderSide.BUY if lots > 0 else OrderSide.SELL


def engine(*, on_trade: bool) -> tuple[BacktestEngine, Trend]:
    made = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("BENCH-001"),
            logging=LoggingConfig(bypass_logging=True),
            run_analysis=False,
            data_engine=DataEngineConfig(
                time_bars_build_with_no_updates=False, time_bars_interval_type="right-open"
            ),
            risk_engine=RiskEngineConfig(bypass=True),
        )
    )
    made.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(START_BALANCE, USDT)],
        base_currency=USDT,
        fill_model=FillModel(prob_slippage=1.0),  # always the one tick
        fee_model=MakerTakerFeeModel(),
        latency_model=LatencyModel(LATENCY_NS),
        reject_stop_orders=False,
        bar_execution=False,
    )
    terms = instrument()
    made.add_instrument(terms)
    bar_type = BarType.from_str(f"{terms.id}-1-MINUTE-LAST-INTERNAL")
    trend = Trend(TrendConfig(instrument_id=terms.id, bar_type=bar_type, on_trade=on_trade))
    made.add_strategy(trend)
    return made, trend


def prepare(trades: str, catalog: str) -> None:
    """Write the trades into a catalog; parts end where the time changes, as a catalog asks for."""
    table = pq.ParquetFile(trades).read()
    ts_ns = table["ts_ns"].to_numpy().astype(np.uint64)
    prices = table["ticks"].to_numpy() / TICKS_A_UNIT
    sizes = table["lots"].to_numpy() / LOTS_A_UNIT
    sides = np.where(table["side"].to_numpy() > 0, 1, 2).astype(np.uint8)
    target, terms = ParquetDataCatalog(catalog), instrument()
    target.write_data([terms])
    for begin, end in _parts(ts_ns):
        ids = np.arange(begin, end).astype(str).tolist()
        columns = (column[begin:end].copy() for column in (prices, sizes, sides))
        times = ts_ns[begin:end].copy()
        target.write_data(
            TradeTick.from_raw_arrays_to_list(terms.id, 1, 3, *columns, ids, times, times.copy())
        )


def _parts(ts_ns: np.ndarray) -> Iterator[tuple[int, int]]:
    begin, size = 0, len(ts_ns)
    while begin < size:
        end = min(size, begin + WRITTEN_AT_ONCE)
        while end < size and ts_ns[end] == ts_ns[end - 1]:
            end += 1
        yield begin, end
        begin = end


def _chunks(catalog: str, instrument_id: InstrumentId) -> Iterator[list[TradeTick]]:
    session = ParquetDataCatalog(catalog).backend_session(
        data_cls=TradeTick,
        identifiers=[str(instrument_id)],
        session=DataBackendSession(chunk_size=CHUNK),
    )
    for capsule in session.to_query_result():
        yield capsule_to_list(capsule)


def run(catalog: str, *, on_trade: bool) -> None:
    made, trend = engine(on_trade=on_trade)
    trades = last_ticks = 0
    watch = Stopwatch()
    chunks = _chunks(catalog, trend.config.instrument_id)
    while True:
        with watch.loading():
            chunk = next(chunks, None)
        if chunk is None:
            break
        trades, last_ticks = trades + len(chunk), round(chunk[-1].price.as_double() * TICKS_A_UNIT)
        made.add_data(chunk, validate=False, sort=True)
        made.run(streaming=True)
        made.clear_data()
    made.end()
    took = watch.read()
    if on_trade and trend.trades_seen != trades:
        raise ValueError(f"the strategy saw {trend.trades_seen} of {trades} trades")
    name = "nautilus_trader, called at every trade" if on_trade else "nautilus_trader"
    trend.account.report(name, trades, last_ticks, took)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(*sys.argv[2:4])
    else:
        run(sys.argv[2], on_trade="--on-trade" in sys.argv)
