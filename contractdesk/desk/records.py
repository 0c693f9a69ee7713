"""What the tables need beyond the snapshot, since the desk was opened: all fills with their profit, and
every funding fact. Bounded: the last ``KEPT`` of each, and as many identities by which repeats are known.
What can come twice is younger: the 200 fills of a picture, nine days of a symbol's settled rates."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from contractdesk.domain.events import Event, FundingPaid, FundingSettled
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.position import Position
from contractdesk.domain.views import DeskSnapshot, Notice
from contractdesk.engine.breaking import TRIPPED
from contractdesk.engine.state import Desk

KEPT = 50_000
K = TypeVar("K")


class Booking(Struct, frozen=True, kw_only=True):
    """What one fill or one funding payment did to the account, in the settle currency."""

    venue_ns: int
    symbol: str
    strategy_id: str
    realized_pnl: Decimal = ZERO  # fees and funding not included
    fee: Decimal = ZERO  # + paid
    funding: Decimal = ZERO  # + received

    @property
    def net(self) -> Decimal:
        return self.realized_pnl - self.fee + self.funding


class Records:
    """Written on the desk's loop; readers take copies (``list(...)`` of a deque is atomic enough)."""

    def __init__(self) -> None:
        self.payments: deque[FundingPaid] = deque(maxlen=KEPT)
        self.rates: deque[FundingSettled] = deque(maxlen=KEPT)
        self.fills: deque[Fill] = deque(maxlen=KEPT)
        self.bookings: deque[Booking] = deque(maxlen=KEPT)
        self.trips = 0  # of the breaker, since it was opened
        self._tripped_ns = 0  # the last one that is counted, or is of an earlier session
        self._positions: dict[str, Position] = {}
        self._owners: dict[str, str] = {}
        self._seen_fills: dict[tuple[str, str], None] = {}
        self._seen_payments: dict[str, None] = {}
        self._seen_rates: dict[tuple[str, int], None] = {}

    def begin(self, state: Desk) -> None:
        """Take a recovered desk's positions as they are: what made them is of an earlier session."""
        self._tripped_ns = max(_trips(state.notices), default=0)
        self._seen_fills.update(((fill.symbol, fill.identity), None) for fill in state.fills)
        for symbol, market in state.symbols.items():
            self._seen_payments.update(market.payment_ids)
            self._positions[symbol] = market.position
            self._owners[symbol] = market.guard.strategy_id

    def saw(self, event: Event) -> None:
        """Keep funding facts; a repeat changes nothing."""
        match event:
            case FundingPaid(payment_id=payment_id) if payment_id not in self._seen_payments:
                _remember(self._seen_payments, payment_id)
                self.payments.append(event)
                self.bookings.append(
                    Booking(
                        venue_ns=event.venue_ns,
                        symbol=event.symbol,
                        strategy_id=self._owners.get(event.symbol, ""),
                        funding=event.amount,
                    )
                )
            case FundingSettled(symbol=symbol, funding_ns=ns) if (symbol, ns) not in self._seen_rates:
                _remember(self._seen_rates, (symbol, ns))
                self.rates.append(event)
            case _:
                pass

    def collect(self, snapshot: DeskSnapshot) -> None:
        """Take over the fills that the engine has booked since the last snapshot, and count trips."""
        fresh_trips = [ts_ns for ts_ns in _trips(snapshot.notices) if ts_ns > self._tripped_ns]
        self.trips += len(fresh_trips)
        self._tripped_ns = max([self._tripped_ns, *fresh_trips])
        fresh = [fill for fill in snapshot.fills if (fill.symbol, fill.identity) not in self._seen_fills]
        for fill in sorted(fresh, key=lambda fill: fill.ts_ns):
            listed = snapshot.symbols.get(fill.symbol)
            if listed is not None:
                self._book(fill, listed.instrument)

    def _book(self, fill: Fill, instrument: Instrument) -> None:
        _remember(self._seen_fills, (fill.symbol, fill.identity))
        before = self._positions.get(fill.symbol, Position(symbol=fill.symbol))
        after = before.apply(fill, instrument)
        self._positions[fill.symbol] = after
        self._owners[fill.symbol] = fill.strategy_id
        self.fills.append(fill)
        self.bookings.append(
            Booking(
                venue_ns=fill.venue_ns,
                symbol=fill.symbol,
                strategy_id=fill.strategy_id,
                realized_pnl=after.realized_pnl - before.realized_pnl,
                fee=fill.fee,
            )
        )


def _remember(seen: dict[K, None], identity: K) -> None:
    """Add it; the oldest beyond ``KEPT`` is forgotten."""
    seen[identity] = None
    if len(seen) > KEPT:
        del seen[next(iter(seen))]


def _trips(notices: Iterable[Notice]) -> Iterator[int]:
    return (notice.ts_ns for notice in notices if notice.code == TRIPPED)
