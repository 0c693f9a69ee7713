"""Trades on a random walk, from a seed, and a strategy that misbehaves on request."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa

from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_writer import DatasetWriter
from contractdesk.storage.schema import Kind, Series
from contractdesk.storage.terms import Terms

SYMBOL = "BTC/USDT:USDT"
SERIES = Series(Kind.TRADES, "binance", SYMBOL)
TERMS = Terms(
    venue="binance", symbol=SYMBOL, venue_symbol="BTCUSDT", tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"), base="BTC", quote="USDT", settle="USDT",
)  # fmt: skip
HOUR_NS = 3600 * 10**9
START_NS = 1_699_920_000 * 10**9  # midnight, UTC

# What a person types into a cell; ``way`` says how it is to go wrong.
CELL = """
import os
import contractdesk as cd

HOLD = 3

class Typed(cd.Strategy):
    period = cd.Param(5, ge=2, le=50, doc="bars")
    way = cd.Param("well", choices=("well", "raises", "dies"))
    def on_bar(self, bar, ctx):
        if self.way == "raises":
            raise RuntimeError("no bars today")
        if self.way == "dies":
            os._exit(3)
        highest = ctx.bars(bar.symbol, self.period, before=bar).high.max()
        if bar.close > highest and ctx.position(bar.symbol).flat:
            return cd.enter_long(bar.symbol, stop=cd.atr_stop(HOLD, 2.5))
"""


def trades(root: Path, hours: int = 1, count: int = 4_000, seed: int = 3) -> Dataset:
    """``count`` trades within ``hours``."""
    chance = np.random.default_rng(seed)
    times = START_NS + np.sort(chance.integers(0, hours * HOUR_NS, count))
    columns = {
        "venue_ns": times, "local_ns": times, "trade_id": np.arange(count),
        "ticks": 600_000 + np.cumsum(chance.integers(-9, 10, count)), "lots": chance.integers(1, 500, count),
        "side": np.ones(count), "flags": np.zeros(count),
    }  # fmt: skip
    schema = SERIES.shape.schema
    arrays = [pa.array(columns[field.name].astype(field.type.to_pandas_dtype())) for field in schema]
    with DatasetWriter(root, SERIES, TERMS) as writer:
        writer.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        writer.commit()
    return Dataset(root=root, series=SERIES)
