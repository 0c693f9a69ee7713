"""What a replay has found, as tables: fills, trips, equity, refusals, and what was assumed."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from contractdesk.domain.commands import PlaceStop, ReduceOrder, SubmitOrder
from contractdesk.domain.events import FundingPaid
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.replay.runner import Outcome

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

        roles = self._roles()
        rows = [
            {
                "time": fill.venue_ns,
                "symbol": fill.symbol,
                "side": "buy" if fill.signed_size > 0 else "sell",
                "size": float(fill.size),
                "price": float(fill.price),
                "fee": float(fill.fee),
                "maker": fill.liquidity is Liquidity.MAKER,
                "role": roles.get(fill.client_id, ("liquidation", ""))[0],
                "strategy": roles.get(fill.client_id, ("", ""))[1],
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
        """Equity, wallet, exposure (signed notional) and drawdown at each bar's close."""
        import pandas as pd

        closes = self.outcome.closes
        times = np.array([row[0] for row in closes], dtype=np.int64)
        wallet = np.full(len(times), float(self.setup.balance))
        floating, exposure = np.zeros(len(times)), np.zeros(len(times))
        for place in range(len(self.setup.instruments)):
            prices = np.array([row[place + 1] for row in closes], dtype=np.float64)
            made = self._made(place, times, prices)
            wallet, floating, exposure = wallet + made[0], floating + made[1], exposure + made[2]
        equity = wallet + floating
        peak = np.maximum.accumulate(np.maximum(equity, float(self.setup.balance))) if len(equity) else equity
        columns = {
            "equity": equity, "wallet": wallet, "exposure": exposure, "drawdown": equity / peak - 1,
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

    @property
    def refused(self) -> dict[str, int]:
        """How often each rule has refused."""
        return dict(Counter(row.rule for row in self.outcome.refusals))

    # -- inside ----------------------------------------------------------------------------

    def _roles(self) -> dict[str, tuple[str, str]]:
        """(role, strategy) by client id."""
        found: dict[str, tuple[str, str]] = {}
        for _, command in self.outcome.commands:
            match command:
                case SubmitOrder(approved=approved):
                    request = approved.request
                    found[request.client_id] = (request.role.name.lower(), request.strategy_id)
                case PlaceStop():
                    found[command.client_id] = ("stop", command.strategy_id)
                case ReduceOrder():
                    found[command.client_id] = (command.role.name.lower(), command.strategy_id)
                case _:
                    pass
        return found

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
