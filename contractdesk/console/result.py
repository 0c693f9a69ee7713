"""How a headless run ended: the desks note their last pictures, ``contractdesk run`` makes one file of them.

Every amount is in the desk's settle currency (``asset``), written as a decimal string: nothing is rounded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import DeskSnapshot, PositionRow, TradingState

if TYPE_CHECKING:
    from contractdesk.console.desk import Desk

VARIABLE = "CONTRACTDESK_RESULT"
FORMAT = 1  # of the file; it grows when a field changes its meaning


class Ending(IntEnum):
    """Exit codes of ``contractdesk run``; 2 is a command that cannot be carried out, and ran nothing."""

    WELL = 0
    NOTEBOOK_FAILED = 1  # a cell raised; its desks ended under their stops
    BREAKER = 3  # it tripped during the run, or is latched; also where a cell has reset it since
    UNPROTECTED = 4  # a position was left without a stop for all of it
    HALTED = 5  # the desk was halted when it ended: by a fault or a person
    LOST = 6  # the kernel died before the desk had said how it ended
    INTERRUPTED = 130  # Ctrl-C: the desks were halted, everything is under its stop
    TERMINATED = 143  # the same by SIGTERM, or a terminal that was closed


GRAVITY: Final = (
    Ending.WELL, Ending.NOTEBOOK_FAILED, Ending.HALTED, Ending.INTERRUPTED, Ending.TERMINATED, Ending.BREAKER,
    Ending.LOST, Ending.UNPROTECTED,
)  # fmt: skip
_SENTENCES: Final = {
    Ending.WELL: "every cell ran, and every desk ended well",
    Ending.NOTEBOOK_FAILED: "a cell raised",
    Ending.BREAKER: "the breaker tripped",
    Ending.UNPROTECTED: "a position was left without a stop for all of it",
    Ending.HALTED: "a desk was halted when it ended",
    Ending.LOST: "the kernel died before a desk had said how it ended; its stops stay on the venue",
    Ending.INTERRUPTED: "interrupted: the desks were halted, and their stops stay",
    Ending.TERMINATED: "terminated: the desks were halted, and their stops stay",
}


def gravest(endings: Iterable[Ending]) -> Ending:
    """The one that a person must know of first."""
    return max(endings, key=GRAVITY.index)


class Holding(Struct, frozen=True, kw_only=True):
    """A position that the desk left; ``size`` and ``guarded`` in contracts, ``size`` + long."""

    symbol: str
    size: Decimal
    entry_price: Decimal
    mark: Decimal | None
    unrealized_pnl: Decimal
    stop_price: Decimal | None
    guarded: Decimal  # of the size, under a stop that the venue has confirmed
    liquidation_price: Decimal | None
    origin: str  # "own", or "external": opened elsewhere, and left alone

    @property
    def naked(self) -> Decimal:
        """Own contracts without a stop."""
        return max(Decimal(0), abs(self.size) - self.guarded) if self.origin == "own" else Decimal(0)


class Tripping(Struct, frozen=True, kw_only=True):
    """The breaker: ``trips`` of this run, whether it still is latched, and why."""

    trips: int = 0
    latched: bool = False
    reason: str = ""


class Result(Struct, frozen=True, kw_only=True):
    """The last picture of one desk."""

    desk: str
    label: str  # EMBEDDED, PAPER, TESTNET or LIVE
    ended: bool  # False: the desk was opened, and never said how it ended
    state: str  # ACTIVE, REDUCING or HALTED; a desk that was closed in order is REDUCING
    state_reason: str
    asset: str
    equity: Decimal
    wallet_balance: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal  # fees and funding not included
    fees: Decimal  # + paid
    funding: Decimal  # + received
    fills: int
    positions: tuple[Holding, ...] = ()  # open ones
    protected: bool  # every own contract is under a stop that the venue has confirmed
    stops: int = 0  # that still stand
    breaker: Tripping = Tripping()
    warmups: tuple[str, ...] = ()  # the bars that each strategy began with

    @property
    def ending(self) -> Ending:
        if not self.ended:
            return Ending.LOST
        if not self.protected:
            return Ending.UNPROTECTED
        if self.breaker.trips or self.breaker.latched:
            return Ending.BREAKER
        return Ending.HALTED if self.state == TradingState.HALTED.value else Ending.WELL


class Report(Struct, frozen=True, kw_only=True):
    """The file that ``contractdesk run`` writes, whatever happened; times are ISO 8601 in UTC."""

    format: int = FORMAT
    exit_code: int
    exit_reason: str  # a name of ``Ending``, in lower case
    sentence: str  # the same for a person
    failure: str  # the cell that raised, and what; "" = none
    notebook: str
    output: str  # the executed notebook
    started: datetime
    ended: datetime
    duration_s: float
    desks: tuple[Result, ...]  # in the order in which they were opened

    @classmethod
    def of(
        cls, ending: Ending, *, failure: str, notebook: Path, output: Path, started: datetime,
        ended: datetime, took_s: float, desks: tuple[Result, ...],
    ) -> Report:  # fmt: skip
        return cls(
            exit_code=int(ending), exit_reason=ending.name.lower(), sentence=_SENTENCES[ending],
            failure=failure, notebook=str(notebook), output=str(output), started=started, ended=ended,
            duration_s=round(took_s, 3), desks=desks,
        )  # fmt: skip

    def write(self, path: Path) -> None:
        """All of it or nothing: a reader never finds half a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def result_of(desk: Desk, *, ended: bool, trips: int, warmups: tuple[str, ...]) -> Result:
    """What the desk's current picture says; ``trips`` of the breaker since it was opened."""
    snapshot, pnl = desk.snapshot, desk.pnl
    positions = tuple(_holding(row) for row in snapshot.positions if row.size)
    standing = [o for o in snapshot.orders if o.status.open and o.request.role is OrderRole.STOP]
    return Result(
        desk=desk.name,
        label=desk.label,
        ended=ended,
        state=snapshot.state.value,
        state_reason=snapshot.state_reason,
        asset=snapshot.asset,
        equity=snapshot.equity,
        wallet_balance=snapshot.wallet_balance,
        unrealized_pnl=snapshot.unrealized_pnl,
        realized_pnl=pnl.realized,
        fees=pnl.fees,
        funding=pnl.funding,
        fills=len(desk.fills),
        positions=positions,
        protected=not any(held.naked for held in positions),
        stops=len(standing),
        breaker=_tripping(snapshot, trips),
        warmups=warmups,
    )


def _holding(row: PositionRow) -> Holding:
    return Holding(**{name: getattr(row, name) for name in Holding.__struct_fields__})


def _tripping(snapshot: DeskSnapshot, trips: int) -> Tripping:
    gauge = next((gauge for gauge in snapshot.risk if gauge.rule == "breaker"), None)
    latched = gauge is not None and not gauge.passed
    return Tripping(trips=trips, latched=latched, reason=gauge.found if gauge and latched else "")


def write(result: Result) -> None:
    """Note the result in the file that ``CONTRACTDESK_RESULT`` names; nothing where it names none.

    A desk that is opened again in one run keeps its place, and the trips of the time before.
    """
    if not (path := os.environ.get(VARIABLE)):
        return
    results = read(Path(path))
    before = next((kept for kept in results if kept.desk == result.desk), None)
    if before is None:
        results.append(result)
    else:
        breaker = msgspec.structs.replace(result.breaker, trips=before.breaker.trips + result.breaker.trips)
        results[results.index(before)] = msgspec.structs.replace(result, breaker=breaker)
    _replace(Path(path), msgspec.json.encode(results))


def read(path: Path) -> list[Result]:
    """The results in the file; none where there is no file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Result])
    except FileNotFoundError:
        return []


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
