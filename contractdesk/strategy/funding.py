"""What funding does to a position: the payment of the next settlement, and what it does to a profit.

A payment is + received, in the settle currency: at a positive rate longs pay shorts (Binance, "Introduction
to Binance Futures Funding Rates": rate x notional at the mark). Pure arithmetic over frozen pictures.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.histories import HOUR_NS
from contractdesk.domain.instrument import ZERO, Instrument, cash
from contractdesk.domain.views import DeskSnapshot, PositionRow, SymbolSnapshot


class FundingRow(Struct, frozen=True, kw_only=True):
    """One symbol in the funding ledger; None stands for what is not known."""

    symbol: str
    size: Decimal  # contracts of ours; + long, - short
    rate: Decimal | None  # predicted, of the next settlement
    interval_hours: int | None  # between settlements, as they have come
    next_ns: int  # the next settlement; 0: none is announced
    predicted: Decimal | None  # its payment, at the current mark; + received
    accrued: Decimal  # payments booked since the position was opened; + received
    break_even_hours: float | None  # see ``break_even_hours``
    settled_8h: Decimal | None  # sum of the rates settled in the last 8 hours
    limit_8h: Decimal | None  # above which the funding gate enters no long


def payment(instrument: Instrument, size: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """What one settlement at ``rate`` and ``mark`` books for ``size`` (signed) contracts; + received."""
    return cash(_exact(instrument, size, mark, rate))


def break_even_hours(
    instrument: Instrument,
    size: Decimal,
    mark: Decimal,
    rate: Decimal,
    interval_ns: int,
    unrealized_pnl: Decimal,
) -> float | None:
    """Hours of funding at ``rate`` that cost the whole unrealized profit.

    None where funding costs nothing, where there is no profit to eat, and where the interval is not known.
    """
    cost = -_exact(instrument, size, mark, rate)
    if cost <= 0 or unrealized_pnl <= 0 or interval_ns <= 0:
        return None
    return float(Fraction(unrealized_pnl) / cost * Fraction(interval_ns, HOUR_NS))


def ledger(picture: DeskSnapshot) -> tuple[FundingRow, ...]:
    """A row for each symbol whose mark is known, and for each that we hold."""
    own = {row.symbol: row for row in picture.positions if row.origin == "own"}
    return tuple(
        _row(item, own.get(symbol), picture.funding_limit)
        for symbol, item in picture.symbols.items()
        if item.mark is not None or symbol in own
    )


def _row(item: SymbolSnapshot, held: PositionRow | None, limit: Decimal | None) -> FundingRow:
    instrument, mark, rate = item.instrument, item.mark, item.funding_rate
    size, interval_ns = held.size if held else ZERO, item.funding_interval_ns
    predicted = hours = None
    if mark is not None and rate is not None:
        predicted = payment(instrument, size, mark, rate)
        profit = held.unrealized_pnl if held else ZERO
        hours = break_even_hours(instrument, size, mark, rate, interval_ns, profit)
    return FundingRow(
        symbol=instrument.symbol,
        size=size,
        rate=rate,
        interval_hours=interval_ns // HOUR_NS or None,
        next_ns=item.next_funding_ns,
        predicted=predicted,
        accrued=held.accrued_funding if held else ZERO,
        break_even_hours=hours,
        settled_8h=item.settled_rates,
        limit_8h=limit,
    )


def _exact(instrument: Instrument, size: Decimal, mark: Decimal, rate: Decimal) -> Fraction:
    return -instrument.cost(size, mark) * Fraction(rate)
