"""A desk that only looks alive: seeded snapshots of a moving market, built from domain values.

It implements the face that panels see and nothing more; what the panels then show is compared with
what was put in.
"""

from __future__ import annotations

import math
import random
import threading
import time
from decimal import Decimal

from msgspec.structs import replace

from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument, MarginTier
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import Order, OrderRequest, OrderRole, OrderStatus, OrderType, Side
from contractdesk.domain.position import Position
from contractdesk.domain.views import (
    DeskSnapshot,
    EquityPoint,
    PositionRow,
    StrategyRow,
    SymbolSnapshot,
    TradingState,
)
from contractdesk.engine.client_ids import make
from tests.e2e import bars, told
from tests.e2e.told import START_NS

D = Decimal
BTC = Instrument(
    symbol="BTC/USDT:USDT",
    venue="binance",
    venue_symbol="BTCUSDT",
    kind=ContractKind.LINEAR,
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D(1),
    tick_size=D("0.1"),
    lot_size=D("0.001"),
    min_size=D("0.001"),
    max_size=D(1000),
    max_market_size=D(120),
    min_notional=D(100),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
    tiers=(MarginTier(D(0), D(10**9), D(125), D("0.004")),),
)
STEP_NS = 100_000_000
ORDER_SIZE = D("0.005")
AGAIN = 150  # steps; then it enters and leaves again and again, so that a chart always has marks
FILLS = {
    40: (D("0.006"), OrderRole.ENTRY),
    90: (D("0.004"), OrderRole.ENTRY),
    230: (D("-0.003"), OrderRole.EXIT),
}


