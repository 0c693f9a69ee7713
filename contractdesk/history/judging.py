"""Raw rows onto the grid: which can be stored, and for every other one the reasons why not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from contractdesk.history.findings import FindingKind, told_time
from contractdesk.history.raw import ON_THE_BOOK, Raw
from contractdesk.storage.grid import Floats, Grid, Ints, Mask
from contractdesk.storage.schema import EXACT, Kind, Series, TradeFlag
from contractdesk.storage.terms import Terms

EARLIEST_NS = 1_230_768_000 * 10**9  # 2009: nothing was traded before
LATEST_NS = 4_102_444_800 * 10**9  # 2100
KNOWN_TYPES = {
    ON_THE_BOOK: TradeFlag(0),
    "INSURANCE_FUND": TradeFlag.INSURANCE_FUND,
    "ADL": TradeFlag.ADL,
    "LIQUIDATION": TradeFlag.LIQUIDATION,
    "RPI": TradeFlag.RPI,
    "BLOCK": TradeFlag.BLOCK,
}
_PRICE = (FindingKind.NON_FINITE_PRICE, FindingKind.NEGATIVE_PRICE, FindingKind.ZERO_PRICE)
_SIZE = (FindingKind.NON_FINITE_SIZE, FindingKind.NEGATIVE_SIZE, FindingKind.ZERO_SIZE)
_EMPTY_IS_A_FACT = {Kind.DEPTH, Kind.QUOTES, Kind.CANDLES}  # of their sizes


class Verdict(Struct, frozen=True):
    """Some rows judged: stored are those with no reason against them."""

    raw: Raw
    stored: pa.RecordBatch
    kept: Mask  # of raw's rows
    reasons: dict[FindingKind, Mask]  # not empty ones only
    types: dict[str, Mask]  # rows of each known type that is not the ordinary one

    def reasons_of(self, place: int) -> tuple[FindingKind, ...]:
        return tuple(kind for kind, mask in self.reasons.items() if mask[place])

    def text_of(self, place: int) -> str:
        """A row's values as the source has them."""
        told = [f"{name}={_plain(column[place])}" for name, column in self.raw.columns.items()]
        if self.raw.words is not None and self.raw.words[place] != ON_THE_BOOK:
            told.append(f"type={self.raw.words[place]!r}")
        return " ".join(told)


class Judge:
    """Knows a series' columns and its terms."""

    def __init__(self, series: Series, terms: Terms) -> None:
        self._series = series
        self._ticks, self._lots = Grid(terms.tick_size), Grid(terms.lot_size)

    def judge(self, raw: Raw, duplicates: Mask) -> Verdict:
        """``duplicates``: rows that repeat an earlier id."""
        self._reasons: dict[FindingKind, Mask] = {}
        self._note(FindingKind.DUPLICATE_ID, duplicates)
        self._note(FindingKind.CORRUPTED, np.isin(raw.rows, [cell.row for cell in raw.corrupt]))
        types = self._types(raw)
        columns = {field.name: self._column(raw, field) for field in self._series.shape.schema}
        self._time(np.asarray(columns[self._series.shape.time]))
        reasons = {kind: mask for kind, mask in self._reasons.items() if bool(mask.any())}
        kept = np.ones(len(raw), dtype=bool)
        for mask in reasons.values():
            kept &= ~mask
        if types:
            columns["flags"] = columns["flags"] | _flags(types, len(raw))
        return Verdict(raw, self._batch(columns, kept), kept, reasons, types)

    def _batch(self, columns: dict[str, NDArray[Any]], kept: Mask) -> pa.RecordBatch:
        schema = self._series.shape.schema
        return pa.RecordBatch.from_arrays(
            [pa.array(columns[field.name][kept], type=field.type) for field in schema], schema=schema
        )

    def _column(self, raw: Raw, field: pa.Field) -> NDArray[Any]:
        given = raw.find(field.name)
        if given is not None:
            return self._exact(field.name, given) if field.type == EXACT else given
        told = raw.told(field.name)
        if told is not None and field.name.endswith("ticks"):
            idle = raw.columns["side"] == 0 if self._series.kind is Kind.DEPTH else None
            return self._counted(self._ticks, told, _PRICE, FindingKind.OFF_GRID_PRICE, idle)
        if told is not None:
            may_be_zero = np.full(len(raw), self._series.kind in _EMPTY_IS_A_FACT)
            return self._counted(self._lots, told, _SIZE, FindingKind.OFF_GRID_SIZE, may_be_zero)
        if field.type == pa.string():
            return np.full(len(raw), None, dtype=object)
        return np.zeros(len(raw), dtype=field.type.to_pandas_dtype())

    def _counted(
        self,
        grid: Grid,
        values: Floats,
        kinds: tuple[FindingKind, FindingKind, FindingKind],
        off: FindingKind,
        may_be_zero: Mask | None,
    ) -> Ints:
        finite = np.isfinite(values)
        counts, exact = grid.count(values)
        self._note(kinds[0], ~finite)
        self._note(kinds[1], finite & (values < 0))
        self._note(kinds[2], values == 0 if may_be_zero is None else (values == 0) & ~may_be_zero)
        self._note(off, finite & ~exact)
        return counts

    def _exact(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Decimals that fit the store; marks and open interest must be positive."""
        fine = np.array([_fits(value) for value in values], dtype=bool)
        self._note(FindingKind.NON_FINITE_PRICE, ~fine)
        clean = np.array(
            [value if ok else Decimal(0) for value, ok in zip(values, fine, strict=True)], dtype=object
        )
        if name == "mark":
            self._note(FindingKind.ZERO_PRICE, fine & (clean == 0))
            self._note(FindingKind.NEGATIVE_PRICE, clean < 0)
        return clean

    def _types(self, raw: Raw) -> dict[str, Mask]:
        """Masks of the known types; unknown ones, and blank ones, are refused."""
        if raw.words is None or self._series.kind not in (Kind.TRADES, Kind.AGG_TRADES):
            return {}
        special = raw.words != ON_THE_BOOK
        if not bool(special.any()):
            return {}
        found = {str(word): raw.words == word for word in set(raw.words[special].tolist())}
        unknown = np.zeros(len(raw), dtype=bool)
        for word in [word for word in found if word not in KNOWN_TYPES]:
            unknown |= found.pop(word)
        unknown |= np.array([word is None for word in raw.words], dtype=bool)
        self._note(FindingKind.FOREIGN_TYPE, unknown)
        return found

    def _time(self, times: Ints) -> None:
        self._note(FindingKind.BAD_TIME, (times < EARLIEST_NS) | (times >= LATEST_NS))

    def _note(self, kind: FindingKind, mask: Mask) -> None:
        known = self._reasons.get(kind)
        self._reasons[kind] = mask if known is None else known | mask


def _flags(types: dict[str, Mask], count: int) -> NDArray[np.int16]:
    flags = np.zeros(count, dtype=np.int16)
    for word, mask in types.items():
        flags |= np.where(mask, KNOWN_TYPES[word], 0).astype(np.int16)
    return flags


def _fits(value: object) -> bool:
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) >= 10**19:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and (exponent >= -18 or value == value.quantize(Decimal(1).scaleb(-18)))


def _plain(value: object) -> str:
    if isinstance(value, np.integer) and EARLIEST_NS < int(value) < LATEST_NS:
        return f"{int(value)} ({told_time(int(value))})"
    return str(value)
