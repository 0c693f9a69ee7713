"""What a replay has found, as tables: fills, trips, equity, refusals, and what was assumed.

Charts for a notebook are made on the console's side: ``cd.charts(result)``; a replay knows no widgets.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contractdesk.domain.events import FundingPaid
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.columns import stamps
from contractdesk.replay.orders import FOREIGN, Sent, sent_of
from contractdesk.replay.outcome import Outcome
from contractdesk.replay.reports.cover import covers_of
from contractdesk.replay.reports.cover import line as stop_line
from contractdesk.replay.reports.cover import table as cover_table
from contractdesk.replay.reports.page import brief_of, page_of, text_of
from contractdesk.replay.reports.slippage import table as slippage_table
from contractdesk.replay.reports.summary import Metrics, measure
from contractdesk.replay.reports.trips import Trip, trips_of
from contractdesk.replay.reports.trips import table as trip_table

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """One run. Amounts are in the settle currency, times UTC; tables are made when they are asked for."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.setup = outcome.setup
        self.engine = outcome.engine  # as it was at the end: its view, its positions, why(...)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was taken for granted, in words."""
        return self.setup.assumptions()

    # -- tables ----------------------------------------------------------------------------

    @cached_property
    def fills(self) -> pd.DataFrame:
        """Our executions, oldest first: time, symbol, side, size, price, fee, liquidity, role, strategy."""
        import pandas as pd

        rows = [
            {
                "time": fill.venue_ns,
                "symbol": fill.symbol,
                "side": "buy" if fill.signed_size > 0 else "sell",
                "size": float(fill.size),
                "price": float(fill.price),
                "fee": float(fill.fee),
                "maker": fill.liquidity is Liquidity.MAKER,
                "role": self._sent.get(fill.client_id, FOREIGN).role,
                "strategy": self._sent.get(fill.client_id, FOREIGN).strategy,
                "client_id": fill.client_id,
            }
            for fill in self.outcome.fills
        ]
        columns = ["time", "symbol", "side", "size", "price", "fee", "maker", "role", "strategy", "client_id"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["time"] = pd.to_datetime(frame["time"], unit="ns", utc=True)
        return frame

    @cached_property
    def equity(self) -> pd.DataFrame:
        """At each bar's close, and at the end: equity, wallet, exposure (signed notional), gross, drawdown.

        ``gross`` is the sum of all positions' unsigned notional, ``drawdown`` a fraction, <= 0.
        """
        import pandas as pd

        closes = self.outcome.closes
        times = np.array([row[0] for row in closes], dtype=np.int64)
        wallet = np.full(len(times), float(self.setup.balance))
        floating, exposure, gross = (np.zeros(len(times)) for _ in range(3))
        for place in range(len(self.setup.instruments)):
            prices = np.array([row[place + 1] for row in closes], dtype=np.float64)
            made = self._made(place, times, prices)
            wallet, floating, exposure = wallet + made[0], floating + made[1], exposure + made[2]
            gross = gross + np.abs(made[2])
        equity = wallet + floating
        peak = np.maximum.accumulate(np.maximum(equity, float(self.setup.balance))) if len(equity) else equity
        columns = {
            "equity": equity, "wallet": wallet, "exposure": exposure, "gross": gross,
            "drawdown": equity / peak - 1,
        }  # fmt: skip
        return pd.DataFrame(columns, index=pd.to_datetime(times, unit="ns", utc=True).rename("time"))

    @cached_property
    def refusals(self) -> pd.DataFrame:
        """What the gate has refused: time, symbol, rule, found, limit, would_pass, strategy."""
        import pandas as pd

        columns = ["time", "symbol", "rule", "found", "limit", "would_pass", "strategy"]
        rows = [
            (row.ts_ns, row.symbol, row.rule, row.found, row.limit, row.would_pass, row.strategy_id)
            for row in self.outcome.refusals
        ]
        frame = pd.DataFrame(rows, columns=columns)
        frame["time"] = pd.to_datetime(frame["time"], unit="ns", utc=True)
        return frame

    @cached_property
    def trips(self) -> pd.DataFrame:
        """Round trips, in the order in which they began; a reversal ends one and begins the next.

        symbol, direction, opened, closed (NaT: open), size (contracts entered), entry_price, exit_price
        (averages; what is open counts at the last price), profit (before fees), fees, funding, net, held,
        bars, exit (stop, exit, take_profit, flatten, liquidation, reversal, open), strategy.
        """
        trips = sorted((trip for own in self._trips.values() for trip in own), key=attrgetter("opened_ns"))
        return trip_table(trips, self.setup, self.outcome.end_ns)

    @cached_property
    def slippage(self) -> pd.DataFrame:
        """Taking fills against what the desk saw when it sent the order; see ``slippage.table``."""
        return slippage_table(self.outcome, self._sent)

    @cached_property
    def protection(self) -> pd.DataFrame:
        """How long each position was held, and how long not wholly under a confirmed stop.

        One row a trip: symbol, direction, opened, held, naked, longest_naked (timedeltas), and under_stop
        (covered contract-time of all contract-time). A stop counts from when the desk has heard of it.
        """
        return cover_table(covers_of(self.outcome, self._trips), self.outcome.end_ns)

    @cached_property
    def stops(self) -> pd.DataFrame:
        """Where the protective stops lay: time, symbol, price from then on (NaN: there was none)."""
        return stop_line(self.outcome)

    @cached_property
    def prices(self) -> pd.DataFrame:
        """Last price at each bar's close, and at the end; a column a contract, NaN before the first trade."""
        import pandas as pd

        rows = np.array(self.outcome.closes, dtype=np.int64)
        columns = {
            terms.symbol: np.where(rows[:, at] > 0, rows[:, at] * float(terms.tick_size), np.nan)
            for at, terms in enumerate(self.setup.instruments, start=1)
        }
        return pd.DataFrame(columns, index=stamps(rows[:, 0]).rename("time"))

    @cached_property
    def metrics(self) -> Metrics:
        """The figures: net profit, drawdown, ratios, exposure, costs, protection."""
        return measure(self)

    # -- faces -----------------------------------------------------------------------------

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one HTML file that needs no other; returns where it is."""
        target = Path(path)
        target.write_text(page_of(self), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return brief_of(self)

    @property
    def refused(self) -> dict[str, int]:
        """How often each rule has refused."""
        return dict(Counter(row.rule for row in self.outcome.refusals))

    # -- inside ----------------------------------------------------------------------------

    @cached_property
    def _sent(self) -> dict[str, Sent]:
        return sent_of(self.outcome)

    @cached_property
    def _trips(self) -> dict[str, list[Trip]]:
        """By contract, each one's in the order of time."""
        outcome = self.outcome
        return {
            terms.symbol: trips_of(
                terms,
                [fill for fill in outcome.fills if fill.symbol == terms.symbol],
                [payment for payment in outcome.payments if payment.symbol == terms.symbol],
                self._sent,
                terms.from_ticks(outcome.closes[-1][at]) if outcome.closes[-1][at] else None,
            )
            for at, terms in enumerate(self.setup.instruments, start=1)
        }

    def _bookings(self, symbol: str) -> list[Fill | FundingPaid]:
        """Fills and funding payments of a contract, in the order of the venue's time."""
        found: list[Fill | FundingPaid] = [row for row in self.outcome.fills if row.symbol == symbol]
        found += [row for row in self.outcome.payments if row.symbol == symbol]
        return sorted(found, key=lambda row: row.venue_ns)

    def _made(self, place: int, times: Any, ticks: Any) -> tuple[Any, Any, Any]:
        """(booked, unrealized, exposure) of one contract at ``times``, from its fills and payments alone."""
        terms = self.setup.instruments[place]
        linear, unit = terms.kind is ContractKind.LINEAR, float(terms.contract_size)
        size = cost = booked = 0.0
        stamps, states = [], []
        for event in self._bookings(terms.symbol):
            if isinstance(event, FundingPaid):
                booked += float(event.amount)
            else:
                size, cost, gained = _fold(terms, size, cost, float(event.signed_size), float(event.price))
                booked += gained - float(event.fee)
            stamps.append(event.venue_ns)
            states.append((size, cost, booked))
        table = np.array([(0.0, 0.0, 0.0), *states])
        at = table[np.searchsorted(np.array(stamps, dtype=np.int64), times, side="right")]
        price = np.where(ticks > 0, ticks * float(terms.tick_size), np.nan)
        value = at[:, 0] * unit * price if linear else at[:, 0] * unit / price
        unrealized = value - at[:, 1] if linear else at[:, 1] - value
        held = at[:, 0] != 0
        return at[:, 2], np.where(held, unrealized, 0.0), np.where(held, value, 0.0)


def _fold(
    terms: Instrument, size: float, cost: float, change: float, price: float
) -> tuple[float, float, float]:
    """(size, cost, realized) after a fill, in floats: one that crosses zero closes, then opens."""
    unit, linear = float(terms.contract_size), terms.kind is ContractKind.LINEAR

    def value(contracts: float) -> float:
        return contracts * unit * price if linear else contracts * unit / price

    closed = 0.0 if size * change >= 0 else np.sign(size) * min(abs(size), abs(change))
    cost_closed = cost * closed / size if closed else 0.0
    gained = value(closed) - cost_closed if linear else cost_closed - value(closed)
    opened = change + closed
    after = round(size + change, 12)
    return after, (cost - cost_closed + value(opened)) if after else 0.0, gained
