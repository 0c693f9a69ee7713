"""Recorded trades as the kernel takes them: columns of whole numbers, merged over symbols by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Self

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from contractdesk.domain.instrument import Instrument
from contractdesk.errors import StorageError
from contractdesk.replay.sidecar import Sidecar
from contractdesk.storage.dataset import Dataset, Rows
from contractdesk.storage.schema import Kind, TradeFlag

Ints = NDArray[np.int64]
OFF_BOOK = TradeFlag.INSURANCE_FUND | TradeFlag.ADL | TradeFlag.BLOCK  # prints that met no order of the book
COLUMNS = ("venue_ns", "ticks", "lots", "flags")


class Ticks(Struct, frozen=True):
    """Trades in the order of time; all columns int64 and of one length."""

    ts_ns: Ints  # by the venue
    heard_ns: Ints  # by the desk: ascending, none before its ``ts_ns``
    ticks: Ints
    lots: Ints
    which: Ints  # place of the instrument

    def __len__(self) -> int:
        return len(self.ts_ns)

    def after(self, begin: int, more: Self) -> Self:
        """The rows from ``begin`` on, and then ``more``."""
        if begin == len(self):
            return more
        return type(self)(
            *(
                np.concatenate((old[begin:], new))
                for old, new in zip(self._columns, more._columns, strict=True)
            )
        )

    @property
    def _columns(self) -> tuple[Ints, ...]:
        return self.ts_ns, self.heard_ns, self.ticks, self.lots, self.which

    @classmethod
    def of(cls, ts_ns: Ints, ticks: Ints, lots: Ints, *, feed_ns: int = 0, which: Ints | None = None) -> Self:
        """From columns, each trade heard ``feed_ns`` after it was made."""
        places = np.zeros(len(ts_ns), dtype=np.int64) if which is None else which
        heard = ts_ns + feed_ns if feed_ns else ts_ns
        return cls(ts_ns, heard, ticks, lots, places)


def read_ticks(
    datasets: Sequence[Dataset],
    instruments: Sequence[Instrument],
    *,
    feed_ns: int,
    recorded: bool,
    sidecar: Sidecar | None = None,
) -> Iterator[Ticks]:
    """Batches of all datasets' trades, one of each instrument, in the order of time.

    ``recorded`` takes the delays of the recording, shifted so that the shortest is ``feed_ns``: the
    clocks of venue and recorder differ; else columns may come from the ``sidecar``. StorageError where
    a series is of other kinds or terms.
    """
    streams = [
        _heard(dataset, terms, feed_ns) if recorded else _stream(dataset, terms, feed_ns, sidecar)
        for dataset, terms in zip(datasets, instruments, strict=True)
    ]
    if len(streams) == 1:
        yield from (Ticks(*columns, _none_but_the_first(len(columns[0]))) for columns in streams[0])
    else:
        yield from _merged(streams)


EVER = 1 << 62  # ns: nothing is as late
Columns = tuple[Ints, Ints, Ints, Ints]  # ts_ns, heard_ns, ticks, lots


def _stream(dataset: Dataset, terms: Instrument, feed_ns: int, sidecar: Sidecar | None) -> Iterator[Columns]:
    """Each trade heard ``feed_ns`` after it was made."""
    decoded = ((ts, ticks, lots) for ts, _, ticks, lots in _decoded(dataset, terms))
    for ts, ticks, lots in sidecar.columns(dataset, terms, decoded) if sidecar else decoded:
        yield ts, ts + feed_ns if feed_ns else ts, ticks, lots


def _heard(dataset: Dataset, terms: Instrument, feed_ns: int) -> Iterator[Columns]:
    """Each trade heard as it was recorded, or ``feed_ns`` after it was made where that is of a dump."""
    _check(dataset)
    shift_ns, latest_ns = feed_ns - shortest_delay(dataset), 0

    def heard(rows: Rows, ts: Ints) -> Ints:
        nonlocal latest_ns
        local = rows.data["local_ns"].to_numpy()
        late = np.maximum(np.where(local > 0, local + shift_ns, ts + feed_ns), ts)
        late = np.maximum(np.maximum.accumulate(late), latest_ns)
        latest_ns = int(late[-1])
        return late

    yield from _decoded(dataset, terms, heard, "local_ns")


def _decoded(
    dataset: Dataset, terms: Instrument, heard: Callable[[Rows, Ints], Ints] | None = None, *more: str
) -> Iterator[Columns]:
    """What has met the book, on the contract's grid; heard when it was made, unless ``heard`` says."""
    _check(dataset)
    for rows in dataset.scan((*COLUMNS, *more)):
        ts, ticks, lots, flags = (rows.data[name].to_numpy() for name in COLUMNS)
        then = heard(rows, ts) if heard else ts
        if flags.any() or int(ticks.min()) <= 0 or int(lots.min()) <= 0:
            use = (ticks > 0) & (lots > 0) & ((flags & int(OFF_BOOK)) == 0)
            ts, then, ticks, lots = ts[use], then[use], ticks[use], lots[use]
        tick = whole_ratio(rows.terms.tick_size, terms.tick_size, rows)
        lot = whole_ratio(rows.terms.lot_size, terms.lot_size, rows)
        yield ts, then, ticks if tick == 1 else ticks * tick, lots if lot == 1 else lots * lot


