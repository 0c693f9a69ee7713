"""Hypothesis strategies and small helpers for rows of the Parquet store."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from contractdesk.storage.dataset import Dataset
from contractdesk.storage.dataset_files import DAY_NS
from contractdesk.storage.dataset_writer import DatasetWriter, DayWritten
from contractdesk.storage.schema import EXACT, Kind, Series
from contractdesk.storage.terms import Terms

D = Decimal
SYMBOL = "BTC/USDT:USDT"
TERMS = Terms(
    venue="binance", symbol=SYMBOL, venue_symbol="BTCUSDT", tick_size=D("0.10"), lot_size=D("0.001"),
    base="BTC", quote="USDT", settle="USDT",
)  # fmt: skip
T0 = 1_700_000_000 * 10**9 // DAY_NS * DAY_NS

Row = dict[str, Any]


def series(kind: Kind = Kind.TRADES) -> Series:
    return Series(kind, "binance", SYMBOL, "1m" if kind is Kind.CANDLES else "")


def batch(rows: list[Row], kind: Kind = Kind.TRADES) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=series(kind).shape.schema)


def write(
    root: Path, rows: list[Row], kind: Kind = Kind.TRADES, terms: Terms = TERMS
) -> tuple[DayWritten, ...]:
    with DatasetWriter(root, series(kind), terms) as writer:
        writer.append(batch(rows, kind))
        return writer.commit()


def read(root: Path, kind: Kind = Kind.TRADES, **where: int) -> list[Row]:
    found = Dataset(root=root, series=series(kind), **where).scan()
    return [row for rows in found for row in rows.data.to_pylist()]


def _value(name: str, kind: pa.DataType) -> st.SearchStrategy[Any]:
    if name in ("venue_ns", "local_ns"):
        return st.integers(T0, T0 + 3 * DAY_NS)
    if kind == EXACT:
        return st.decimals(-(10**9), 10**9, places=8)
    if kind == pa.string():
        return st.none() | st.text(max_size=5)
    bits = {pa.int8(): 7, pa.int16(): 15, pa.int32(): 31}.get(kind, 63)
    return st.integers(-(2**bits), 2**bits - 1)


def rows_of(kind: Kind, most: int = 12) -> st.SearchStrategy[list[Row]]:
    """Rows with distinct keys, in any order."""
    shape = series(kind).shape
    row = st.fixed_dictionaries({field.name: _value(field.name, field.type) for field in shape.schema})
    return st.lists(row, max_size=most, unique_by=lambda each: tuple(each[name] for name in shape.key))


def trade(number: int, ns: int, **changes: int) -> Row:
    plain = {"venue_ns": ns, "local_ns": 0, "trade_id": number, "ticks": 600_000 + number % 50, "lots": 1,
             "side": 1, "flags": 0}  # fmt: skip
    return plain | changes
