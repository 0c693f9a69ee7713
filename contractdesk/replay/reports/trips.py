"""Round trips: from flat to flat. A fill that crosses zero ends one trip and begins the next.

Law: the nets of all trips, the open one at the last price, add up to the change of the equity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.events import FundingPaid
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO, Instrument, cash
from contractdesk.domain.market import timeframe_ns
from contractdesk.domain.position import Position
from contractdesk.replay.columns import spans, stamps
from contractdesk.replay.orders import FOREIGN, Sent
from contractdesk.replay.setup import DEFAULT_BAR_NS, STRATEGY_IDS, Setup

if TYPE_CHECKING:
    import pandas as pd

OPEN = "open"  # the exit of a trip that has none yet
REVERSAL = "reversal"  # an entry to the other side that has closed the position on its way
COLUMNS = (
    "symbol", "direction", "opened", "closed", "size", "entry_price", "exit_price", "profit", "fees",
    "funding", "net", "held", "bars", "exit", "strategy",
)  # fmt: skip


class Trip(Struct, kw_only=True):
    """One round trip; amounts in the settle currency, sizes in contracts, times UTC ns by the venue."""

    symbol: str
    sign: int  # +1 long, -1 short
    opened_ns: int
    strategy: str = ""
    closed_ns: int = 0  # 0: it is open
    size: Decimal = ZERO  # all that was entered
    left: Decimal = ZERO  # of it, what is still held
    paid: Fraction = Fraction(0)  # exact value of the entries, and of the exits
    got: Fraction = Fraction(0)
    entry_price: Decimal = ZERO  # averages
    exit_price: Decimal = ZERO  # of an open trip: what is left counts at the last price
    profit: Decimal = ZERO  # before fees and funding
    fees: Decimal = ZERO  # + paid
    funding: Decimal = ZERO  # + received
    exit: str = OPEN  # the role of the fill that ended it

    @property
    def direction(self) -> str:
        return "long" if self.sign > 0 else "short"

    @property
    def net(self) -> Decimal:
        return self.profit - self.fees + self.funding


def trips_of(
    terms: Instrument,
    fills: Sequence[Fill],
    payments: Sequence[FundingPaid],
    sent: Mapping[str, Sent],
    last: Decimal | None,
) -> list[Trip]:
    """All trips of one contract, oldest first; ``fills`` and ``payments`` are its own, in order of time.

    ``last`` is the price at the end, at which what is open is marked (None: at cost).
    """
    ledger = _Ledger(terms, sent)
    for booking in _merged(fills, payments):
        if isinstance(booking, FundingPaid):
            ledger.pay(booking)
        else:
            ledger.book(booking)
    return ledger.finish(last)


def _merged(fills: Sequence[Fill], payments: Sequence[FundingPaid]) -> list[Fill | FundingPaid]:
    """At one moment the settlement comes first: it was of the position before the trade."""
    rows: list[Fill | FundingPaid] = [*payments, *fills]
    return sorted(rows, key=attrgetter("venue_ns"))


def _pieces(fill: Fill, size: Decimal) -> Iterator[Fill]:
    """A fill as what it closes of ``size`` and what it opens; the fee is split in proportion, exactly."""
    if size * fill.signed_size >= 0 or fill.size <= abs(size):
        yield fill
        return
    fee = cash(Fraction(fill.fee) * Fraction(abs(size)) / Fraction(fill.size))
    yield replace(fill, signed_size=-size, fee=fee)
    yield replace(fill, signed_size=fill.signed_size + size, fee=fill.fee - fee)


class _Ledger:
    """Folds one contract's bookings."""

    def __init__(self, terms: Instrument, sent: Mapping[str, Sent]) -> None:
        self._terms = terms
        self._sent = sent
        self._position = Position(symbol=terms.symbol)
        self._trips: list[Trip] = []

    def pay(self, payment: FundingPaid) -> None:
        self._trips[-1].funding += payment.amount

    def book(self, fill: Fill) -> None:
        for piece in _pieces(fill, self._position.size):
            self._book(piece)

    def _book(self, fill: Fill) -> None:
        before, sent = self._position, self._sent.get(fill.client_id, FOREIGN)
        sign = 1 if fill.signed_size > 0 else -1
        if before.flat:
            self._trips.append(
                Trip(symbol=fill.symbol, sign=sign, opened_ns=fill.venue_ns, strategy=sent.strategy)
            )
        trip = self._trips[-1]
        after = self._position = before.apply(fill, self._terms)
        value = abs(self._terms.cost(fill.size, fill.price))
        trip.fees += fill.fee
        trip.profit += after.realized_pnl - before.realized_pnl
        if sign == trip.sign:
            trip.size, trip.paid = trip.size + fill.size, trip.paid + value
        else:
            trip.got += value
        trip.left = abs(after.size)
        if after.flat:
            trip.closed_ns = fill.venue_ns
            trip.exit = REVERSAL if sent.role == "entry" else sent.role

    def finish(self, last: Decimal | None) -> list[Trip]:
        """Average prices, and the mark of what is open."""
        terms = self._terms
        for trip in self._trips:
            trip.entry_price = terms.average_price(trip.size, trip.paid)
            if trip.left and last is not None:
                trip.profit += self._position.unrealized_pnl(terms, last)
                trip.got += terms.cost(trip.left, last)
            out = trip.size if last is not None else trip.size - trip.left
            trip.exit_price = terms.average_price(out, trip.got)
        return self._trips


def table(trips: Sequence[Trip], setup: Setup, end_ns: int) -> pd.DataFrame:
    """Trips as a DataFrame; an open one has no ``closed`` and is held until ``end_ns``.

    ``bars``: closes of the strategy's timeframe that it has lived through.
    """
    import pandas as pd

    bars = {
        STRATEGY_IDS.format(place=place): timeframe_ns(each.timeframe)
        for place, each in enumerate(setup.strategies)
    }
    frame = pd.DataFrame([_row(trip, bars, end_ns) for trip in trips], columns=list(COLUMNS))
    frame["opened"], frame["closed"] = stamps(frame["opened"]), stamps(frame["closed"])
    frame["held"] = spans(frame["held"])
    return frame


def _row(trip: Trip, bars: Mapping[str, int], end_ns: int) -> tuple[object, ...]:
    until_ns, bar_ns = trip.closed_ns or end_ns, bars.get(trip.strategy, DEFAULT_BAR_NS)
    numbers = (
        trip.size,
        trip.entry_price,
        trip.exit_price,
        trip.profit,
        trip.fees,
        trip.funding,
        trip.net,
    )
    return (
        trip.symbol,
        trip.direction,
        trip.opened_ns,
        trip.closed_ns,
        *map(float, numbers),
        until_ns - trip.opened_ns,
        until_ns // bar_ns - trip.opened_ns // bar_ns,
        trip.exit,
        trip.strategy,
    )