def _check(dataset: Dataset) -> None:
    if dataset.series.kind not in (Kind.TRADES, Kind.AGG_TRADES):
        raise StorageError(f"{dataset.series} cannot be walked through: give trades or agg_trades")


def _none_but_the_first(count: int) -> Ints:
    return np.zeros(count, dtype=np.int64)


def shortest_delay(dataset: Dataset) -> int:
    """ns between the recorder's and the venue's stamp at its least; below 0 where the clocks differ so."""
    least = [
        int((local - venue)[local > 0].min())
        for rows in dataset.scan(("venue_ns", "local_ns"))
        for venue, local in [(rows.data["venue_ns"].to_numpy(), rows.data["local_ns"].to_numpy())]
        if (local > 0).any()
    ]
    if not least:
        raise StorageError(f"{dataset.series} does not say when it was heard: use recorded=False")
    return min(least)


def whole_ratio(recorded: Decimal, ours: Decimal, rows: Rows) -> int:
    """How many of our steps one of the recording's is; StorageError where it is no whole number."""
    ratio = recorded / ours
    count = int(ratio)
    if count < 1 or count != ratio:
        raise StorageError(
            f"{rows.terms.symbol} was recorded in steps of {recorded}, which are no multiples of the "
            f"contract's {ours}: give terms that are as fine, or finer"
        )
    return count


def _merged(streams: Sequence[Iterator[Columns]]) -> Iterator[Ticks]:
    """By time, then by the instruments' order, then as recorded: the same for any size of batches."""
    heads: list[Columns | None] = [_next(stream) for stream in streams]
    going = [head is not None for head in heads]  # there may be more of it
    latest_ns = 0
    while any(head is not None for head in heads):
        known_ns = min((_last(head) for head, more in zip(heads, going, strict=True) if more), default=EVER)
        parts = []
        for place, head in enumerate(heads):
            if head is None:
                continue
            end = _before(head, known_ns)  # what is as late as that may have company in the next batch
            parts.append((place, _rows(head, 0, end)))
            rest = _rows(head, end, len(head[0]))
            more = _next(streams[place]) if going[place] and _last(head) == known_ns else None
            going[place] &= more is not None or _last(head) > known_ns
            heads[place] = _joined(rest, more)
        merged = _sorted(parts, latest_ns)
        if len(merged):
            latest_ns = int(merged.heard_ns[-1])
            yield merged


def _last(columns: Columns | None) -> int:
    return EVER if columns is None else int(columns[0][-1])


def _before(columns: Columns, ts_ns: int) -> int:
    return int(np.searchsorted(columns[0], ts_ns, side="left"))


def _rows(columns: Columns, begin: int, end: int) -> Columns:
    ts, heard, ticks, lots = (column[begin:end] for column in columns)
    return ts, heard, ticks, lots


def _joined(rest: Columns, more: Columns | None) -> Columns | None:
    if more is None:
        return rest if len(rest[0]) else None
    ts, heard, ticks, lots = (np.concatenate(pair) for pair in zip(rest, more, strict=True))
    return ts, heard, ticks, lots


def _next(stream: Iterator[Columns]) -> Columns | None:
    return next((columns for columns in stream if len(columns[0])), None)


def _sorted(parts: Sequence[tuple[int, Columns]], latest_ns: int) -> Ticks:
    """In one order; nothing is heard before ``latest_ns``, when the last of what came before was."""
    which = np.concatenate([np.full(len(columns[0]), place, dtype=np.int64) for place, columns in parts])
    columns = [np.concatenate([each[1][field] for each in parts]) for field in range(4)]
    order = np.argsort(columns[0], kind="stable")
    ts, heard, ticks, lots = (column[order] for column in columns)
    return Ticks(ts, np.maximum(np.maximum.accumulate(heard), latest_ns), ticks, lots, which[order])
