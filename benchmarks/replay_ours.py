"""The workload in contractdesk: the full engine, from its own store to the report; one line of JSON.

    python benchmarks/replay_ours.py prepare PARQUET STORE
    python benchmarks/replay_ours.py run STORE [--on-trade] [--bind] [--every] [--days N]

``--on-trade`` has a strategy called at every trade besides, ``--bind`` sets rules that refuse (what they
refused is added to the line), ``--every`` tells the engine each trade and mark singly.
"""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import replay_data
import replay_terms
from replay_terms import ATR_BARS, FAST_BARS, FEE, LATENCY_NS, MINUTE_NS, SLOW_BARS, STOP_ATRS, TARGET_LOTS

import contractdesk as cd
from contractdesk.domain.fills import Fill
from contractdesk.domain.intents import Intent
from contractdesk.domain.market_events import TradePrinted
from contractdesk.replay.models import ConstantLatency, FixedSlippage, Models
from contractdesk.replay.result import Result
from contractdesk.storage.dataset import EVER, Dataset
from contractdesk.storage.dataset_writer import DatasetWriter
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms
from contractdesk.strategy.base import BarView, Context, Strategy
from contractdesk.strategy.indicators import Atr, Ema, Seed

DAY_NS = 24 * 3600 * 10**9
SYMBOL = "BTC/USDT:USDT"
SERIES = Series(Kind.TRADES, "binance", SYMBOL)
TERMS = Terms(
    venue="binance",
    symbol=SYMBOL,
    venue_symbol="BTCUSDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
)
FAST, SLOW, ATR = Ema(FAST_BARS, Seed.FIRST), Ema(SLOW_BARS, Seed.FIRST), Atr(ATR_BARS, Seed.FIRST)
SIZE = Decimal(TARGET_LOTS) * TERMS.lot_size
FIRST_STOP_ATRS = 2 * STOP_ATRS  # until the fill is known: no entry without a stop
# Nothing of it can bind: a million to trade a tenth of a coin with.
ROOMY: dict[str, Any] = {"balance": 1_000_000, "leverage": 20, "risk": {"size_cap": 1, "trailing": False}}
# An entry an hour, and a cap that a position just fits into, so that what reverses one does not.
TIGHT: dict[str, Any] = {
    "balance": 250_000, "leverage": 20,
    "risk": {"size_cap": "0.03", "trailing": False, "max_entries_per_hour": 1},
}  # fmt: skip


class Cross(Strategy):
    """The strategy in the words of `replay_terms`."""

    warmup = SLOW_BARS

    def on_bar(self, bar: BarView, ctx: Context) -> Intent | None:
        memory, symbol = self.state, bar.symbol
        fast, slow = ctx.indicator(symbol, FAST), ctx.indicator(symbol, SLOW)
        atr = memory["atr"] = ctx.indicator(symbol, ATR)
        bars = memory["bars"] = memory.get("bars", 0) + 1
        if bars < SLOW_BARS:
            return None
        sign, before = (fast > slow) - (fast < slow), memory.get("sign", 0)
        if sign:
            memory["sign"] = sign
        size = ctx.position(symbol).size
        if bars > SLOW_BARS and sign and sign != before:
            return self._go(symbol, sign, size, bar.close, atr)
        if not size or memory.get("order"):
            return None
        price = _on_tick(bar.close - STOP_ATRS * atr if size > 0 else bar.close + STOP_ATRS * atr)
        tighter = price > memory["stop"] if size > 0 else price < memory["stop"]
        return self._stop(symbol, price) if tighter else None

    def on_fill(self, fill: Fill, ctx: Context) -> Intent | None:
        size = ctx.position(fill.symbol).size
        if not size or not self.state.get("order"):
            return None
        self.state["order"] = False
        away = STOP_ATRS * self.state["atr"]
        return self._stop(fill.symbol, _on_tick(float(fill.price) + (away if size < 0 else -away)))

    def _go(self, symbol: str, sign: int, size: Decimal, close: float, atr: float) -> Intent | None:
        if size == sign * SIZE:
            return None
        self.state["order"] = True
        enter = cd.enter_long if sign > 0 else cd.enter_short
        stop = _on_tick(close - sign * FIRST_STOP_ATRS * atr)
        return enter(symbol, size=SIZE, stop=_price(stop), trail=False, reverse=True)

    def _stop(self, symbol: str, price: int) -> Intent:
        self.state["stop"] = price
        return cd.move_stop(symbol, _price(price))


