"""Between two moments at which somebody must think: what may be left out, and what is then told at once.

The bands are conservative: while all marks stay inside, handling each of them would have moved no
stop, tripped no breaker and unwound nothing. A driver that stops at whatever leaves them wakes the
engine early, and never late.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import ZERO, ContractKind, Instrument, cash
from contractdesk.domain.passing import MarketPassed, SymbolPassed, last_mark, unpack_marks
from contractdesk.domain.position import Position
from contractdesk.engine.breaking import profit_of
from contractdesk.engine.core import Core
from contractdesk.engine.guarding import Guarding
from contractdesk.engine.ledger import unrealized
from contractdesk.engine.state import DAY_NS, NS_PER_S, Desk, Market
from contractdesk.engine.trailing import FOREVER, Trailing
from contractdesk.risk.breaker import Later, Sample
from contractdesk.risk.trailing import better

SLACK = 0.99  # of what floats say is safe: they are off by 1e-15, and nobody counts on the rest
FARTHEST = 0.2  # of its mark: beyond it everything is reckoned anew
_exact = Context(prec=200)  # of products of prices and sizes: nothing is rounded
EVERY = (FOREVER, -FOREVER)  # the band that any mark is outside of


class Horizon(Struct, frozen=True):
    """How far a driver may go: to a time, and as long as each symbol's marks stay within ticks."""

    deadline_ns: int  # FOREVER: only when something happens
    bands: dict[str, tuple[int, int]]  # (low, high): marks strictly between them need not be told singly


class Held(Struct, frozen=True):
    """One position; its profit is ``fixed`` + ``units`` x mark, of an inverse contract ``units`` / mark."""

    instrument: Instrument
    position: Position
    fixed: float
    units: float
    cost: Decimal | None  # exact; None where it is no decimal, as of most inverse contracts

    def profit(self, mark: float) -> float:
        return self.fixed + self.units * self._in(mark)

    def worth(self, mark: float) -> float:
        return abs(self.units) * self._in(mark)

    def exactly(self, ticks: int) -> Decimal:
        """Unrealized at a mark of ``ticks``: what ``Position.unrealized_pnl`` says, sooner."""
        terms, position = self.instrument, self.position
        mark = terms.from_ticks(ticks)
        if self.cost is None:
            return position.unrealized_pnl(terms, mark)
        value = _exact.multiply(_exact.multiply(position.size, terms.contract_size), mark)
        return cash(_exact.subtract(value, self.cost))

    def _in(self, mark: float) -> float:
        return mark if self.instrument.kind is ContractKind.LINEAR else 1 / mark


class Known(Struct, frozen=True):
    """What the profit is made of, until something is booked."""

    wallet_balance: Decimal
    account: Account | None
    positions: tuple[Position, ...]
    held: dict[str, Held]
    rest: Decimal  # profit that moves with no mark
    gap: Decimal  # equity less profit
    rough_rest: float
    rough_gap: float


