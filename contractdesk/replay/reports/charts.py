"""The charts of a report: price with what was done at it, equity, drawdown, trips, exposure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from contractdesk.domain.instrument import Instrument
from contractdesk.replay.columns import rows_of, whole_ns
from contractdesk.replay.reports.metrics import Floats, Ints
from contractdesk.replay.reports.svg import Mark, Plot
from contractdesk.replay.reports.wording import length, money, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from contractdesk.replay.result import Result

MOST_MARKS = 2_000  # of one kind: a page has to stay one that a browser opens
STOP_REACH = 0.6  # a stop farther away than so many times the price's range would flatten the price


def exposed(result: Result) -> Floats:
    """Signed notional in % of the equity at each row of ``equity``; NaN where there is no equity."""
    exposure, equity = (result.equity[name].to_numpy(np.float64) for name in ("exposure", "equity"))
    known = equity > 0
    return np.where(known, exposure / np.where(known, equity, 1.0) * 100, np.nan)


def charts_of(result: Result) -> str:
    """Every chart, on one axis of time."""
    span = (result.outcome.start_ns, int(whole_ns(result.equity.index)[-1]))
    prices = [_price(result, terms, span) for terms in result.setup.instruments]
    return "".join([*prices, *(plot.svg() for plot in _account(result, span))])


def _account(result: Result, span: tuple[int, int]) -> Iterator[Plot]:
    asset, start = result.setup.asset, float(result.setup.balance)
    times = np.concatenate(([span[0]], whole_ns(result.equity.index)))
    equity, drawdown, exposure = (
        np.concatenate(([first], values))
        for first, values in (
            (start, result.equity["equity"].to_numpy(np.float64)),
            (0.0, result.equity["drawdown"].to_numpy(np.float64)),
            (0.0, exposed(result)),
        )
    )
    plot = Plot(span, _reach(equity), 220, f"Equity, {asset}")
    plot.line(times, equity, "gain", "equity at bars' closes")
    yield plot
    plot = Plot(span, _reach(drawdown * 100, 0.0), 120, "Drawdown, % of the highest equity so far")
    plot.area(times, drawdown * 100, "loss", "drawdown")
    plot.line(times, drawdown * 100, "loss", "")
    yield plot
    yield _nets(result, span)
    plot = Plot(span, _reach(exposure, 0.0), 120, "Exposure, % of equity (+ long, - short)")
    plot.area(times, np.nan_to_num(exposure), "gain", "net notional / equity")
    yield plot


def _nets(result: Result, span: tuple[int, int]) -> Plot:
    asset, trips = result.setup.asset, result.trips.iloc[-MOST_MARKS:]
    ends = whole_ns(trips["opened"]) + whole_ns(trips["held"])
    marks = [
        Mark(
            int(end),
            row.net,
            f"{row.symbol} {row.direction}: {money(row.net, asset, signed=True)}, "
            f"held {length(row.held.value)}, {row.exit}",
        )
        for end, row in zip(ends, rows_of(trips), strict=True)
    ]
    title = f"Net of each round trip, {asset}{_of_all(len(marks), len(result.trips))}"
    plot = Plot(span, _reach(trips["net"].to_numpy(np.float64), 0.0), 130, title)
    plot.bars(marks)
    return plot


def _price(result: Result, terms: Instrument, span: tuple[int, int]) -> str:
    prices = result.prices[terms.symbol]
    fills = result.fills[result.fills["symbol"] == terms.symbol]
    stops = result.stops[result.stops["symbol"] == terms.symbol]
    lines = _with_end(whole_ns(stops["time"]), stops["price"].to_numpy(np.float64), span[1])
    seen = np.concatenate((prices.to_numpy(np.float64), fills["price"].to_numpy(np.float64)))
    plot = Plot(span, _reach(seen, near=lines[1]), 300, f"{terms.symbol}, {terms.quote}")
    plot.line(whole_ns(prices.index), prices.to_numpy(np.float64), "plain", "last price")
    plot.line(*lines, "stop", "stop", steps=True)
    _put_fills(plot, fills)
    return plot.svg()


def _put_fills(plot: Plot, fills: pd.DataFrame) -> None:
    """Entries as triangles, exits as crosses (stops) and squares (all others)."""
    entry, stop = fills["role"] == "entry", fills["role"] == "stop"
    bought = fills["side"] == "buy"
    for rows, shape, look, name in (
        (fills[entry & bought], "up", "gain", "bought to enter"),
        (fills[entry & ~bought], "down", "loss", "sold to enter"),
        (fills[stop], "cross", "stop", "stopped out"),
        (fills[~entry & ~stop], "square", "plain", "other exit"),
    ):
        shown = rows.iloc[-MOST_MARKS:]
        plot.marks(_marks(shown), shape, look, name + _of_all(len(shown), len(rows)))


def _marks(fills: pd.DataFrame) -> list[Mark]:
    times = whole_ns(fills["time"])
    return [
        Mark(int(at), row.price, f"{row.role}: {row.side} {row.size:g} at {row.price:g}, {row.time:%H:%M:%S}")
        for at, row in zip(times, rows_of(fills), strict=True)
    ]


def _of_all(shown: int, all_: int) -> str:
    return "" if shown == all_ else f" (the last {shown:,} of {all_:,})"


def _with_end(times: Ints, prices: Floats, end_ns: int) -> tuple[Ints, Floats]:
    """The last stop goes on to the end."""
    if not len(times):
        return times, prices
    return np.append(times, max(end_ns, int(times[-1]))), np.append(prices, prices[-1])


def _reach(values: Floats, *more: float, near: Floats | None = None) -> tuple[float, float]:
    """The lowest and the highest, and those of ``near`` that are close enough to show."""
    known = np.append(values[np.isfinite(values)], more)
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if near is None or not np.isfinite(near).any():
        return low, high
    room = STOP_REACH * (high - low)
    close = near[np.isfinite(near) & (near >= low - room) & (near <= high + room)]
    return min(low, *close.tolist()) if len(close) else low, max(high, *close.tolist()) if len(
        close
    ) else high


def spark_of(result: Result) -> str:
    """The equity as a small line for a notebook; its colours are its own."""
    values = result.equity["equity"].to_numpy(np.float64)
    if len(values) < 2:
        return ""
    low, high = float(values.min()), float(values.max())
    scaled = 38 - (values - low) / ((high - low) or 1.0) * 36
    step = max(1, len(values) // 300)
    points = " ".join(
        f"{x:.1f},{y:.1f}"
        for x, y in zip(np.linspace(1, 259, len(values))[::step], scaled[::step], strict=True)
    )
    words = f"equity from {number(values[0])} to {number(values[-1])}, {percent(values[-1] / values[0] - 1)}"
    return (
        f'<svg width="260" height="40" role="img" aria-label="{words}">'
        f'<polyline points="{points}" fill="none" stroke="#3d8bd9" stroke-width="1.5"/></svg>'
    )