class Called(Cross):
    """The same, and called at every trade."""

    def on_trade(self, trade: TradePrinted, ctx: Context) -> None:  # noqa: ARG002  (a callback)
        self.state["trades"] = self.state.get("trades", 0) + 1


def _on_tick(price: float) -> int:
    """Whole ticks, the half upwards."""
    return int(price * 10 + 0.5)


def _price(ticks: int) -> Decimal:
    return Decimal(ticks) / 10


def prepare(source: Path, store: Path) -> None:
    """Write the workload into a store, as an import would have."""
    trades = replay_data.read(source)
    count = len(trades.ts_ns)
    columns = {
        "venue_ns": trades.ts_ns,
        "local_ns": np.zeros(count, np.int64),
        "trade_id": np.arange(1, count + 1),
        "ticks": trades.ticks.astype(np.int64),
        "lots": trades.lots.astype(np.int64),
        "side": trades.side.astype(np.int8),
        "flags": np.zeros(count, np.int16),
    }
    with DatasetWriter(store, SERIES, TERMS) as writer:
        for begin in range(0, count, 1 << 18):
            part = {name: column[begin : begin + (1 << 18)] for name, column in columns.items()}
            writer.append(pa.record_batch(part))
        writer.commit()


def replay(
    store: Path, strategy: type[Cross], rules: dict[str, Any], *, every: bool, days: int = 0
) -> Result:
    """From the store to the report's figures; ``days`` of it, 0 for all."""
    latency = ConstantLatency(feed_ms=0, entry_ms=LATENCY_NS / 1e6, answer_ms=0, read_ms=0)
    data = Dataset(root=store, series=SERIES)
    start_ns = data.files()[0].first_ns // MINUTE_NS * MINUTE_NS
    result = cd.replay.run(
        strategy([SYMBOL], timeframe="1m"),
        Dataset(
            root=store, series=SERIES, start_ns=start_ns, end_ns=start_ns + days * DAY_NS if days else EVER
        ),
        models=Models(latency=latency, slippage=FixedSlippage(1), taker_fee=FEE),
        every=every,
        **rules,
    )
    str(result)  # the figures are part of it
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("act", choices=["prepare", "run"])
    parser.add_argument("paths", nargs="+", type=Path)
    for name in ("--on-trade", "--bind", "--every"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--days", type=int, default=0)
    options = parser.parse_args()
    if options.act == "prepare":
        prepare(*options.paths)
        return 0
    strategy, rules = Called if options.on_trade else Cross, TIGHT if options.bind else ROOMY
    watch = replay_terms.Stopwatch()
    result = replay(options.paths[0], strategy, rules, every=options.every, days=options.days)
    outcome = result.outcome
    account = replay_terms.Account()
    for fill in outcome.fills:
        lots, ticks = int(fill.signed_size / TERMS.lot_size), int(fill.price / TERMS.tick_size)
        account.add((fill.venue_ns, lots, ticks), fill.client_id)
    account.report(_name(options), outcome.trades, outcome.last_ticks[0], watch.read())
    told = {
        "wakes": outcome.wakes,
        "bars": len(outcome.closes),
        "entries": sum(type(command).__name__ == "SubmitOrder" for _, command in outcome.commands),
        "refusals": [[row.ts_ns, row.rule, row.found, row.limit] for row in outcome.refusals],
        "equity": float(result.equity["equity"].iloc[-1]) - float(result.setup.balance),
    }
    print(json.dumps(told), file=sys.stderr)
    return 0


def _name(options: argparse.Namespace) -> str:
    return "contractdesk, called at every trade" if options.on_trade else "contractdesk"


if __name__ == "__main__":
    sys.exit(main())