class Passing:
    def __init__(self, core: Core, trailing: Trailing, guarding: Guarding) -> None:
        self._core = core
        self._desk = core.desk
        self._trailing = trailing
        self._guarding = guarding
        self._memory: Known | None = None
        self._still = False  # nothing can have been booked since it was made

    # -- what may be left out --------------------------------------------------------------

    def bands(self) -> dict[str, tuple[int, int]]:
        """For each symbol the ticks between which its marks may be told at once."""
        share, equity = self._share()
        self._guarding.safe = share is not None and self._guarding.far(share, equity)
        return {symbol: self._band(market, share) for symbol, market in self._desk.symbols.items()}

    def _share(self) -> tuple[float | None, float]:
        """How far, as a share of its mark, each contract may move (None: each mark must be told); equity.

        Within it no profit falls from any peak, known or to come, by as much as trips the breaker.
        """
        desk = self._desk
        opened = desk.day_open
        if not desk.started or desk.account is None or opened is None or opened.day != desk.now_ns // DAY_NS:
            return None, 0.0
        if any(market.external_size for market in desk.symbols.values()):
            return None, 0.0
        known = self._known()
        profit, worth = known.rough_rest, 0.0
        for symbol, held in known.held.items():
            mark = desk.symbols[symbol].trusted.price
            if mark is None:
                return None, 0.0
            price = float(mark)
            profit, worth = profit + held.profit(price), worth + held.worth(price)
        equity = profit + known.rough_gap
        if not worth:
            return FARTHEST, equity
        room = self._room(profit, equity) * SLACK / worth
        return (min(room / (1 + room), FARTHEST) if room > 0 else None), equity

    def _room(self, profit: float, equity: float) -> float:
        """What the account may lose at least before the breaker can trip; half of it, for new peaks."""
        breaker, most = self._desk.breaker, float(self._desk.risk.breaker_drop) * equity / 2
        if profit - breaker.top < most:
            breaker.tighten()  # of what is remembered in the rough, only the window counts
        return min(profit - breaker.top, most)

    def _band(self, market: Market, share: float | None) -> tuple[int, int]:
        mark, tick = market.trusted.price, float(market.instrument.tick_size)
        if share is None or mark is None or market.guard.uncovered or market.trusted.doubted is not None:
            return EVERY
        low, high = self._trailing.still(market)
        low = max(low, math.ceil(float(mark) * (1 - share) / tick))
        return low, min(high, math.floor(float(mark) * (1 + share) / tick))

    # -- what is told at once --------------------------------------------------------------

    def take(self, event: MarketPassed) -> None:
        """Take in what has passed; the driver has seen to it that no mark left its band."""
        desk = self._desk
        before = {symbol: desk.symbols[symbol].trusted.price for symbol in self._known().held}
        for passed in event.symbols:
            market = desk.symbols.get(passed.symbol)
            if market is not None:
                self._take(market, passed, event)
        if desk.started and desk.account is not None:
            self._defer(event, before)

    @staticmethod
    def _take(market: Market, passed: SymbolPassed, event: MarketPassed) -> None:
        if passed.last is not None:
            market.last = passed.last
        if passed.bids or passed.asks:
            market.book.apply(passed.bids, passed.asks, market.book.update_id + 1)
        market.book_alive_ns = max(market.book_alive_ns, passed.alive_ns)
        if not passed.marks:
            return
        ts_ns, ticks = last_mark(passed.marks)
        terms = market.instrument
        market.mark = market.index = market.trusted.price = terms.from_ticks(ticks)
        market.mark_ns, market.mark_venue_ns = ts_ns, ts_ns - event.delay_ns
        market.trusted.seen_ns = market.mark_venue_ns
        size, known = market.position.size, market.trail.best
        if size:
            sign, edge = (1, passed.high_ticks) if size > 0 else (-1, passed.low_ticks)
            best = better(sign, known, terms.from_ticks(edge))
            if best is not known:
                market.trail = replace(market.trail, best=best)

    def _defer(self, event: MarketPassed, before: dict[str, Decimal | None]) -> None:
        """Leave the breaker's samples to whoever asks; its ceiling must not be below any of them."""
        marked = [passed for passed in event.symbols if passed.marks]
        if not marked:
            return
        desk, known = self._desk, self._known()
        newest = max([last_mark(passed.marks)[0] for passed in marked])
        drop, window_ns = desk.risk.breaker_drop, int(desk.risk.breaker_window_s * NS_PER_S)
        if not known.held:  # the same profit, for longer
            samples = (Sample(newest, known.rest, known.rest + known.gap),)
            key = known.rough_rest - float(drop) * (known.rough_rest + known.rough_gap)
            desk.breaker.defer(Later(newest, key, lambda: samples, known), drop, window_ns)
            return
        top = known.rough_rest
        for symbol, held in known.held.items():
            top += max(held.profit(edge) for edge in _edges(symbol, held, marked, before[symbol]))
        key = top - float(drop) * (top + known.rough_gap)
        later = Later(newest, key, partial(_samples, known, tuple(marked), before, newest))
        desk.breaker.defer(later, drop, window_ns)

    def stir(self) -> None:
        """Something may have been booked."""
        self._still = False

    def _known(self) -> Known:
        memory, desk = self._memory, self._desk
        if self._still and memory is not None:
            return memory
        self._still = True
        positions = tuple(market.position for market in desk.symbols.values())
        if (
            memory is None
            or memory.wallet_balance is not desk.wallet_balance
            or memory.account is not desk.account
            or len(memory.positions) != len(positions)
            or any(old is not new for old, new in zip(memory.positions, positions, strict=True))
        ):
            memory = self._memory = _known(desk, positions)
        return memory


def _known(desk: Desk, positions: tuple[Position, ...]) -> Known:
    """Exact but for the floats, which only bound."""
    markets = [market for market in desk.symbols.values() if market.instrument.settle == desk.config.asset]
    held = {market.instrument.symbol: _held(market) for market in markets if market.position.size}
    rest = sum((profit_of(market, None) for market in markets), ZERO)
    profit = sum((profit_of(market, market.trusted.price) for market in markets), ZERO)
    equity = desk.wallet_balance + unrealized(desk, lambda market: market.trusted.price)
    gap = equity - profit
    return Known(desk.wallet_balance, desk.account, positions, held, rest, gap, float(rest), float(gap))


def _held(market: Market) -> Held:
    terms, position = market.instrument, market.position
    units, cost = float(position.size * terms.contract_size), float(position.cost)
    if terms.kind is ContractKind.LINEAR:
        return Held(terms, position, -cost, units, _as_decimal(position.cost))
    return Held(terms, position, cost, -units, None)


def _as_decimal(exact: Fraction) -> Decimal | None:
    """The same number as a decimal; None where it has none."""
    found = _exact.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return found if found.as_integer_ratio() == (exact.numerator, exact.denominator) else None


def _samples(
    known: Known, marked: tuple[SymbolPassed, ...], before: dict[str, Decimal | None], newest_ns: int
) -> Iterator[Sample]:
    """What the breaker would have seen at each mark: the profit of those that are held moves with it.

    At the others' it has seen that the profit was still the same: a peak is as young as the last of them.
    """
    rows = [
        (ts_ns, place, passed.symbol, ticks)
        for place, passed in enumerate(marked)
        for ts_ns, ticks in unpack_marks(passed.marks)
    ]
    moving = {symbol: _moving(held, before[symbol]) for symbol, held in known.held.items()}
    profit = known.rest + sum(moving.values(), ZERO)
    for ts_ns, _, symbol, ticks in sorted(rows) if len(marked) > 1 else rows:
        if symbol in moving:
            moving[symbol] = known.held[symbol].exactly(ticks)
            profit = known.rest + sum(moving.values(), ZERO)
        yield Sample(ts_ns, profit, profit + known.gap)
    yield Sample(newest_ns, profit, profit + known.gap)


def _edges(symbol: str, held: Held, marked: list[SymbolPassed], before: Decimal | None) -> Iterator[float]:
    """Marks of which one is the best that there has been, the one before included."""
    tick = float(held.instrument.tick_size)
    if before is not None:
        yield float(before)
    for passed in marked:
        if passed.symbol == symbol:
            yield passed.low_ticks * tick
            yield passed.high_ticks * tick


def _moving(held: Held, mark: Decimal | None) -> Decimal:
    return ZERO if mark is None else held.position.unrealized_pnl(held.instrument, mark)