class Market:
    """A seeded walk; ``step`` returns the next snapshot, 100 ms later."""

    def __init__(self, seed: int = 7, instrument: Instrument = BTC, ticks: int = 281_500) -> None:
        self._random = random.Random(seed)  # noqa: S311  a market, not a secret
        self._instrument = instrument
        self._ticks = float(ticks)
        self._count = 0
        self._position = Position(symbol=instrument.symbol)
        self._fills: list[Fill] = []
        self._wallet = D(10_000)
        self._curve: list[EquityPoint] = []
        self._lots = [self._random.randint(1, 4_000) for _ in range(400)]
        self._bars = bars.SecondBars(seed, instrument.from_ticks(ticks))

    def step(self) -> DeskSnapshot:
        self._count += 1
        self._ticks += self._random.gauss(0, 4) + 2 * math.sin(self._count / 120)
        for _ in range(25):
            self._lots[self._random.randrange(400)] = int(self._random.paretovariate(0.8) * 40) % 30_000 + 1
        if self._count in FILLS or (self._count > 2 * AGAIN and self._count % AGAIN == 0):
            self._fill()
        self._bars.move(self._now_ns, self._instrument.from_ticks(round(self._ticks)))
        return self._snapshot()

    @property
    def _now_ns(self) -> int:
        return START_NS + self._count * STEP_NS

    def _fill(self) -> None:
        more = self._position.size < D("0.01")
        later = (D("0.003"), OrderRole.ENTRY) if more else (D("-0.003"), OrderRole.EXIT)
        size, role = FILLS.get(self._count, later)
        price = self._instrument.from_ticks(round(self._ticks))
        fill = Fill(
            symbol=self._instrument.symbol,
            trade_id=str(self._count),
            client_id=make("k7qa", 1, self._count, role),
            venue_order_id=str(8_000 + self._count),
            signed_size=size,
            price=price,
            fee=self._instrument.fee(size, price, maker=size < 0),
            fee_asset="USDT",
            liquidity=Liquidity.MAKER if size < 0 else Liquidity.TAKER,
            venue_ns=self._now_ns,
            ts_ns=self._now_ns,
            strategy_id="TrendFollow-1",
        )
        self._fills.append(fill)
        self._position = self._position.apply(fill, self._instrument)

    def _levels(self, best: int, sign: int) -> list[tuple[int, int]]:
        levels, tick = [], best
        for i in range(40):
            levels.append((tick, self._lots[(tick * 7) % 400] // (3 if i < 2 else 1) + 1))
            tick += sign * (1 + (tick * 13 % 4 if i else 0))
        return levels

    def _snapshot(self) -> DeskSnapshot:
        terms = self._instrument
        best = round(self._ticks)
        mark = terms.tick_size * D(round(self._ticks * 10 + 3)) / 10
        pnl = self._position.unrealized_pnl(terms, mark)
        wallet = self._wallet + self._position.net_pnl
        if self._count % 10 == 1:
            self._curve = [*self._curve, EquityPoint(self._now_ns, wallet + pnl)][-600:]
        notional = terms.notional(self._position.size, mark)
        view = SymbolSnapshot(
            instrument=terms,
            bids=pack_levels(self._levels(best, -1)),
            asks=pack_levels(self._levels(best + 1, 1)),
            book_valid=True,
            ready=True,
            not_ready_reason="",
            feed_age_ms=40.0 + self._count % 7 * 9,
            last=terms.from_ticks(best + self._count % 2),
            mark=mark,
            index=mark,
            funding_rate=D("0.0001"),
            next_funding_ns=START_NS + 120 * 10**9,
            funding_interval_ns=8 * 3600 * 10**9,
            settled_rates=D("0.0001"),
            candles=self._bars.candles,
        )
        return DeskSnapshot(
            ts_ns=self._now_ns,
            state=TradingState.ACTIVE,
            state_reason="",
            asset="USDT",
            wallet_balance=wallet,
            equity=wallet + pnl,
            unrealized_pnl=pnl,
            initial_margin=notional / 20,
            available=wallet - notional / 20,
            margin_ratio=notional / 20 / (wallet + pnl),
            loop_lag_ms=1.4,
            private_stream_ready=True,
            naked_s=0.4 if self._count in range(40, 44) else 0.0,
            symbols={terms.symbol: view},
            positions=self._positions(mark, notional, pnl),
            orders=self._orders(best),
            fills=tuple(self._fills),
            refusals=told.refusals(),
            strategies=self._strategies(),
            risk=told.risk(notional, wallet + pnl),
            equity_curve=tuple(self._curve),
            notices=told.notices(),
            funding_limit=D("0.0005"),
            payments=told.payments(),
            latencies=told.latencies(),
            events_handled=self._count * 12,
        )

    def _positions(self, mark: Decimal, notional: Decimal, pnl: Decimal) -> tuple[PositionRow, ...]:
        held = self._position
        if not self._fills:
            return ()
        return (
            PositionRow(
                symbol=held.symbol,
                size=held.size,
                entry_price=held.entry_price(self._instrument),
                mark=mark,
                notional=notional,
                unrealized_pnl=pnl,
                realized_pnl=held.realized_pnl,
                fees=held.fees,
                funding=held.funding,
                accrued_funding=D("-0.0283"),
                stop_price=self._stop_price,
                guarded=held.size,
                liquidation_price=D("14103.2"),
                strategy_id="TrendFollow-1",
                origin="own",
                opened_ns=held.opened_ns,
            ),
        )

    @property
    def _stop_price(self) -> Decimal:
        return D("28131.5")

    def _orders(self, best: int) -> tuple[Order, ...]:
        entry = self._order(Side.BUY, OrderRole.ENTRY, price=self._instrument.from_ticks(281_480))
        if not self._fills:
            return (entry,)
        stop = self._order(Side.SELL, OrderRole.STOP, trigger=self._stop_price, size=self._position.size)
        exit_order = self._order(Side.SELL, OrderRole.EXIT, price=self._instrument.from_ticks(281_530))
        gone = replace(
            self._order(Side.BUY, OrderRole.ENTRY, price=D("28140.0"), number=1),
            status=OrderStatus.CANCELLED,
            reason="expired after 30 s",
        )
        return (entry, stop, exit_order, gone)

    def _order(
        self,
        side: Side,
        role: OrderRole,
        *,
        price: Decimal | None = None,
        trigger: Decimal | None = None,
        size: Decimal = ORDER_SIZE,
        number: int = 0,
    ) -> Order:
        return Order(
            request=OrderRequest(
                client_id=make("k7qa", 1, 1_000 + number, role),
                symbol=self._instrument.symbol,
                side=side,
                type=OrderType.LIMIT if trigger is None else OrderType.STOP_MARKET,
                size=size,
                role=role,
                price=price,
                trigger_price=trigger,
                strategy_id="TrendFollow-1",
            ),
            status=OrderStatus.WORKING,
            venue_id="9001",
            created_ns=START_NS + 4 * 10**9,
        )

    def _strategies(self) -> tuple[StrategyRow, ...]:
        return (
            StrategyRow(
                strategy_id="TrendFollow-1",
                class_name="TrendFollow",
                status="running",
                symbols=(self._instrument.symbol,),
                timeframe="1s",
                params={"fast": 12, "slow": 26, "atr_multiple": 2.5},
                realized_pnl=self._position.realized_pnl,
                fills=len(self._fills),
            ),
        )


class SyntheticDesk:
    """The face of a desk over a ``Market`` that its own thread moves at 10 Hz."""

    label = "EMBEDDED"
    name = "synthetic"
    display_tz = "UTC"
    is_open = True

    def __init__(self, seed: int = 7, warm: int = 250) -> None:
        market = Market(seed)
        for _ in range(max(1, warm)):
            self.snapshot = market.step()
        self.calls: list[tuple[str, float]] = []
        self._state = TradingState.ACTIVE
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(market,), daemon=True)

    def start(self) -> SyntheticDesk:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ending.set()

    def halt(self) -> str:
        return self._called("halt", TradingState.HALTED)

    def resume(self) -> str:
        return self._called("resume", TradingState.ACTIVE)

    def flatten(self) -> str:
        return self._called("flatten", TradingState.REDUCING)

    def _called(self, verb: str, state: TradingState) -> str:
        self._state = state
        self.calls.append((verb, time.time()))
        return verb

    def _run(self, market: Market) -> None:
        while not self._ending.wait(STEP_NS / 1e9):
            reason = "" if self._state is TradingState.ACTIVE else "by hand"
            self.snapshot = replace(market.step(), state=self._state, state_reason=reason)
