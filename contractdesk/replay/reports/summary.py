"""All figures of one replay, measured once: what ``result.metrics`` is, as a value, as text and as HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from contractdesk.domain.instrument import ContractKind
from contractdesk.replay.columns import whole_ns
from contractdesk.replay.orders import LIQUIDATED
from contractdesk.replay.reports import metrics
from contractdesk.replay.reports.metrics import Drawdown, Floats
from contractdesk.replay.reports.trips import OPEN
from contractdesk.replay.reports.wording import NONE, count, length, moment, money, number, percent

if TYPE_CHECKING:
    from contractdesk.replay.result import Result

_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top"


class Line(Struct, frozen=True):
    """One figure in words; ``name`` is the field that it is of."""

    group: str
    name: str
    title: str
    text: str


class Metrics(Struct, frozen=True, kw_only=True):
    """Money in ``asset``, times UTC ns, lengths ns, shares and returns fractions; formulas: ``metrics.py``.

    None: there is too little to say it.
    """

    asset: str
    start_ns: int
    end_ns: int
    start_equity: float
    end_equity: float
    net_profit: float  # of the equity, from the start to the end
    total_return: float  # of the starting equity
    gross_profit: float  # closed trips alone
    gross_loss: float  # <= 0
    open_profit: float  # net of the trips that are open at the end, at the last price
    fees: float  # + paid
    funding: float  # + received
    fills: int
    trips: int  # closed
    open_trips: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    average_win: float | None
    average_loss: float | None
    average_held_ns: float | None  # of closed trips
    drawdown: Drawdown
    annual_return: float | None
    sharpe: float | None
    sortino: float | None
    turnover: float
    turns: float  # turnover / starting equity
    time_in_position: float | None
    average_exposure: float | None  # gross notional / equity
    max_exposure: float | None
    maker_share: float | None
    slippage_cost: float  # of taking fills, against what the desk saw when it sent them; + is a loss
    slippage_bps: float | None  # mean over taking fills
    slippage_ticks: float | None
    assumed_ticks: float | None  # the model's share of it
    latency_ms: float | None  # mean, from sending to the fill, of taking orders that wait for no trigger
    refusals: int
    liquidations: int  # fills by which the venue has taken a position away
    under_stop: float | None  # of the time in positions: each one's covered part, weighted by its length
    longest_naked_ns: int  # the longest time that some contract was held without a confirmed stop

    def lines(self) -> tuple[Line, ...]:
        """Every figure with its unit, in the order in which they are read."""
        return tuple(
            Line(group, name, title, text)
            for group, rows in _worded(self).items()
            for name, title, text in rows
        )

    def __repr__(self) -> str:
        return self.text()

    def text(self) -> str:
        """A block of lines for a terminal."""
        lines, group = [], ""
        for line in self.lines():
            if line.group != group:
                group = line.group
                lines.append(group)
            lines.append(f"  {line.title:<34} {line.text:>24}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        groups = []
        for group in _worded(self):
            rows = "".join(
                f'<tr><td style="{_CELL}">{html.escape(line.title)}</td>'
                f'<td style="{_CELL};text-align:right"><b>{html.escape(line.text)}</b></td></tr>'
                for line in self.lines()
                if line.group == group
            )
            groups.append(
                f'<div style="display:inline-block;vertical-align:top;margin-right:28px">'
                f"<div><b>{html.escape(group)}</b></div><table>{rows}</table></div>"
            )
        return f"<div>{''.join(groups)}</div>"


Rows = tuple[tuple[str, str, str], ...]  # field, title, text


def _worded(m: Metrics) -> dict[str, Rows]:
    return {
        "Result": _result(m),
        "Drawdown and return": _returns(m),
        "Trips": _trips(m),
        "Trading": _trading(m),
        "Execution and safety": _safety(m),
    }


def _result(m: Metrics) -> Rows:
    def cash(value: float, *, signed: bool = True) -> str:
        return money(value, m.asset, signed=signed)

    return (
        ("net_profit", "net profit", cash(m.net_profit)),
        ("total_return", "of the starting equity", percent(m.total_return, signed=True)),
        ("start_equity", "equity at the start", cash(m.start_equity, signed=False)),
        ("end_equity", "equity at the end", cash(m.end_equity, signed=False)),
        ("gross_profit", "gross profit (trips that won)", cash(m.gross_profit)),
        ("gross_loss", "gross loss (trips that lost)", cash(m.gross_loss)),
        ("open_profit", "open at the end", cash(m.open_profit)),
        ("fees", "fees paid (in the net)", cash(m.fees, signed=False)),
        ("funding", "funding received (in the net)", cash(m.funding)),
    )


def _returns(m: Metrics) -> Rows:
    fall = m.drawdown
    recovered = moment(fall.recovered_ns) if fall.recovered_ns or not fall.fraction else "not yet"
    return (
        ("drawdown.fraction", "max drawdown", percent(fall.fraction)),
        ("drawdown.amount", "max drawdown in money", money(fall.amount, m.asset)),
        ("drawdown.peak_ns", "from its peak (UTC)", moment(fall.peak_ns)),
        ("drawdown.trough_ns", "to its trough (UTC)", moment(fall.trough_ns)),
        ("drawdown.recovered_ns", "recovered (UTC)", recovered),
        ("drawdown.underwater_ns", "longest time under water", length(fall.underwater_ns)),
        ("annual_return", "return a year, compounded", percent(m.annual_return, signed=True)),
        ("sharpe", "Sharpe ratio a year, daily", number(m.sharpe)),
        ("sortino", "Sortino ratio a year, daily", number(m.sortino)),
    )


def _trips(m: Metrics) -> Rows:
    return (
        ("trips", "round trips closed", f"{m.trips:,}"),
        ("open_trips", "open at the end", f"{m.open_trips:,}"),
        ("win_rate", "won", percent(m.win_rate, 1)),
        ("profit_factor", "profit factor", number(m.profit_factor)),
        ("expectancy", "expectancy a trip", money(m.expectancy, m.asset, signed=True)),
        ("average_win", "average win", money(m.average_win, m.asset, signed=True)),
        ("average_loss", "average loss", money(m.average_loss, m.asset, signed=True)),
        ("average_held_ns", "average time held", length(m.average_held_ns)),
    )


def _trading(m: Metrics) -> Rows:
    return (
        ("fills", "fills", f"{m.fills:,}"),
        ("turnover", "turnover", money(m.turnover, m.asset)),
        ("turns", "turnover / starting equity", f"{number(m.turns)} x"),
        ("maker_share", "of it as maker", percent(m.maker_share, 1)),
        ("time_in_position", "time in a position", percent(m.time_in_position, 1)),
        ("average_exposure", "average exposure / equity", percent(m.average_exposure)),
        ("max_exposure", "max exposure / equity", percent(m.max_exposure)),
    )


def _safety(m: Metrics) -> Rows:
    latency = NONE if m.latency_ms is None else length(m.latency_ms * 1e6)
    return (
        ("slippage_cost", "slippage of taking fills", money(m.slippage_cost, m.asset, signed=True)),
        ("slippage_bps", "mean slippage a fill", _with(number(m.slippage_bps, signed=True), "bps")),
        ("slippage_ticks", "the same in ticks", _with(number(m.slippage_ticks, signed=True), "ticks")),
        (
            "assumed_ticks",
            "of these assumed by the model",
            _with(number(m.assumed_ticks, signed=True), "ticks"),
        ),
        ("latency_ms", "from order to fill, on average", latency),
        ("refusals", "refused by rules", count(m.refusals, "intent")),
        ("liquidations", "liquidations", f"{m.liquidations:,}"),
        ("under_stop", "position time under a stop", percent(m.under_stop, 4)),
        ("longest_naked_ns", "longest without a stop", length(m.longest_naked_ns)),
    )


def _with(text: str, unit: str) -> str:
    return text if text == NONE else f"{text} {unit}"


# -- measuring ----------------------------------------------------------------------------------


def measure(result: Result) -> Metrics:
    """All figures of a result; the formulas are those of ``metrics``."""
    parts = (_of_equity(result), _of_trips(result), _of_fills(result), _of_execution(result))
    outcome = result.outcome
    return Metrics(
        asset=result.setup.asset,
        start_ns=outcome.start_ns,
        end_ns=outcome.end_ns,
        refusals=len(outcome.refusals),
        **{name: value for part in parts for name, value in part.items()},  # type: ignore[arg-type]
    )


Part = dict[str, object]


def _of_equity(result: Result) -> Part:
    outcome, setup = result.outcome, result.setup
    start, start_ns = float(setup.balance), outcome.start_ns
    times = whole_ns(result.equity.index)
    equity, gross = (result.equity[name].to_numpy(np.float64) for name in ("equity", "gross"))
    end = float(equity[-1]) if len(equity) else start
    daily = metrics.daily_equity(times, equity, start, late_ns=setup.models.latency.feed_ns)
    returns = metrics.daily_returns(daily)
    exposed = metrics.exposure(times, gross, equity, start_ns)
    return {
        "start_equity": start,
        "end_equity": end,
        "net_profit": end - start,
        "total_return": end / start - 1,
        "drawdown": metrics.drawdown(times, equity, start_ns, start),
        "annual_return": metrics.annual_return(start, end, outcome.end_ns - start_ns),
        "sharpe": metrics.sharpe(returns),
        "sortino": metrics.sortino(returns),
        "average_exposure": exposed[0] if exposed else None,
        "max_exposure": exposed[1] if exposed else None,
    }


def _of_trips(result: Result) -> Part:
    trips, outcome = result.trips, result.outcome
    closed = trips[trips["exit"] != OPEN]
    net, all_net = closed["net"].to_numpy(np.float64), trips["net"].to_numpy(np.float64)
    opened, held = whole_ns(trips["opened"]), whole_ns(trips["held"])
    return {
        "gross_profit": metrics.gross_profit(net),
        "gross_loss": metrics.gross_loss(net),
        "open_profit": float(all_net.sum() - net.sum()),
        "trips": len(closed),
        "open_trips": len(trips) - len(closed),
        "win_rate": metrics.win_rate(net),
        "profit_factor": metrics.profit_factor(net),
        "expectancy": metrics.expectancy(net),
        "average_win": metrics.average_win(net),
        "average_loss": metrics.average_loss(net),
        "average_held_ns": float(held[(trips["exit"] != OPEN).to_numpy()].mean()) if len(closed) else None,
        "time_in_position": metrics.time_in_position(opened, opened + held, outcome.start_ns, outcome.end_ns),
    }


def _of_fills(result: Result) -> Part:
    fills, outcome = result.fills, result.outcome
    notional = _notional(result)
    total = metrics.turnover(notional)
    return {
        "fees": float(sum(fill.fee for fill in outcome.fills)),
        "funding": float(sum(payment.amount for payment in outcome.payments)),
        "fills": len(fills),
        "turnover": total,
        "turns": total / float(result.setup.balance),
        "maker_share": metrics.maker_share(notional, fills["maker"].to_numpy(np.bool_)),
        "liquidations": int((fills["role"] == LIQUIDATED).sum()),
    }


def _notional(result: Result) -> Floats:
    """Of each fill, settle currency."""
    fills = result.fills
    units = {each.symbol: float(each.contract_size) for each in result.setup.instruments}
    inverse = {each.symbol for each in result.setup.instruments if each.kind is ContractKind.INVERSE}
    amount = fills["size"].to_numpy(np.float64) * fills["symbol"].map(units).to_numpy(np.float64)
    price = fills["price"].to_numpy(np.float64)
    value = np.where(fills["symbol"].isin(inverse).to_numpy(), amount / price, amount * price)
    return np.asarray(value, dtype=np.float64)


def _of_execution(result: Result) -> Part:
    slippage, protection = result.slippage, result.protection
    held = protection["held"].dt.total_seconds().to_numpy(np.float64)
    share = protection["under_stop"].to_numpy(np.float64)
    return {
        "slippage_cost": float(slippage["cost"].sum()),
        "slippage_bps": _mean(slippage["bps"].to_numpy(np.float64)),
        "slippage_ticks": _mean(slippage["ticks"].to_numpy(np.float64)),
        "assumed_ticks": _mean(slippage["assumed_ticks"].to_numpy(np.float64)),
        "latency_ms": _mean(slippage["latency_ms"].dropna().to_numpy(np.float64)),
        "under_stop": float(np.nansum(share * held) / held.sum()) if held.sum() else None,
        "longest_naked_ns": int(whole_ns(protection["longest_naked"]).max(initial=0)),
    }


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
