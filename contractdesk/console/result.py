"""How a headless run ended, in a file: ``contractdesk run`` turns it into an exit code."""

from __future__ import annotations

import os
from decimal import Decimal
from enum import IntEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import DeskSnapshot, TradingState

VARIABLE = "CONTRACTDESK_RESULT"


class Ending(IntEnum):
    """Exit codes of ``contractdesk run``."""

    WELL = 0
    NOTEBOOK_FAILED = 1
    HALTED = 3  # the desk was halted when it ended: by the breaker, a fault or a person
    UNPROTECTED = 4  # a position was left without a stop for all of it


class Result(Struct, frozen=True, kw_only=True):
    """The last picture of one desk; amounts in the settle currency."""

    desk: str
    label: str
    state: str
    state_reason: str
    equity: Decimal
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    fills: int
    positions: dict[str, Decimal]  # open ones, contracts
    unprotected: dict[str, Decimal]  # contracts without a stop
    stops: int  # that still stand
    warmups: tuple[str, ...] = ()  # the bars that each strategy began with

    @property
    def ending(self) -> Ending:
        if any(self.unprotected.values()):
            return Ending.UNPROTECTED
        return Ending.HALTED if self.state == TradingState.HALTED.value else Ending.WELL


def result_of(
    desk: str,
    label: str,
    snapshot: DeskSnapshot,
    realized: Decimal,
    fees: Decimal,
    funding: Decimal,
    fills: int,
    warmups: tuple[str, ...],
) -> Result:
    """What ``snapshot`` says of the desk's end."""
    own = [row for row in snapshot.positions if row.size and row.origin == "own"]
    standing = [o for o in snapshot.orders if o.status.open and o.request.role is OrderRole.STOP]
    return Result(
        desk=desk,
        label=label,
        state=snapshot.state.value,
        state_reason=snapshot.state_reason,
        equity=snapshot.equity,
        wallet_balance=snapshot.wallet_balance,
        unrealized_pnl=snapshot.unrealized_pnl,
        realized_pnl=realized,
        fees=fees,
        funding=funding,
        fills=fills,
        positions={row.symbol: row.size for row in own},
        unprotected={row.symbol: abs(row.size) - row.guarded for row in own if row.guarded < abs(row.size)},
        stops=len(standing),
        warmups=warmups,
    )


def write(result: Result) -> None:
    """Add the result to the file that ``CONTRACTDESK_RESULT`` names; nothing where it names none."""
    if not (path := os.environ.get(VARIABLE)):
        return
    results = [kept for kept in read(Path(path)) if kept.desk != result.desk]
    temporary = Path(f"{path}.new")
    temporary.write_bytes(msgspec.json.encode([*results, result]))
    temporary.replace(path)


def read(path: Path) -> list[Result]:
    """The results in the file; none where there is no file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Result])
    except FileNotFoundError:
        return []
