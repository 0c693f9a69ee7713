"""What a picture shows that the engine does not know: open bars, funding payments, latencies, notices."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from itertools import islice
from typing import Final

from msgspec.structs import replace

from contractdesk.desk.records import Records
from contractdesk.domain.events import Event, FundingPaid, TradePrinted
from contractdesk.domain.views import Candles, DeskSnapshot, GuardianState, Latency, Notice, SymbolSnapshot
from contractdesk.ops.metrics import Histogram, Metrics
from contractdesk.strategy.bar_builder import BarBuilder

NOTICES_KEPT: Final = 50
SHOWN_PAYMENTS: Final = 50


class Forming:
    """The bars still open where a venue closes them itself: the engine hears of those when they are over.

    Of an interval that was under way when the first picture was made, the bar is of its later trades only.
    """

    def __init__(self) -> None:
        self._builders: dict[str, BarBuilder] = {}  # by symbol: of the timeframe that is shown

    def saw(self, trade: TradePrinted) -> None:
        builder = self._builders.get(trade.symbol)
        if builder is not None:
            builder.on_trade(trade)

    def complete(self, symbol: str, candles: Candles) -> Candles:
        """The candles with the bar that is open, once a trade has come for it."""
        if candles.forming is not None:
            return candles
        builder = self._builders.get(symbol)
        if builder is None or builder.timeframe != candles.timeframe:
            self._builders[symbol] = BarBuilder(candles.timeframe)
            return candles
        bar = builder.open_bar
        over = candles.closed[-1].open_ns if candles.closed else 0
        return candles if bar is None or bar.open_ns <= over else replace(candles, forming=bar)


class Pictures:
    """Belongs to the desk's loop, as all that it reads; ``asked`` are the symbols whose streams were."""

    def __init__(self, records: Records, metrics: Metrics, asked: Container[str] = ()) -> None:
        self._records = records
        self._asked = asked
        self._forming = Forming()
        self._notices: deque[Notice] = deque(maxlen=NOTICES_KEPT)
        self._paid: tuple[FundingPaid, ...] = ()  # the latest ones
        self._timed: dict[str, Histogram] = {
            "signal to answer": metrics.order_latency,
            "order round trip": metrics.round_trip,
            "loop lag": metrics.loop_lag,
        }
        self._latencies: dict[str, Latency] = {}

    def saw(self, event: Event) -> None:
        """Told of every event."""
        if isinstance(event, TradePrinted):
            self._forming.saw(event)

    def tell(self, notice: Notice) -> None:
        """What the person should know and the engine cannot; the last ones are kept."""
        self._notices.append(notice)

    def complete(
        self, snapshot: DeskSnapshot, loop_lag_ms: float, guardian: GuardianState = GuardianState.OFF
    ) -> DeskSnapshot:
        """The engine's picture with what only its driver knows."""
        notices = snapshot.notices
        if self._notices:
            notices = tuple(sorted((*notices, *self._notices), key=lambda notice: notice.ts_ns))
        return replace(
            snapshot,
            loop_lag_ms=loop_lag_ms,
            guardian=guardian,
            symbols={symbol: self._symbol(view) for symbol, view in snapshot.symbols.items()},
            notices=notices,
            payments=self._payments(),
            latencies=tuple(self._latency(name, timed) for name, timed in self._timed.items()),
        )

    def _symbol(self, view: SymbolSnapshot) -> SymbolSnapshot:
        """The engine does not know what a person only looks at."""
        looked_at = not view.watched and view.instrument.symbol in self._asked
        return self._with_bars(replace(view, watched=True) if looked_at else view)

    def _with_bars(self, view: SymbolSnapshot) -> SymbolSnapshot:
        if view.candles is None:
            return view
        candles = self._forming.complete(view.instrument.symbol, view.candles)
        return view if candles is view.candles else replace(view, candles=candles)

    def _payments(self) -> tuple[FundingPaid, ...]:
        known = self._records.payments
        if known and (not self._paid or known[-1] is not self._paid[-1]):
            self._paid = tuple(islice(known, max(0, len(known) - SHOWN_PAYMENTS), None))
        return self._paid

    def _latency(self, name: str, timed: Histogram) -> Latency:
        """Made anew only when something was measured."""
        last = self._latencies.get(name)
        if last is None or last.count != timed.count:
            last = self._latencies[name] = Latency(
                name=name,
                count=timed.count,
                p50_ms=timed.quantile(0.5),
                p99_ms=timed.quantile(0.99),
                max_ms=timed.max_ms,
                buckets=timed.buckets,
            )
        return last
