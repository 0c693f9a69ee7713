"""How a replay begins: what the desk is told at its start, and what is known to come, each at its time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from contractdesk.domain.account import PositionMode
from contractdesk.domain.commands import Command
from contractdesk.domain.events import (
    ClockMeasured,
    Event,
    FundingHistoryRead,
    FundingSettled,
    InstrumentListed,
    ModesRead,
    OpenInterestRead,
    StrategyStarted,
    StreamName,
    StreamRestored,
    VenueStateRead,
)
from contractdesk.replay.setup import STRATEGY_IDS, Setup
from contractdesk.replay.walk_layout import FOREVER

BEFORE_NS = 24 * 3600 * 10**9  # so far back of the start, funding is known


class Settlement(Struct, frozen=True):
    """Funding that the venue settles."""

    place: int
    rate: Decimal


Item = Command | Event | Settlement


def desk_events(setup: Setup, state: VenueStateRead, now_ns: int) -> Iterator[Event]:
    """The sequence that makes an engine ready, and what it knows of funding."""
    for terms in setup.instruments:
        yield InstrumentListed(ts_ns=now_ns, instrument=terms)
    leverages = {terms.symbol: setup.leverage for terms in setup.instruments}
    mode = PositionMode.ONE_WAY
    yield ModesRead(ts_ns=now_ns, position_mode=mode, margin_modes={}, leverages=leverages)
    yield ClockMeasured(ts_ns=now_ns, offset_ms=0.0, rtt_ms=0.0)
    yield StreamRestored(ts_ns=now_ns, stream=StreamName.PRIVATE)
    yield state
    for terms in setup.instruments:
        since_ns = now_ns - BEFORE_NS
        yield FundingHistoryRead(ts_ns=now_ns, symbol=terms.symbol, since_ns=since_ns, until_ns=FOREVER)


def to_come(setup: Setup, now_ns: int, delay_ns: int) -> Iterator[tuple[int, Item]]:
    """(when, what) of funding and open interest: each is told when it is known, and not before."""
    for place, terms in enumerate(setup.instruments):
        symbol = terms.symbol
        for row in setup.funding.get(symbol, ()):
            heard_ns = max(row.ts_ns + delay_ns, now_ns)
            if row.ts_ns >= now_ns:
                yield row.ts_ns, Settlement(place, row.rate)
            yield heard_ns, FundingSettled(ts_ns=heard_ns, symbol=symbol, rate=row.rate, funding_ns=row.ts_ns)
        for read in setup.interest.get(symbol, ()):
            heard_ns = max(read.ts_ns + delay_ns, now_ns)
            told = OpenInterestRead(ts_ns=heard_ns, symbol=symbol, amount=read.amount, venue_ns=read.ts_ns)
            yield heard_ns, told


def strategy_events(setup: Setup, now_ns: int) -> Iterator[Event]:
    for place, strategy in enumerate(setup.strategies):
        name = STRATEGY_IDS.format(place=place)
        yield StrategyStarted(
            ts_ns=now_ns,
            who="replay",
            strategy_id=name,
            class_name=type(strategy).__name__,
            source_hash=name,
            params=strategy.params,
            symbols=strategy.symbols,
            timeframe=strategy.timeframe,
        )
